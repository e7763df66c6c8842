import numpy as np
import pytest
import torch
from graph_families import FAMILIES, distances, family
from hypothesis import given, settings
from hypothesis import strategies as st

from tebench.errors import InputError
from tebench.graphs import knn


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
def test_uncertified_agrees_to_float32(name):
    points = family(name, 700, 16)
    expected = brute_force(points, 9)[1]
    reach = np.sqrt(((points - points.mean(0)) ** 2).sum(1).max())
    np.testing.assert_allclose(knn(points, 9, certified=False)[1], expected, rtol=1e-4, atol=1e-6 * reach)


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
