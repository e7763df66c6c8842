import numpy as np
import pytest
import torch
from graph_families import assert_spanning, distances, family, naive_prim
from hypothesis import given, settings
from hypothesis import strategies as st

from tebench.base.errors import InputError
from tebench.graphs import small_trees, tree_of_matrix


def assert_equals_loop(points, mask, edges, lengths):
    """Every patch's tree against a naive one of its present points."""
    for patch, present, pairs, sizes in zip(points, mask, edges, lengths, strict=True):
        members = np.flatnonzero(present)
        used = max(len(members) - 1, 0)
        assert (pairs[used:] == -1).all()
        assert (sizes[used:] == 0).all()
        if used:
            assert_spanning(np.searchsorted(members, pairs[:used]), len(members))
            assert set(pairs[:used].ravel()) <= set(members)
            np.testing.assert_allclose(sizes[:used], naive_prim(distances(patch[members])), rtol=1e-11, atol=0)


@pytest.mark.parametrize("name", ["gaussian", "clustered", "duplicates", "grid", "background", "offset"])
def test_patches_equal_a_loop(name):
    points = np.stack([family(name, 24, 10, seed) for seed in range(40)])
    mask = np.random.default_rng(0).random((40, 24)) < 0.7
    mask[:3] = np.array([False, True, True])[:, None]
    mask[2, 1:] = False
    full = np.ones_like(mask)
    assert_equals_loop(points, full, *small_trees(points))
    assert_equals_loop(points, mask, *small_trees(points, mask))


@settings(max_examples=60, deadline=None)
@given(
    patches=st.integers(1, 5), count=st.integers(1, 20), levels=st.integers(1, 5),
    keep=st.floats(0, 1), seed=st.integers(0, 2**31),
)  # fmt: skip
def test_tied_patches_equal_a_loop(patches, count, levels, keep, seed):
    rng = np.random.default_rng(seed)
    points = rng.integers(0, levels, (patches, count, 2)).astype(np.float64)
    mask = rng.random((patches, count)) < keep
    assert_equals_loop(points, mask, *small_trees(points, mask))


@pytest.mark.parametrize("width", [8, 64, 65, 130])
@pytest.mark.parametrize("kind", [np.float64, np.float32])
def test_equal_rows_of_any_width_have_edges_of_length_zero(width, kind):
    rng = np.random.default_rng(width)
    cells = rng.standard_normal((30, 4, width)).astype(kind)
    points = np.take_along_axis(cells, rng.integers(0, 4, (30, 16))[:, :, None], 1)
    points[:, 0, -1] += 1e-6  # equal but for the last value
    points[0, 1] = points[0, 0] = 0.0
    points[0, 1] = -0.0
    mask = rng.random((30, 16)) < 0.9
    assert_equals_loop(points, mask, *small_trees(points, mask))
    mask[0, :2] = True
    assert [0, 1] in small_trees(points, mask)[0][0].tolist() and small_trees(points, mask)[1][0, 0] == 0


def test_batches_do_not_show(monkeypatch):
    from tebench.graphs import small

    points = np.random.default_rng(0).standard_normal((50, 9, 4))
    edges, lengths = small_trees(points)
    monkeypatch.setattr(small, "_TREES", 600)
    monkeypatch.setattr(small, "_BLOCK", 200)
    in_pieces = small_trees(points)
    assert (edges == in_pieces[0]).all()
    np.testing.assert_allclose(lengths, in_pieces[1], rtol=1e-13)


@pytest.mark.parametrize("other", [1e6, np.nan, np.inf])
def test_masked_values_have_no_influence(other):
    points = np.random.default_rng(0).standard_normal((3, 8, 4))
    mask = np.arange(8) < np.array([[8], [5], [2]])
    changed = np.where(mask[..., None], points, other)
    for before, after in zip(small_trees(points, mask), small_trees(changed, mask), strict=True):
        np.testing.assert_array_equal(before, after)


def test_far_patches_are_centred():
    points = np.stack([family("near duplicates", 20, 6, seed) for seed in range(30)]).astype(np.float64) + 1e5
    mask = np.random.default_rng(0).random((30, 20)) < 0.8
    assert_equals_loop(points, mask, *small_trees(points, mask))


@pytest.mark.parametrize("offset", [0.0, 3.0])
def test_lengths_that_differ_by_a_part_in_a_thousand_million(offset):
    # A star of unit spokes with rims all but equal: every decision is a near tie, beyond what float32 tells apart.
    rng = np.random.default_rng(0)
    points = np.eye(24) * (1 + 1e-9 * rng.permutation(24)) + offset
    shuffled = np.stack([points[rng.permutation(24)] for _ in range(20)])
    assert_equals_loop(shuffled, np.ones((20, 24), bool), *small_trees(shuffled))
    assert (np.ptp(small_trees(shuffled)[1], axis=0) < 1e-14).all()


def test_shapes_kinds_and_errors():
    edges, lengths = small_trees(torch.zeros(2, 1, 3))
    assert edges.shape == (2, 0, 2)
    assert lengths.shape == (2, 0)
    assert isinstance(edges, torch.Tensor)
    with pytest.raises(InputError, match="mask must be boolean"):
        small_trees(np.zeros((2, 3, 4)), np.ones((2, 3)))
    with pytest.raises(InputError, match=r"\(P, V, D\)"):
        small_trees(np.zeros((2, 3)))
    with pytest.raises(InputError, match="holds NaN or infinity"):
        small_trees(np.full((2, 3, 4), np.nan))
    with pytest.raises(InputError, match="below 1e150"):
        small_trees(np.full((2, 3, 4), 1e160))


@settings(max_examples=80, deadline=None)
@given(count=st.integers(1, 30), levels=st.integers(1, 6), low=st.integers(-3, 0), seed=st.integers(0, 2**31))
def test_matrix_trees_against_naive_prim(count, levels, low, seed):
    weights = np.random.default_rng(seed).integers(low, levels, (count, count)).astype(float)
    weights = np.maximum(weights, weights.T)
    edges, lengths = tree_of_matrix(weights)
    assert_spanning(edges, count)
    expected = naive_prim(weights)
    np.testing.assert_array_equal(lengths, expected)
    np.testing.assert_array_equal(lengths, weights[edges[:, 0], edges[:, 1]])


def test_elementwise_maximum_of_two_views():
    a, b = (distances(family("gaussian", 60, 5, seed)) for seed in (0, 1))
    np.testing.assert_array_equal(tree_of_matrix(np.maximum(a, b))[1], naive_prim(np.maximum(a, b)))


def test_weights_are_checked_and_untouched():
    weights = distances(family("gaussian", 5, 3))
    before = weights.copy()
    tree_of_matrix(weights)
    np.testing.assert_array_equal(weights, before)
    weights[1, 2] += 1
    with pytest.raises(InputError, match="symmetric"):
        tree_of_matrix(weights)
    with pytest.raises(InputError, match="square"):
        tree_of_matrix(np.zeros((2, 3)))
    with pytest.raises(InputError, match="finite"):
        tree_of_matrix(np.array([[0.0, np.inf], [np.inf, 0.0]]))
