import sys

import numpy as np
import pytest
import torch
from graph_families import FAMILIES, assert_spanning, distances, family, naive_prim
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.cluster.hierarchy import linkage
from scipy.sparse.csgraph import minimum_spanning_tree

from tebench.base.errors import InputError
from tebench.graphs import emst, emst_min, emst_with_labels, tree_of_edges
from tebench.graphs import kept_pairs as kept_pairs_module
from tebench.graphs import spanning_tree as spanning_tree_module


def by_linkage(points) -> np.ndarray:
    return np.sort(linkage(np.asarray(points, np.float64), "single")[:, 2])


@pytest.fixture
def swept(monkeypatch):
    """Small inputs take the path of large ones, recursion included."""
    monkeypatch.setattr(spanning_tree_module, "DIRECT", 8)
    monkeypatch.setattr(spanning_tree_module, "DENSE", 16)


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize(("count", "width"), [(200, 5), (900, 24)])
def test_lengths_equal_single_linkage(name, count, width):
    points = family(name, count, width)
    edges, lengths = emst(points)
    assert_spanning(edges, count)
    np.testing.assert_allclose(lengths, by_linkage(points), rtol=1e-12, atol=0)
    ends = np.asarray(points, np.float64)[edges]
    np.testing.assert_allclose(lengths, np.sqrt(((ends[:, 0] - ends[:, 1]) ** 2).sum(1)), rtol=1e-12, atol=0)


@pytest.mark.parametrize(("count", "width"), [(2999, 3), (2500, 48)])
def test_lengths_equal_single_linkage_at_size(count, width):
    points = family("clustered", count, width)
    np.testing.assert_allclose(emst(points)[1], by_linkage(points), rtol=1e-12, atol=0)


def test_lengths_equal_sparse_graph_routine():
    points = family("gaussian", 400, 6)  # no zero distance, which that routine would take for a missing edge
    expected = np.sort(minimum_spanning_tree(distances(points)).data)
    np.testing.assert_allclose(emst(points)[1], expected, rtol=1e-12)


@pytest.mark.parametrize("name", FAMILIES)
def test_recursion_and_tightening_keep_exactness(name, swept):
    points = family(name, 700, 4, seed=3)
    np.testing.assert_allclose(emst(points)[1], by_linkage(points), rtol=1e-12, atol=0)


@pytest.mark.parametrize("name", ["grid", "tight clusters", "rectified"])
def test_reduction_of_many_undecided_pairs_keeps_exactness(name, swept, monkeypatch):
    monkeypatch.setattr(kept_pairs_module, "_CAPACITY", 800)
    points = family(name, 700, 12, seed=4)
    np.testing.assert_allclose(emst(points)[1], by_linkage(points), rtol=1e-12, atol=0)


@pytest.mark.parametrize("name", ["gaussian", "clustered", "rectified", "convolutional", "grid"])
def test_uncertified_agrees_to_float32(name):
    points = family(name, 900, 24)
    lengths = emst(points, certified=False)[1]
    expected = by_linkage(points)
    np.testing.assert_allclose(lengths.sum(), expected.sum(), rtol=1e-5)


@settings(max_examples=150, deadline=None)
@given(
    count=st.integers(1, 60),
    width=st.integers(1, 4),
    levels=st.integers(1, 6),
    seed=st.integers(0, 2**31),
    swept_path=st.booleans(),
)
def test_tied_points_against_naive_prim(count, width, levels, seed, swept_path):
    points = np.random.default_rng(seed).integers(0, levels, (count, width)).astype(np.float64)
    before = spanning_tree_module.DIRECT
    spanning_tree_module.DIRECT = 2 if swept_path else before
    try:
        edges, lengths = emst(points)
    finally:
        spanning_tree_module.DIRECT = before
    assert_spanning(edges, count)
    np.testing.assert_allclose(lengths, naive_prim(distances(points)), rtol=1e-14)


