import numpy as np
import pytest
import reference

from tebench.baselines.emms import emms
from tebench.metrics.moments import Moments


@pytest.mark.reference("emms", source="own: numpy least squares on the rows")
@pytest.mark.parametrize("name", ["blobs_overlap", "lowrank", "organs_14", "random_labels"])
def test_least_squares_on_standardised_one_hot_labels(name):
    X, y = reference.case(name)["X"].astype(float), reference.case(name)["y"]
    z = np.eye(int(y.max()) + 1)[y]
    z, x = (z - z.mean(0)) / z.std(0), X - X.mean(0)
    residual = z - x @ np.linalg.lstsq(x, z, rcond=1e-8)[0]
    assert emms(reference.moments(name)) == pytest.approx(-(residual**2).mean(), rel=1e-10)


def test_ends_of_the_range():
    y = np.arange(12) % 3
    assert emms(Moments.of(np.eye(3)[y], y)) == pytest.approx(0, abs=1e-12)
    assert emms(Moments.of(np.random.default_rng(0).standard_normal((12, 40)), y)) == pytest.approx(0, abs=1e-10)
    assert emms(Moments.of(np.ones((12, 2)), y)) == -1


def test_declared_disagreement():
    """Standardised embeddings of width 8 mixed by weights in the simplex leave a mean square of at most 1."""
    # OpenGVLab/Multitask-Model-Selector metrics.py:EMMS on blobs_overlap with three random embeddings
    coded = -12.251892594199115
    assert coded < -1 < coded / 8**2
    assert coded / 8**2 == pytest.approx(-0.191, abs=5e-4)
