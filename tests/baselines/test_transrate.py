import numpy as np
import pytest
import reference

from tebench.baselines.transrate import transrate
from tebench.metrics import moments as module
from tebench.metrics.moments import Moments


@pytest.mark.reference("transrate", source="own: log determinants, stored beside the cases")
@pytest.mark.parametrize("name", reference.having("own:transrate_freq_weighted"))
def test_reference_value(name):
    expected = reference.value(name, "own:transrate_freq_weighted")
    assert transrate(reference.moments(name)) == pytest.approx(expected, rel=1e-10)


@pytest.mark.reference("transrate", source="thuml/Transfer-Learning-Library tllib/ranking/transrate.py")
@pytest.mark.parametrize("name", reference.having("transrate_tllib"))
def test_uniform_weights_are_the_public_value(name):
    expected = reference.value(name, "transrate_tllib")
    # public float64 log determinants lose digits on the rank-deficient case
    rel = 1e-8 if name == "lowrank" else 1e-10
    assert transrate(reference.moments(name), weights="uniform") == pytest.approx(expected, rel=rel)


def test_gram_form(monkeypatch):
    monkeypatch.setattr(module, "SMALL", 0)
    X, y = reference.case("blobs_overlap")["X"], reference.case("blobs_overlap")["y"]
    expected = reference.value("blobs_overlap", "own:transrate_freq_weighted")
    assert transrate(Moments.of(X, y)) == pytest.approx(expected, rel=1e-10)


def test_by_hand():
    # one column, values -1, 1 | -1, 1: classes alike, nothing to gain; then -1, -1 | 1, 1: rates alike as well,
    # because the class rows are not centred again
    X = np.array([[-1.0], [1], [-1], [1]])
    for y in ([0, 0, 1, 1], [0, 1, 0, 1]):
        assert transrate(Moments.of(X, np.array(y)), eps=1.0) == pytest.approx(0, abs=1e-15)
    X = np.array([[-1.0, 0], [0, 1], [-1, 0], [0, 1]]) - [-0.5, 0.5]
    m = Moments.of(X, np.array([0, 1, 0, 1]))
    # all rows on one line, at -a and a, a^2 = 1/2
    assert transrate(m, eps=0.5) == pytest.approx(0, abs=1e-15)
