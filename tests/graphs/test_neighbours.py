import numpy as np
import pytest
import torch
from graph_families import FAMILIES, distances, family
from hypothesis import given, settings
from hypothesis import strategies as st

from tebench.base.errors import InputError
from tebench.graphs import emst, knn
from tebench.graphs import neighbour_sweep as sweep_module
from tebench.graphs import neighbours as neighbours_module


@pytest.fixture
def swept(monkeypatch):
    """Small inputs take the sweep over pairs, as large ones do."""
    monkeypatch.setattr(neighbours_module, "SWEPT", 300)
    monkeypatch.setattr(neighbours_module, "_SHARE", 8)
    monkeypatch.setattr(sweep_module, "_SAMPLE", 4)


def brute_force(points, k):
    """Indices and distances by full sorting; of equally distant points the smaller index first."""
    weights = distances(points)
    np.fill_diagonal(weights, np.inf)
    order = np.argsort(weights, 1, kind="stable")[:, :k]
    return order, np.take_along_axis(weights, order, 1)


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("k", [1, 12])
def test_distances_equal_brute_force(name, k):
    points = family(name, 500, 20)
    indices, lengths = knn(points, k)
    expected = brute_force(points, k)[1]
    np.testing.assert_allclose(lengths, expected, rtol=1e-12, atol=0)
    ends = np.asarray(points, np.float64)
    np.testing.assert_allclose(lengths, np.sqrt(((ends[indices] - ends[:, None]) ** 2).sum(2)), rtol=1e-12, atol=0)
    assert (indices != np.arange(500)[:, None]).all()
    assert (np.diff(np.sort(indices, 1)) > 0).all()


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("k", [1, 12])
def test_sweep_equals_brute_force(name, k, swept):
    points = family(name, 700, 20)
    indices, lengths = knn(points, k)
    np.testing.assert_allclose(lengths, brute_force(points, k)[1], rtol=1e-12, atol=0)
    ends = np.asarray(points, np.float64)
    np.testing.assert_allclose(lengths, np.sqrt(((ends[indices] - ends[:, None]) ** 2).sum(2)), rtol=1e-12, atol=0)
    assert (indices != np.arange(700)[:, None]).all()
    assert (np.diff(np.sort(indices, 1)) > 0).all()
    again = knn(points.copy(), k)
    np.testing.assert_array_equal(indices, again[0])
    np.testing.assert_array_equal(lengths, again[1])


@pytest.mark.parametrize("offset", [0, 1000])
@pytest.mark.parametrize("capacity", [1000, 1 << 22])
def test_sweep_with_ties_and_cut_lists_takes_the_smaller_index(offset, capacity, swept, monkeypatch):
    monkeypatch.setattr(sweep_module, "_CAPACITY", capacity)
    points = np.random.default_rng(0).integers(0, 3, (900, 6)) + offset  # about 520 different rows
    for k in (1, 7, 40):
        indices, lengths = knn(points, k)
        expected = brute_force(points, k)
        np.testing.assert_array_equal(lengths, expected[1])
        np.testing.assert_array_equal(indices, expected[0])


def test_sweep_tells_near_ties_apart_and_redoes_unlucky_rows(swept, monkeypatch):
    rng = np.random.default_rng(0)
    points = np.concatenate([np.eye(400) * (1 + 1e-9 * rng.permutation(400)[:, None]), np.zeros((1, 400))])
    redone = []
    by_rows = sweep_module.nearest_by_rows
    monkeypatch.setattr(sweep_module, "nearest_by_rows", lambda *given: redone.append(len(given[3])) or by_rows(*given))
    indices, lengths = knn(points, 5)
    expected = brute_force(points, 5)
    np.testing.assert_array_equal(indices, expected[0])
    np.testing.assert_allclose(lengths, expected[1], rtol=1e-14)
    assert sum(redone) > 0


@settings(max_examples=80, deadline=None)
@given(count=st.integers(2, 150), levels=st.integers(1, 5), share=st.floats(0, 1), seed=st.integers(0, 2**31))
def test_ties_take_the_smaller_index(count, levels, share, seed):
    points = np.random.default_rng(seed).integers(0, levels, (count, 2))
    k = 1 + int(share * (count - 2))
    indices, lengths = knn(points, k)
    expected = brute_force(points, k)
    np.testing.assert_array_equal(lengths, expected[1])
    np.testing.assert_array_equal(indices, expected[0])


@pytest.mark.parametrize("name", ["gaussian", "clustered", "duplicates", "offset"])
def test_uncertified_agrees_to_float32(name, swept, monkeypatch):
    points = family(name, 700, 16)
    expected = brute_force(points, 9)[1]
    reach = np.sqrt(((points - points.mean(0)) ** 2).sum(1).max())
    for fewest in (300, 1 << 30):
        monkeypatch.setattr(neighbours_module, "SWEPT", fewest)
        found = knn(points, 9, certified=False)[1]
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6 * reach)


def test_many_copies_of_few_rows():
    points = np.random.default_rng(0).standard_normal((9, 6))[np.random.default_rng(1).integers(0, 9, 400)]
    for k in (1, 30, 60, 399):
        indices, lengths = knn(points, k)
        expected = brute_force(points, k)
        np.testing.assert_allclose(lengths, expected[1], rtol=1e-12)
        np.testing.assert_array_equal(indices, expected[0])


def test_torch_in_torch_out():
    points = torch.from_numpy(family("gaussian", 300, 5))
    indices, lengths = knn(points, 4)
    assert indices.dtype == torch.int64
    assert lengths.dtype == torch.float64
    assert (indices.numpy() == brute_force(points.numpy(), 4)[0]).all()


@pytest.mark.parametrize("k", [0, 3, 2.0, True])
def test_bad_k_is_refused(k):
    with pytest.raises(InputError, match="k must be an integer"):
        knn(np.zeros((3, 2)), k)


@pytest.mark.parametrize("count", [200, 4200])
def test_huge_coordinates_change_nothing(count):
    """Found: the float32 mean of such points is infinite."""
    points = torch.rand(count, 4, generator=torch.Generator().manual_seed(0)) + 1
    near, lengths = knn(points, 5)
    huge, long = knn(points * 2.0**125, 5)
    assert torch.equal(near, huge) and torch.equal(lengths * 2.0**125, long)
    edges, lengths = emst(points)
    huge, long = emst(points * 2.0**125)
    assert torch.equal(edges, huge) and torch.equal(lengths * 2.0**125, long)
    wide = points.double() * 2.0**900
    assert torch.equal(knn(wide, 5)[0], near)
    with pytest.raises(InputError, match="points must lie below 1e\\+300"):
        knn(points.double() * 2.0**1020, 5)


def test_one_tie_within_float32_of_the_limit_is_not_lost():
    points = torch.rand(4200, 2, generator=torch.Generator().manual_seed(1)).double()
    near, _ = knn(points, 3)
    for row in (0, 1700, 4199):
        gaps = torch.linalg.vector_norm(points - points[row], dim=1)
        gaps[row] = torch.inf
        assert near[row].tolist() == gaps.argsort(stable=True)[:3].tolist()
