import numpy as np
import pytest
import reference

from tebench.baselines.discriminant import adaptive_weight, discriminants, shrunk, softmax, solve
from tebench.baselines.sfda import sfda
from tebench.metrics.moments import Moments


@pytest.mark.reference("sfda", source="TencentARC/SFDA metrics.py")
@pytest.mark.parametrize("name", reference.having("sfda"))
def test_public_value(name):
    # a ridge of 1e-10 on a rank-deficient covariance leaves ten digits to either code
    rel = 1e-9 if name == "lowrank" else 1e-10
    X, y = reference.case(name)["X"], reference.case(name)["y"]
    assert sfda(Moments.of(X, y)) == pytest.approx(reference.value(name, "sfda"), rel=rel)


def test_float32_mixing_is_the_declared_disagreement():
    score = sfda(reference.moments("lowrank"))
    assert round(score, 7) == 0.6600757
    assert round(reference.value("lowrank", "sfda_f32"), 7) == 0.6600765


def test_posterior_is_that_of_gaussians_with_one_covariance():
    rng = np.random.default_rng(0)
    y = np.arange(90) % 3
    m = Moments.of(rng.standard_normal((90, 4)) + y[:, None], y)
    covariance = shrunk(m.within / m.n, 0.3)
    coefficients, intercepts = discriminants(m.offsets, m.counts, covariance)
    x = rng.standard_normal(4)
    from scipy.stats import multivariate_normal

    density = np.array([multivariate_normal(o, covariance).pdf(x) for o in m.offsets]) * m.counts
    np.testing.assert_allclose(softmax((x @ coefficients + intercepts)[None])[0], density / density.sum(), rtol=1e-10)


def test_adaptive_weight_tends_to_the_largest_eigenvalue():
    S = np.diag([0.4, 0.01, 0.02])
    assert adaptive_weight(S) == pytest.approx(np.exp(-2), rel=1e-8)
    assert adaptive_weight(100 * S) == 1e-10
    assert adaptive_weight(0 * S) == 1


def test_solve_without_spread_and_with_a_singular_matrix():
    assert np.isfinite(solve(np.zeros((2, 2)), np.ones((2, 1)))).all()
    right = np.array([[1.0], [1.0]])
    np.testing.assert_allclose(solve(np.ones((2, 2)), right), right / 2, rtol=1e-6)


def test_adaptive_weight_of_huge_and_tiny_covariances():
    S = np.diag([0.4, 0.01, 0.02])
    assert adaptive_weight(1e250 * S) == 1e-10
    assert adaptive_weight(1e-300 * S) == 1
    assert adaptive_weight(np.zeros((3, 3))) == 1
