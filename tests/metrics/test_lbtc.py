import numpy as np
import pytest
from topology_data import distances, gaussians, kruskal, transforms

from tebench import metrics, score
from tebench.base.errors import NotApplicable
from tebench.metrics.topology.lbtc import lbtc
from tebench.metrics.topology.lbtc_released import lbtc_released
from tebench.metrics.topology.patches import feature_patches, leakages


def boundary(separation, *, n=64, d=6, seed=0):
    """Two classes of n rows, 20 patches of 4 + 5 rows around the border, in two cases."""
    features, labels = gaussians(separation, n=n, d=d, seed=seed)
    rng = np.random.default_rng(seed + 1)
    cases = np.arange(2 * n) % 2
    patches = np.stack([
        np.r_[anchor, rng.choice(np.arange(cases[anchor], n, 2), 4, False),
              rng.choice(np.setdiff1d(np.arange(n + cases[anchor], 2 * n, 2), anchor), 4, False)]
        for anchor in range(n, n + 20)
    ])  # fmt: skip
    return features, labels, cases, patches


def leakage_by_hand(features, labels, rows, drop=False):
    edges = kruskal(distances(features[rows]))
    return sum(labels[rows[i]] != labels[rows[j]] for i, j in edges if not (drop and 0 in (i, j))) / (len(rows) - 1)


def nearest_by_hand(features, cases, anchor, size):
    d = distances(features)[anchor]
    d[cases != cases[anchor]] = np.inf
    d[anchor] = -1.0
    return np.argsort(d, kind="stable")[:size]


@pytest.mark.reference("lbtc", source="own: Kruskal tree of every patch")
def test_spatial_patches_edge_by_edge():
    features, labels, cases, patches = boundary(1.0)
    expected = 1 - np.mean([leakage_by_hand(features, labels, rows) for rows in patches])
    assert lbtc(features, labels, cases, patches) == pytest.approx(expected, rel=1e-12)


@pytest.mark.reference("lbtc", source="own: Kruskal tree of every patch")
@pytest.mark.parametrize("size", [5, 16])
def test_feature_patches_are_the_nearest_rows_of_the_own_case(size):
    features, labels, cases, patches = boundary(1.0)
    table = feature_patches(features, cases, patches[:, 0], size)
    for rows, anchor in zip(table, patches[:, 0], strict=True):
        assert rows[0] == anchor
        assert rows.tolist() == nearest_by_hand(features, cases, anchor, size).tolist()
    mixed = [rows for rows in table if len(set(labels[rows])) > 1]
    expected = 1 - np.mean([leakage_by_hand(features, labels, rows) for rows in mixed])
    assert lbtc(features, labels, cases, patches, patch="feature", size=size) == pytest.approx(expected, rel=1e-12)


def test_feature_patch_of_a_small_case_is_padded():
    features, cases = np.arange(5.0)[:, None], np.array([0, 0, 0, 1, 1])
    table = feature_patches(features, cases, np.array([1, 4]), 4)
    assert table.tolist() == [[1, 0, 2, -1], [4, 3, -1, -1]]


@pytest.mark.reference("lbtc_released", source="own: Kruskal tree without the anchor's edges")
def test_released_patches_lose_the_edges_at_the_anchor():
    features, labels, cases, patches = boundary(1.0)
    table = [nearest_by_hand(features, cases, anchor, 16) for anchor in patches[:, 0]]
    table = [rows for rows in table if len(set(labels[rows])) > 1]
    expected = 1 - np.mean([leakage_by_hand(features, labels, rows, drop=True) for rows in table])
    released = lbtc_released(features, labels, cases, patches)
    assert released == pytest.approx(expected, rel=1e-12)
    assert released > lbtc(features, labels, cases, patches, patch="feature")


