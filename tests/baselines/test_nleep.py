import numpy as np
import pytest
import reference

from tebench.baselines import nleep as module
from tebench.baselines.nleep import mixture_posteriors, nleep, principal_rows
from tebench.metrics.moments import Moments


@pytest.mark.parametrize("name", ["blobs_overlap", "binary_small", "imbalance_99", "random_labels", "rtd_pair"])
def test_near_the_public_value(name):
    # EM from another start and with other covariances: near, not equal
    X, y = reference.case(name)["X"], reference.case(name)["y"]
    assert nleep(Moments.of(X, y)) == pytest.approx(reference.value(name, "nleep_emab"), abs=0.03)


@pytest.mark.parametrize("covariance", ["diagonal", "full"])
def test_finds_the_generating_mixture(covariance):
    rng = np.random.default_rng(0)
    z = rng.integers(0, 3, 900)
    centres, spread = np.array([[0.0, 0], [6, 0], [0, 7]]), np.array([[1, 0.5], [0.4, 1.2], [1, 1]])
    X = centres[z] + spread[z] * rng.standard_normal((900, 2))
    posterior = mixture_posteriors(X, 3, covariance, 100, 0)
    np.testing.assert_allclose(posterior.sum(axis=1), 1, rtol=1e-12)
    match = np.array([[np.mean(posterior[z == i, j]) for j in range(3)] for i in range(3)])
    assert (match.max(axis=1) > 0.98).all()
    assert sorted(match.argmax(axis=1)) == [0, 1, 2]


@pytest.mark.parametrize("covariance", ["diagonal", "full"])
def test_one_step_by_the_definition(covariance):
    """The density of each component, written out with scipy."""
    from scipy.stats import multivariate_normal

    rng = np.random.default_rng(1)
    rows, posterior = rng.standard_normal((40, 3)), rng.dirichlet(np.ones(2), 40)
    weights = posterior.sum(axis=0)
    means = posterior.T @ rows / weights[:, None]
    got = (module._diagonal if covariance == "diagonal" else module._full)(rows, posterior, weights, means)
    for j in range(2):
        S = np.cov(rows.T, aweights=posterior[:, j], ddof=0)
        S = np.diag(np.diagonal(S)) if covariance == "diagonal" else S
        expected = multivariate_normal(means[j], S + module.FLOOR * np.eye(3)).logpdf(rows)
        np.testing.assert_allclose(got[:, j] - 1.5 * np.log(2 * np.pi), expected, rtol=1e-10)


def test_components_hold_the_energy():
    X = np.random.default_rng(0).standard_normal((400, 3)) * [3, 2, 1]
    m = Moments.of(X, np.arange(400) % 2)
    share = np.cumsum(m.spectrum.values**2) / (m.spectrum.values**2).sum()
    assert share[0] < 0.8 < share[1]
    assert principal_rows(m, 0.8).shape == (400, 2)
    assert principal_rows(m, 1.0).shape == (400, 3)


def test_seed_matters_and_is_all_that_does():
    X, y = reference.case("binary_small")["X"][:500], reference.case("binary_small")["y"][:500]
    assert nleep(Moments.of(X, y), seed=1) == nleep(Moments.of(X, y), seed=1) != nleep(Moments.of(X, y), seed=2)


@pytest.mark.reference("nleep", source="closed form: clusters so far apart that every posterior is 0 or 1")
@pytest.mark.parametrize("covariance", ["diagonal", "full"])
def test_far_clusters_leave_the_conditional_entropy(covariance):
    """One component a cluster: LEEP of one-hot posteriors is -H(Y given cluster)."""
    table = np.array([[30, 10], [5, 55]])  # cluster x class
    cluster, y = np.repeat([0, 0, 1, 1], table.ravel()), np.repeat([0, 1, 0, 1], table.ravel())
    X = 1e3 * cluster[:, None] + np.random.default_rng(0).standard_normal((100, 3))
    share = table / table.sum(axis=1, keepdims=True)
    expected = (table * np.log(share)).sum() / 100
    assert nleep(Moments.of(X, y), per_class=1, covariance=covariance) == pytest.approx(expected, rel=1e-10)


@pytest.mark.reference("nleep", source="own: textbook EM with scipy's densities, run to convergence")
def test_default_mixture_by_textbook_em():
    """Two overlapping clusters have one maximum of the likelihood; any EM finds it."""
    from scipy.stats import multivariate_normal

    rng = np.random.default_rng(0)
    z = rng.integers(0, 2, 400)
    X = rng.standard_normal((400, 2)) * [1, 0.6] + 4.0 * z[:, None]
    y = np.where(rng.random(400) < 0.15, 1 - z, z)
    rows = (X - X.mean(0)) @ np.linalg.svd(X - X.mean(0), full_matrices=False)[2].T
    theta = np.eye(2)[(rows[:, 0] > 0).astype(int)]
    for _ in range(200):
        weights = theta.sum(0)
        means = theta.T @ rows / weights[:, None]
        spread = [np.diag((theta[:, j] @ (rows - means[j]) ** 2) / weights[j]) for j in range(2)]
        density = np.stack([weights[j] * multivariate_normal(means[j], spread[j]).pdf(rows) for j in range(2)], axis=1)
        theta = density / density.sum(1, keepdims=True)
    given = np.stack([theta[y == c].sum(0) for c in range(2)]) / theta.sum(0)  # P(y given z)
    expected = np.log((given[y] * theta).sum(1)).mean()
    # ours stops at a gain of 1e-3 nats a sample
    assert nleep(Moments.of(X, y), energy=1.0, per_class=1) == pytest.approx(expected, abs=2e-3)
