"""Reading single voxels from a feature map."""

import numpy as np
import pytest
import torch

from tebench.base.errors import InputError
from tebench.features import gather


def all_voxels(patch):
    return np.stack(np.meshgrid(*(np.arange(size) for size in patch), indexing="ij"), -1).reshape(-1, 3)


def test_nearest_follows_the_released_index():
    patch, cells = (64, 48, 16), (4, 3, 16)
    maps = torch.arange(4 * 3 * 16, dtype=torch.float32).reshape(1, 1, *cells)
    local = all_voxels(patch)
    found = gather.nearest(maps, np.zeros(len(local), int), local.astype(float), patch)[:, 0].numpy()
    # The formula voxel by voxel, in Python's own arithmetic (round is half to even, as rint).
    index = [[round(int(z) * (f - 1) / (r - 1)) for z, r, f in zip(row, patch, cells, strict=True)] for row in local]
    expected = [float(maps[0, 0, x, y, z]) for x, y, z in index]
    np.testing.assert_array_equal(found, expected)
    # Corners meet corners.
    assert index[0] == [0, 0, 0] and index[-1] == [3, 2, 15]


def test_trilinear_is_exact_on_a_ramp():
    patch, cells = (9, 12, 7), (3, 5, 2)
    axes = [torch.arange(size, dtype=torch.float64) for size in cells]
    x, y, z = torch.meshgrid(*axes, indexing="ij")
    maps = torch.stack([1 + 2 * x - 3 * y + 5 * z, x * y * z])[None]
    local = all_voxels(patch).astype(float)
    found = gather.trilinear(maps, np.zeros(len(local), int), local, patch).numpy()
    position = local * (np.array(cells) - 1) / (np.array(patch) - 1)
    expected = 1 + position @ [2, -3, 5]
    np.testing.assert_allclose(found[:, 0], expected, atol=1e-12)
    # x y z is linear along each axis, hence trilinear too.
    np.testing.assert_allclose(found[:, 1], position.prod(1), atol=1e-12)


def test_trilinear_is_torchs_align_corners():
    torch.manual_seed(0)
    patch = (8, 6, 10)
    maps = torch.randn(2, 3, 4, 3, 5)
    whole = torch.nn.functional.interpolate(maps, size=patch, mode="trilinear", align_corners=True)
    local = all_voxels(patch)
    which = np.arange(len(local)) % 2
    found = gather.trilinear(maps, which, local.astype(float), patch)
    expected = whole[which, :, local[:, 0], local[:, 1], local[:, 2]]
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("method", gather.INTERPOLATIONS)
def test_a_map_of_one_cell_serves_every_voxel(method):
    maps = torch.tensor([2.0, 3.0]).reshape(1, 2, 1, 1, 1)
    found = gather.reader(method)(
        maps, np.zeros(4, int), np.array([[0, 0, 0], [1, 1, 1], [0, 1, 0], [1, 0, 1.0]]), (2, 2, 2)
    )
    assert found.tolist() == [[2.0, 3.0]] * 4


def test_unknown_interpolation_lists_the_known():
    with pytest.raises(InputError, match="nearest, trilinear, got 'cubic'"):
        gather.reader("cubic")