def test_released_slip_loses_three_to_six_of_fifteen_edges_on_average():
    features, _, cases, patches = boundary(1.0, n=256, d=16)
    table = feature_patches(features, cases, patches[:, 0], 16)
    lost = [sum(0 in edge for edge in kruskal(distances(features[rows]))) for rows in table]
    assert 3 <= np.mean(lost) <= 6
    # Every vertex a label of its own: an exact tree leaks at all 15 edges, the released one at 15 less the lost.
    own = np.arange(len(features))
    assert leakages(features, own, table).tolist() == pytest.approx([1.0] * 20)
    assert leakages(features, own, table, drop_anchor=True).tolist() == pytest.approx([1 - n / 15 for n in lost])


def test_single_label_patches_are_skipped_and_padding_is_not_read():
    features, labels, cases, patches = boundary(1.0)
    extra = np.full((2, patches.shape[1] + 3), -1)
    extra[:, :5] = np.arange(5)  # class 0 only
    wide = np.pad(patches, ((0, 0), (0, 3)), constant_values=-1)
    assert lbtc(features, labels, cases, np.vstack([wide, extra])) == lbtc(features, labels, cases, patches)


@pytest.mark.parametrize("function", [lbtc, lbtc_released])
def test_no_mixed_patch_is_not_applicable(function):
    features, labels, cases, _ = boundary(1e6)
    with pytest.raises(NotApplicable, match="more than one label"):
        function(features, labels, cases, np.array([[0, 2, 4, 6]]), size=4)


def test_rises_with_patch_separation():
    values = [lbtc(*boundary(s)) for s in (0, 1, 2, 4, 100)]
    assert values == sorted(values)
    assert values[0] < 0.6
    assert values[-1] == pytest.approx(1 - 1 / 8)  # nine rows, one edge across


def test_separable_patches_are_above_shuffled_ones():
    features, labels, cases, patches = boundary(4.0)
    rng = np.random.default_rng(0)
    assert lbtc(features, labels, cases, patches) > max(
        lbtc(features, rng.permutation(labels), cases, patches) for _ in range(10)
    )


@pytest.mark.parametrize(("name", "parameters"), [("lbtc", {}), ("lbtc", {"patch": "feature"}), ("lbtc_released", {})])
def test_declared_invariances_of_lbtc(name, parameters):
    features, labels, cases, patches = boundary(1.0)
    given = {"cases": cases, "patches": patches, **parameters}
    base = score(name, features, labels, **given)
    assert metrics()[name].invariances == {"scale", "rotation", "shift"}
    for change in transforms(6).values():
        assert score(name, change(features), labels, **given) == pytest.approx(base, rel=1e-12)


def test_tied_voxels_count_by_their_mean_over_trees():
    # Rows 0-2 share a cell with labels 1, 1, 0; row 3 (label 0) has its own. In the cell 2 edges of 3 equally
    # likely pairs, 2 of them mixed; the bridge starts at each of the three rows with equal chance.
    features, labels = np.array([[0.0], [0.0], [0.0], [1.0]]), np.array([1, 1, 0, 0])
    cases = np.zeros(4, dtype=int)
    expected = 1 - (2 * 2 / 3 + 2 / 3) / 3
    for order in ([0, 1, 2, 3], [0, 2, 1, 3], [3, 2, 1, 0], [2, 3, 0, 1]):
        assert lbtc(features, labels, cases, np.array([order])) == pytest.approx(expected)


def test_tie_mean_is_the_mean_over_random_orders():
    # Breaking ties at random (by tiny noise) and averaging must give the same number.
    rng = np.random.default_rng(0)
    features = rng.integers(0, 3, (12, 2)).astype(float) * np.array([1.0, np.sqrt(2)])
    labels = rng.integers(0, 3, 12)
    # Lattice distances between distinct cells tie as well; different cells get distinct offsets first.
    cells, group = np.unique(features, axis=0, return_inverse=True)
    features = (cells + 0.1 * rng.standard_normal(cells.shape))[group.ravel()]
    exact = leakages(features, labels, np.arange(12)[None])[0]
    noisy = features[None] + 1e-6 * rng.standard_normal((6000, 12, 2))
    table = np.arange(12 * 6000).reshape(6000, 12)
    sampled = leakages(noisy.reshape(-1, 2), np.tile(labels, 6000), table)
    assert sampled.mean() == pytest.approx(exact, abs=0.02)
