import re

import numpy as np
import pytest
import reference

import tebench
from tebench.baselines.emms import emms
from tebench.metrics.moments import Moments


@pytest.mark.reference("emms", source="own: numpy least squares on the rows")
@pytest.mark.parametrize("name", ["blobs_overlap", "lowrank", "organs_14", "random_labels"])
def test_least_squares_on_standardised_one_hot_labels(name):
    X, y = reference.case(name)["X"].astype(float), reference.case(name)["y"]
    residual = residuals(X, np.eye(int(y.max()) + 1)[y])
    assert emms(reference.moments(name)) == pytest.approx(-(residual**2).mean(), rel=1e-10)


def test_ends_of_the_range():
    y = np.arange(12) % 3
    assert emms(Moments.of(np.eye(3)[y], y)) == pytest.approx(0, abs=1e-12)
    assert emms(Moments.of(np.random.default_rng(0).standard_normal((12, 40)), y)) == pytest.approx(0, abs=1e-10)
    assert emms(Moments.of(np.ones((12, 2)), y)) == -1


def residuals(X, z):
    """Of standardised label vectors z (N, D2) on centred features."""
    z, x = (z - z.mean(0)) / z.std(0), X - X.mean(0)
    return z - x @ np.linalg.lstsq(x, z, rcond=1e-8)[0]


def test_sum_over_n_times_width_leaves_the_range_where_the_mean_stays_inside():
    """One random embedding of width 8 for the classes, so no alternation; then the two readings of "/ N * D2"."""
    X, y = reference.case("blobs_overlap")["X"].astype(float), reference.case("blobs_overlap")["y"]
    width = 8
    embedded = np.random.default_rng(0).standard_normal((int(y.max()) + 1, width))[y]
    squares = (residuals(X, embedded) ** 2).sum()
    coded, right = -squares / len(y) * width, -squares / (len(y) * width)
    assert coded < -1 < right < 0
    (declared,) = [text for text in tebench.list_metrics()["emms"].disagreements if "sum / N" in text]
    theirs, ours = map(float, re.findall(r"-\d+\.\d+", declared))
    assert theirs < -1 and theirs / width**2 == pytest.approx(ours, abs=5e-4)
