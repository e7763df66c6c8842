import numpy as np
import pytest
import reference

from tebench.baselines.hscore import hscore
from tebench.baselines.hscore_regularized import hscore_regularized, ledoit_wolf
from tebench.metrics.moments import Moments


@pytest.mark.reference("hscore_regularized", source="thuml/Transfer-Learning-Library tllib/ranking/hscore.py")
@pytest.mark.parametrize("name", reference.having("hscore_regularized_tllib"))
def test_public_value(name):
    expected = reference.value(name, "hscore_regularized_tllib")
    assert hscore_regularized(reference.moments(name)) == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize("name", reference.having("own:hscore_ledoit_wolf_alpha"))
def test_shrinkage(name):
    m = reference.moments(name)
    a, _ = ledoit_wolf(m.spectrum.values**2 / m.n, m.fourth / m.n, m.n, m.d)
    assert a == pytest.approx(reference.value(name, "own:hscore_ledoit_wolf_alpha"), rel=1e-10)


def test_no_shrinkage_of_one_column():
    X = np.random.default_rng(0).standard_normal((50, 1))
    m = Moments.of(X, np.arange(50) % 2)
    assert hscore_regularized(m) == pytest.approx(hscore(m) * 50 / 49, rel=1e-12)


def test_constant_features_score_zero():
    assert hscore_regularized(Moments.of(np.full((10, 3), 0.1), np.arange(10) % 2)) == 0
