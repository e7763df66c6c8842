"""Where sliding windows lie and which one reads a voxel."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tebench.base.errors import InputError
from tebench.features import windows


def test_starts_by_hand():
    assert windows.starts(96, 32).tolist() == [0, 32, 64]
    assert windows.starts(100, 32).tolist() == [0, 32, 64, 68]
    assert windows.starts(33, 32).tolist() == [0, 1]
    assert windows.starts(32, 32).tolist() == [0]
    assert windows.starts(20, 32).tolist() == [-6]
    assert windows.starts(64, 32, 0.5).tolist() == [0, 16, 32]


@given(st.integers(1, 80), st.integers(1, 40), st.floats(0, 0.95))
def test_windows_cover_the_axis_stay_inside_and_own_by_nearest_centre(size, patch, overlap):
    first = windows.starts(size, patch, overlap)
    assert (np.diff(first) > 0).all()
    if size >= patch:
        assert first[0] == 0 and first[-1] == size - patch
    else:
        assert len(first) == 1 and first[0] <= 0 and first[0] + patch >= size
    position = np.arange(size)
    chosen = windows.owner(first, patch, position)
    centres = first + (patch - 1) / 2
    # numpy's argmin takes the first of equals: the rule for ties.
    np.testing.assert_array_equal(chosen, np.abs(position[:, None] - centres).argmin(1))
    local = position - first[chosen]
    assert (local >= 0).all() and (local < patch).all()


def test_every_position_has_one_window_and_empty_windows_are_left_out():
    rng = np.random.default_rng(0)
    shape, patch = (40, 33, 9), (16, 16, 16)
    positions = np.stack([rng.integers(0, size, 30) for size in shape], 1).astype(float)
    plan = windows.assign(shape, patch, positions)
    np.testing.assert_array_equal(np.sort(np.concatenate([rows for _, rows in plan])), np.arange(30))
    assert [start for start, _ in plan] == sorted(start for start, _ in plan)
    everywhere = np.array(list(itertools.product(*(range(size) for size in shape))))
    assert len(windows.assign(shape, patch, everywhere)) == 3 * 3 * 1
    assert [start for start, _ in windows.assign(shape, patch, positions[:1] * 0)] == [(0, 0, -3)]


def test_cut_is_the_slice_with_zeros_outside():
    image = np.random.default_rng(0).standard_normal((2, 6, 7, 8)).astype(np.float32)
    inside, low, high = windows.cut(image, [(1, 2, 3), (-2, -3, -1), (4, 5, 6)], (4, 5, 4))
    np.testing.assert_array_equal(inside, image[:, 1:5, 2:7, 3:7])
    padded = np.pad(image, ((0, 0), (3, 3), (3, 3), (3, 3)))
    np.testing.assert_array_equal(low, padded[:, 1:5, 0:5, 2:6])
    np.testing.assert_array_equal(high, padded[:, 7:11, 8:13, 9:13])
    (larger,) = windows.cut(image, [(-2, -3, 5)], (10, 12, 5))
    np.testing.assert_array_equal(larger, padded[:, 1:11, 0:12, 8:13])


@pytest.mark.parametrize("patch", [(16, 16), (16, 16, 18), (0, 16, 16), (16, 16, 16.5), "abc", 16, None])
def test_bad_patches_are_refused(patch):
    with pytest.raises(InputError, match="patch must be three positive multiples of 4"):
        windows.check(patch, 0.0, 4)


@pytest.mark.parametrize("overlap", [-0.1, 1.0, float("nan")])
def test_bad_overlaps_are_refused(overlap):
    with pytest.raises(InputError, match="overlap"):
        windows.check((16, 16, 16), overlap, 4)