@settings(max_examples=100, deadline=None)
@given(count=st.integers(2, 50), width=st.integers(1, 6), exponent=st.integers(-80, 80), seed=st.integers(0, 2**31))
def test_scale_and_shift_leave_the_tree(count, width, exponent, seed):
    points = np.random.default_rng(seed).standard_normal((count, width))
    edges, lengths = emst(points)
    scaled_edges, scaled = emst(points * 2.0**exponent)
    assert (edges == scaled_edges).all()
    np.testing.assert_array_equal(scaled, lengths * 2.0**exponent)


def test_same_input_same_tree_and_order_of_rows_changes_no_length():
    points = family("rectified", 800, 16)
    first, second = emst(points), emst(points.copy())
    assert (first[0] == second[0]).all()
    assert (first[1] == second[1]).all()
    shuffled = emst(points[np.random.default_rng(1).permutation(800)])[1]
    np.testing.assert_allclose(first[1], shuffled, rtol=1e-13)


def test_edges_are_sorted_by_length_then_ends():
    edges, lengths = emst(family("grid", 600, 5))
    keys = list(zip(lengths.tolist(), edges[:, 0].tolist(), edges[:, 1].tolist(), strict=True))
    assert keys == sorted(keys)


def test_equal_points_give_zero_lengths():
    edges, lengths = emst(np.full((1000, 7), 3.5, np.float32))
    assert_spanning(edges, 1000)
    assert (lengths == 0).all()
    assert (emst(np.array([[0.0, 0.0], [-0.0, 0.0]]))[1] == 0).all()


def test_single_point_has_no_edges():
    edges, lengths = emst(np.ones((1, 3)))
    assert edges.shape == (0, 2)
    assert lengths.shape == (0,)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.int16, np.uint8, bool, ">f4"])
def test_number_types(dtype):
    points = np.random.default_rng(0).integers(0, 2, (300, 12)).astype(dtype)
    _, lengths = emst(points)
    assert lengths.dtype == np.float64
    np.testing.assert_allclose(lengths, by_linkage(points))


def test_half_precision_tensors_are_compared_exactly():
    points = torch.from_numpy(family("gaussian", 600, 8)).bfloat16()
    _, lengths = emst(points)
    np.testing.assert_allclose(lengths.numpy(), by_linkage(points.double().numpy()), rtol=1e-12)


def test_torch_in_torch_out_and_input_untouched():
    points = torch.from_numpy(family("clustered", 500, 9)).requires_grad_()
    before = points.detach().clone()
    edges, lengths = emst(points)
    assert edges.dtype == torch.int64
    assert lengths.dtype == torch.float64
    assert not lengths.requires_grad
    assert torch.equal(points.detach(), before)
    assert (edges.numpy() == emst(before.numpy())[0]).all()


def test_read_only_and_strided_arrays(recwarn):
    points = family("gaussian", 400, 20)
    expected = emst(points)
    points.setflags(write=False)
    assert (emst(points)[0] == expected[0]).all()
    assert (emst(np.asfortranarray(points))[0] == expected[0]).all()
    wide = np.concatenate([points, points], 1)[:, :20]
    assert (emst(wide)[0] == expected[0]).all()
    assert emst(points[::-1, ::-1])[1] == pytest.approx(expected[1])
    assert not recwarn.list


def test_callers_matmul_precision_is_overridden_and_restored():
    torch.set_float32_matmul_precision("medium")
    try:
        points = family("low rank", 600, 32)
        np.testing.assert_allclose(emst(points)[1], by_linkage(points), rtol=1e-12)
        assert torch.get_float32_matmul_precision() == "medium"
    finally:
        torch.set_float32_matmul_precision("highest")


@pytest.mark.parametrize(
    ("points", "words"),
    [
        (np.zeros((0, 3)), "empty axis"),
        (np.zeros((3, 0)), "empty axis"),
        (np.zeros(4), r"shape \(N, D\)"),
        (np.array([[1.0, np.nan], [0.0, 1.0]]), "finite"),
        (np.array([[1.0, np.inf], [0.0, 1.0]]), "finite"),
        (np.array([["a"], ["b"]]), "real numbers"),
        (np.zeros((2, 2), complex), "real numbers"),
        (torch.zeros(2, 2, dtype=torch.complex64), "real"),
    ],
)
def test_bad_points_are_refused(points, words):
    with pytest.raises(InputError, match=words):
        emst(points)


