import numpy as np
import pytest
import reference

from tebench.baselines.pactran import pactran, pactran_dirichlet, pactran_gamma
from tebench.metrics.moments import Moments


@pytest.mark.reference("pactran_dirichlet", "pactran_gamma", source="google-research/pactran_metrics")
@pytest.mark.parametrize("name", reference.having("pactran_dirichlet_author"))
@pytest.mark.parametrize("bound", [pactran_dirichlet, pactran_gamma])
def test_public_value_on_probabilities(name, bound):
    case, key = reference.case(name), bound.__name__ + "_author"
    assert bound(case["P"], case["y"]) == pytest.approx(reference.value(name, key), rel=1e-10)


@pytest.mark.parametrize("name", sorted(set(reference.having("pactran_gauss_author_seed0")) - {"organs_14"}))
def test_public_value_within_its_convergence(name):
    # 100 L-BFGS steps in the raw coordinates leave up to 1.4e-3 on the imbalanced case
    X, y = reference.case(name)["X"], reference.case(name)["y"]
    assert pactran(Moments.of(X, y)) == pytest.approx(reference.value(name, "pactran_gauss_author_seed0"), rel=2e-3)


@pytest.mark.reference("pactran", source="own: Newton iteration on the raw features")
def test_minimum_found_by_newton():
    """The same bound from a plain Newton iteration on the raw features."""
    rng = np.random.default_rng(0)
    n, d, c = 120, 3, 2
    y = np.arange(n) % c
    X = rng.standard_normal((n, d)) + 0.5 * y[:, None]
    Z = np.column_stack([X - X.mean(0), np.ones(n)])
    penalty = np.diag(np.r_[np.ones(d), 0]) / n
    # two classes: only w_1 - w_0 = u counts, and |w|^2 is least at |u|^2 / 2
    u = np.zeros(d + 1)
    for _ in range(50):
        p = 1 / (1 + np.exp(-Z @ u))
        gradient = Z.T @ (p - y) / n + penalty @ u / 2
        u = u - np.linalg.solve((Z * (p * (1 - p))[:, None]).T @ Z / n + penalty / 2, gradient)
    p = 1 / (1 + np.exp(-Z @ u))
    loss = -np.mean(np.log(np.where(y, p, 1 - p))) + u @ penalty @ u / 4
    trace = 2 * (p * (1 - p) * (Z**2).sum(1)).sum()
    expected = -loss - 100 * c / (2 * n) * np.log1p(n * trace / (d * c))
    assert pactran(Moments.of(X, y)) == pytest.approx(expected, rel=1e-8)


def test_prior_and_strength_enter():
    X, y = reference.case("rtd_pair")["X"], reference.case("rtd_pair")["y"]
    assert pactran(Moments.of(X, y), prior=0) > pactran(Moments.of(X, y), prior=10) > pactran(Moments.of(X, y))
    assert pactran(Moments.of(X, y), prior=0, strength=10) > pactran(Moments.of(X, y), prior=0, strength=0.1)


def test_copies_count_as_often_as_they_are_there():
    """Twice the sample at half the strength is the same bound, but for the Hessian's trace, summed over samples."""
    rng = np.random.default_rng(0)
    y = np.arange(60) % 3
    X = rng.standard_normal((60, 4)) + y[:, None]
    twice = np.r_[X, X[::-1]], np.r_[y, y[::-1]]
    once = pactran(Moments.of(X, y), prior=0)
    assert pactran(Moments.of(*twice), prior=0, strength=0.5) == pytest.approx(once, rel=1e-9)
    mixed = pactran(Moments.of(np.r_[X, X], np.r_[y, (y + 1) % 3]), prior=0, strength=0.5)
    assert mixed < once  # copies of another class are not taken for the first
