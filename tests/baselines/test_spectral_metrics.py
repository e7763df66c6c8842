"""Label-free metrics of the spectrum, on features whose singular values are known."""

import numpy as np
import pytest
import scipy.spatial
import scipy.stats

import tebench
from tebench.base.errors import NotApplicable

LABELS = np.arange(400) % 2


def features_of(values, n=400, d=None, seed=0, mean=0.0):
    """(n, d) features whose centred matrix has exactly these singular values, plus a mean."""
    rng, k = np.random.default_rng(seed), len(values)
    left = np.linalg.qr(np.column_stack([np.ones(n), rng.standard_normal((n, k))]))[0][:, 1:]
    right = np.linalg.qr(rng.standard_normal((d or k, k)))[0]
    return left * values @ right.T + mean


@pytest.mark.reference("rankme", source="entropy of the singular values by scipy.stats, and k equal values")
def test_rankme_is_the_exponential_of_the_entropy():
    assert tebench.score("rankme", features_of(np.ones(7), d=20), LABELS) == pytest.approx(7)
    features = np.random.default_rng(1).standard_normal((400, 12)) * np.arange(1, 13) + 3
    expected = np.exp(scipy.stats.entropy(scipy.linalg.svdvals(features)))
    assert tebench.score("rankme", features, LABELS) == pytest.approx(expected)
    assert abs(tebench.score("rankme", features - features.mean(0), LABELS) - expected) > 0.1, "not centred [paper]"


@pytest.mark.reference("alpha_req", source="features whose eigenvalues are i^-alpha exactly")
@pytest.mark.parametrize(("alpha", "score"), [(1.0, 0.0), (1.5, -0.5), (0.25, -0.75)])
def test_alpha_req_finds_the_exponent(alpha, score):
    features = features_of(np.arange(1, 31) ** (-alpha / 2), mean=2.0)
    assert tebench.score("alpha_req", features, LABELS) == pytest.approx(score, abs=1e-9)
    assert tebench.score("alpha_req", features, LABELS, first=5, last=20) == pytest.approx(score, abs=1e-9)


def test_alpha_req_fits_the_range_that_is_asked():
    features = features_of(np.r_[np.full(5, 100.0), np.arange(6, 31) ** -1.0])
    assert tebench.score("alpha_req", features, LABELS, first=6) == pytest.approx(-1.0)
    assert tebench.score("alpha_req", features, LABELS) < -1.5
    with pytest.raises(NotApplicable, match="needs 3 eigenvalues above the numerical rank, and the features have 2"):
        tebench.score("alpha_req", features_of(np.ones(2), d=6), LABELS)


@pytest.mark.reference("participation_ratio", source="closed form: (sum l)^2 / sum l^2")
def test_participation_ratio_counts_directions():
    assert tebench.score("participation_ratio", features_of(np.ones(5), d=9), LABELS) == pytest.approx(5)
    features = features_of(np.array([3.0, 2.0, 1.0]), mean=1.0)
    assert tebench.score("participation_ratio", features, LABELS) == pytest.approx(14**2 / (81 + 16 + 1))
    kept = np.linalg.eigvalsh(features.T @ features)
    found = tebench.score("participation_ratio", features, LABELS, mean="kept")
    assert found == pytest.approx(kept.sum() ** 2 / (kept**2).sum())


@pytest.mark.reference("nesum", source="closed form: sum l / l_1")
def test_nesum_is_the_trace_over_the_largest_eigenvalue():
    assert tebench.score("nesum", features_of(np.array([3.0, 2.0, 1.0]), mean=1.0), LABELS) == pytest.approx(14 / 9)
    assert tebench.score("nesum", features_of(np.ones(6)), LABELS) == pytest.approx(6)


@pytest.mark.parametrize("name", ["rankme", "alpha_req", "participation_ratio", "nesum"])
def test_labels_are_not_read(name):
    features = np.random.default_rng(2).standard_normal((400, 10)) * np.arange(1, 11)
    other = np.random.default_rng(3).permutation(LABELS)
    assert tebench.score(name, features, LABELS) == pytest.approx(tebench.score(name, features, other))
    if name != "rankme":  # an offset is a direction of the features as they are
        with pytest.raises(NotApplicable, match="the features have 0"):
            tebench.score(name, np.ones((400, 3)), LABELS)


@pytest.mark.reference("twonn", source="a uniform cube of known dimension; the definition by scipy's k-d tree")
@pytest.mark.parametrize("dimension", [1, 2, 5])
def test_twonn_finds_the_dimension_of_a_cube(dimension):
    rng = np.random.default_rng(4)
    points = rng.random((4000, dimension)) @ np.linalg.qr(rng.standard_normal((12, 12)))[0][:dimension]
    labels = np.arange(4000) % 2
    found = tebench.score("twonn", points, labels)
    assert found == pytest.approx(dimension, rel=0.1)  # the edges of a cube lower it
    near = scipy.spatial.cKDTree(points).query(points, k=3)[0]
    ratios = np.log(np.sort(near[:, 2] / near[:, 1]))[:3600]
    slope = np.linalg.lstsq(ratios[:, None], -np.log(1 - np.arange(1, 3601) / 4000))[0][0]
    assert found == pytest.approx(slope, rel=1e-9)
    twice = tebench.score("twonn", np.r_[points, points[:500]], np.r_[labels, labels[:500]])
    assert twice == found, "identical rows are one point"


def test_twonn_needs_distinct_rows():
    with pytest.raises(NotApplicable, match="at least 20 distinct rows of features, and the sample has 10"):
        tebench.score("twonn", np.repeat(np.arange(10.0), 40)[:, None], LABELS)


@pytest.mark.reference("lidar", source="generalised eigenvalues by scipy, from covariances written out")
def test_lidar_is_the_effective_rank_of_the_discriminant_matrix():
    rng = np.random.default_rng(5)
    sizes = rng.integers(2, 9, 60)
    starts = np.r_[0, np.cumsum(sizes)[:-1]]
    patches = np.full((60, 8), -1)
    for row, (start, size) in enumerate(zip(starts, sizes, strict=True)):
        patches[row, :size] = np.arange(start, start + size)
    n = sizes.sum() + 40  # rows outside the patches are not read
    place = 5 * rng.standard_normal((60, 6)) * [4, 3, 2, 1, 1, 0.1]
    features = rng.standard_normal((n, 6)) * [1, 2, 1, 2, 1, 2]
    features[: sizes.sum()] += np.repeat(place, sizes, axis=0)
    labels = np.arange(n) % 3
    within, means = np.zeros((6, 6)), []
    for start, size in zip(starts, sizes, strict=True):
        within += np.cov(features[start : start + size].T, ddof=0) / 60
        means.append(features[start : start + size].mean(0))
    within += 0.01 * np.trace(within) / 6 * np.eye(6)
    values = scipy.linalg.eigh(np.cov(np.array(means).T), within, eigvals_only=True)
    found = tebench.score("lidar", features, labels, cases=np.zeros(n, int), patches=patches, delta=0.01)
    assert found == pytest.approx(np.exp(scipy.stats.entropy(values)))
    assert 1 < found < 6


def test_lidar_needs_patches_with_spread():
    with pytest.raises(NotApplicable, match="at least 2 patches of two or more voxels, and the sample has 1"):
        tebench.score("lidar", features_of(np.ones(3)), LABELS, patches=np.array([[0, 1, 2], [5, -1, -1]]))
    with pytest.raises(NotApplicable, match="do not vary within patches"):
        tebench.score("lidar", np.repeat(np.arange(100.0), 4)[:, None], LABELS, patches=np.arange(400).reshape(-1, 4))