@settings(max_examples=60, deadline=None)
@given(
    count=st.integers(2, 45), classes=st.integers(1, 4), levels=st.integers(2, 9),
    penalty=st.sampled_from([0.0, 0.3, 1.0, 2.5, 100.0]), seed=st.integers(0, 2**31),
)  # fmt: skip
def test_label_penalty_identity(count, classes, levels, penalty, seed):
    rng = np.random.default_rng(seed)
    points, labels = rng.integers(0, levels, (count, 2)).astype(float), rng.integers(-1, classes, count)
    edges, lengths = emst_with_labels(points, labels, penalty)
    assert_spanning(edges, count)
    weights = distances(points) + penalty * (labels[:, None] != labels)
    np.testing.assert_allclose(lengths, naive_prim(weights), rtol=1e-13)
    np.testing.assert_allclose(lengths, weights[edges[:, 0], edges[:, 1]], rtol=1e-13)


@settings(max_examples=60, deadline=None)
@given(count=st.integers(2, 45), levels=st.integers(2, 9), scale=st.floats(0.1, 10), seed=st.integers(0, 2**31))
def test_elementwise_minimum_identity(count, levels, scale, seed):
    rng = np.random.default_rng(seed)
    a, b = rng.integers(0, levels, (count, 2)).astype(float), rng.standard_normal((count, 3))
    edges, lengths = emst_min(a, b, scale, 2.0)
    assert_spanning(edges, count)
    weights = np.minimum(distances(a) / scale, distances(b) / 2.0)
    np.testing.assert_allclose(lengths, naive_prim(weights), rtol=1e-13)
    np.testing.assert_allclose(lengths, weights[edges[:, 0], edges[:, 1]], rtol=1e-13)


@pytest.mark.parametrize("name", ["gaussian", "clustered", "duplicates"])
def test_identities_at_size_against_single_linkage(name):
    from scipy.spatial.distance import squareform

    a, b = family(name, 700, 10), family(name, 700, 6, seed=1)
    labels = np.random.default_rng(0).integers(0, 3, 700)
    weights = distances(a) + 1.5 * (labels[:, None] != labels)
    expected = np.sort(linkage(squareform(weights, checks=False), "single")[:, 2])
    np.testing.assert_allclose(emst_with_labels(a, labels, 1.5)[1], expected, rtol=1e-12)
    weights = np.minimum(distances(a), distances(b))
    expected = np.sort(linkage(squareform(weights, checks=False), "single")[:, 2])
    np.testing.assert_allclose(emst_min(a, b)[1], expected, rtol=1e-12)


def test_combined_trees_refuse_bad_arguments():
    points = np.zeros((3, 2))
    with pytest.raises(InputError, match="labels must be integers"):
        emst_with_labels(points, [0.5, 1, 2], 1.0)
    with pytest.raises(InputError, match=r"shape \(3,\)"):
        emst_with_labels(points, [0, 1], 1.0)
    with pytest.raises(InputError, match="penalty"):
        emst_with_labels(points, [0, 1, 1], -1.0)
    with pytest.raises(InputError, match="same points"):
        emst_min(points, np.zeros((4, 2)))
    with pytest.raises(InputError, match="scale_b"):
        emst_min(points, points, 1.0, 0.0)


def test_tree_of_edges_refuses_pieces_and_accepts_loops():
    edges, lengths = tree_of_edges(np.array([[0, 0], [2, 1], [0, 1], [0, 2]]), np.array([0.0, 1.0, 1.0, 1.0]), 3)
    assert_spanning(edges, 3)
    assert lengths.tolist() == [1.0, 1.0]
    with pytest.raises(InputError, match="2 pieces"):
        tree_of_edges(np.array([[0, 1]]), np.array([1.0]), 3)
    with pytest.raises(InputError, match=r"0\.\.count-1"):
        tree_of_edges(np.array([[0, 5]]), np.array([1.0]), 3)


def test_importing_the_package_loads_no_torch():
    import subprocess

    code = "import sys, tebench.graphs; assert 'torch' not in sys.modules; assert 'emst' in dir(tebench.graphs)"
    subprocess.run([sys.executable, "-c", code], check=True)
