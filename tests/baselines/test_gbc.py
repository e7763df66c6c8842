import numpy as np
import pytest
import reference

from tebench.baselines.gbc import gbc
from tebench.metrics.moments import Moments


def dense(X, labels, *, ddof=0, ridge=0.0):
    """Full covariance, straight from the definition."""
    classes = np.unique(labels)
    means = [X[labels == c].mean(0) for c in classes]
    covariances = [np.cov(X[labels == c].T, ddof=ddof) + ridge * np.eye(X.shape[1]) for c in classes]
    total = 0.0
    for i in range(len(classes)):
        for j in range(len(classes)):
            if i != j:
                S, gap = (covariances[i] + covariances[j]) / 2, means[i] - means[j]
                logs = [np.linalg.slogdet(A)[1] for A in (S, covariances[i], covariances[j])]
                total -= np.exp(-gap @ np.linalg.solve(S, gap) / 8 - (logs[0] - (logs[1] + logs[2]) / 2) / 2)
    return total


@pytest.mark.reference("gbc", source="own: derivation stored beside the cases")
@pytest.mark.parametrize("covariance", ["spherical", "diagonal"])
@pytest.mark.parametrize("name", reference.having("own:gbc_diagonal_ddof0_nofloor"))
def test_reference_value(name, covariance):
    key = {"spherical": "own:gbc_spherical_correct_ddof0_nofloor", "diagonal": "own:gbc_diagonal_ddof0_nofloor"}
    expected = reference.value(name, key[covariance])
    assert gbc(reference.moments(name), covariance=covariance) == pytest.approx(expected, rel=1e-10)


@pytest.mark.reference("gbc", source="own: dense Bhattacharyya distance by slogdet and solve")
@pytest.mark.parametrize("name", ["blobs_overlap", "imbalance_99", "binary_small", "random_labels", "rtd_pair"])
def test_full_covariance(name):
    X, y = reference.case(name)["X"].astype(float), reference.case(name)["y"]
    # the dense form reproduces two derivations from elsewhere, and ours is the dense form with ddof 0
    assert dense(X, y, ddof=1) == pytest.approx(reference.value(name, "own:gbc_full_ddof1"), rel=1e-10)
    assert dense(X, y, ridge=1e-4) == pytest.approx(reference.value(name, "own:gbc_full_ridge1e-4"), rel=1e-10)
    assert gbc(reference.moments(name), covariance="full") == pytest.approx(dense(X, y), rel=1e-10)


def test_singular_classes_get_the_declared_ridge():
    X, y = reference.case("lowrank")["X"].astype(float), reference.case("lowrank")["y"]
    within = np.mean([(X[i] - X[y == y[i]].mean(0)) ** 2 for i in range(len(X))])
    expected = dense(X, y, ridge=1e-3 * within)
    assert gbc(reference.moments("lowrank"), covariance="full", ridge=1e-3) == pytest.approx(expected, rel=1e-8)


@pytest.mark.reference("gbc", source="closed form: two Gaussians")
def test_two_spheres_by_hand():
    # variances 1 and 4 in 2 columns, means 6 apart: B = 36 / (4 (1 + 4)) + log(5 / 4)
    ring = np.array([[1, 1], [1, -1], [-1, 1], [-1, -1.0]])
    X = np.concatenate([ring, 2 * ring + [6, 0]])
    expected = -2 * np.exp(-(36 / 20 + np.log(2.5 / 2)))
    y = np.repeat([0, 1], 4)
    for covariance in ("spherical", "diagonal", "full"):
        assert gbc(Moments.of(X, y), covariance=covariance) == pytest.approx(expected, rel=1e-12)
        assert gbc(Moments.of(X, y), covariance=covariance, pca=2) == pytest.approx(expected, rel=1e-12)


def test_pca_on_moments_is_pca_on_rows():
    X, y = reference.case("blobs_overlap")["X"].astype(float), reference.case("blobs_overlap")["y"]
    rows = (X - X.mean(0)) @ np.linalg.svd(X - X.mean(0), full_matrices=False)[2][:10].T
    for covariance in ("spherical", "diagonal", "full"):
        expected = gbc(Moments.of(rows, y), covariance=covariance)
        assert gbc(reference.moments("blobs_overlap"), covariance=covariance, pca=10) == pytest.approx(
            expected, rel=1e-10
        )


@pytest.mark.parametrize("covariance", ["spherical", "diagonal", "full"])
def test_degenerate_classes(covariance):
    same = np.ones((6, 3))
    y = np.array([0, 0, 0, 1, 1, 1])
    assert gbc(Moments.of(same, y), covariance=covariance) == -2  # one point: full overlap
    apart = same * y[:, None]
    assert gbc(Moments.of(apart, y), covariance=covariance) == 0  # two points: none
    rng = np.random.default_rng(0)
    lone = Moments.of(rng.standard_normal((40, 3)), np.r_[0, 0, 0, 0, 0, 1, 1, np.full(32, 2), 7])
    assert -4 * 3 <= gbc(lone, covariance=covariance) <= 0


def test_scale_free_where_a_floor_is_not():
    X, y = reference.case("binary_small")["X"].astype(float), reference.case("binary_small")["y"]
    assert gbc(Moments.of(1e-4 * X, y)) == pytest.approx(gbc(Moments.of(X, y)), rel=1e-10)
