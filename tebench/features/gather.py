"""Features of single voxels out of a window's feature map."""

from __future__ import annotations

import numpy as np

from tebench.base.errors import InputError

INTERPOLATIONS = ("nearest", "trilinear")


def cell_positions(local: np.ndarray, patch: tuple[int, ...], cells: tuple[int, ...]) -> np.ndarray:
    """(n, 3) positions in units of cells: z (fz - 1) / (rz - 1), corner on corner [released].

    local: (n, 3) voxels inside the window, 0 .. r - 1.   patch: r.   cells: f, the feature map's size.
    """
    span = np.asarray(cells) - 1
    # Multiply first: both factors are integers for unresampled voxels, so ties at .5 are exact.
    return local * span / np.maximum(np.asarray(patch) - 1, 1)


def nearest(maps, batch: np.ndarray, local: np.ndarray, patch: tuple[int, ...]):
    """(n, C) features at cell rint(z (fz - 1) / (rz - 1)), half to even [released].

    maps: (B, C, fx, fy, fz) tensor.   batch: (n,) which window.   local: (n, 3) voxels inside it.
    """
    cells = np.rint(cell_positions(local, patch, tuple(maps.shape[2:]))).astype(np.int64)
    return _take(maps, batch, cells)


def trilinear(maps, batch: np.ndarray, local: np.ndarray, patch: tuple[int, ...]):
    """(n, C) features between the eight cells around z (fz - 1) / (rz - 1) (align_corners=True)."""
    import torch

    shape = np.asarray(maps.shape[2:])
    position = cell_positions(local, patch, tuple(shape))
    low = np.clip(np.floor(position), 0, np.maximum(shape - 2, 0)).astype(np.int64)
    fraction = position - low
    total = 0
    for corner in np.ndindex(2, 2, 2):
        weight = np.where(corner, fraction, 1 - fraction).prod(axis=1)
        # On an axis of one cell the upper neighbour does not exist; its weight is zero.
        values = _take(maps, batch, np.minimum(low + corner, shape - 1))
        total = total + values * torch.as_tensor(weight, dtype=values.dtype, device=values.device)[:, None]
    return total


def _take(maps, batch: np.ndarray, cells: np.ndarray):
    import torch

    index = [torch.as_tensor(values, device=maps.device) for values in (batch, *cells.T)]
    return maps[index[0], :, index[1], index[2], index[3]]


def reader(interpolation: str):
    """The function of that name."""
    if interpolation not in INTERPOLATIONS:
        raise InputError(f"interpolation must be one of {', '.join(INTERPOLATIONS)}, got {interpolation!r}.")
    return {"nearest": nearest, "trilinear": trilinear}[interpolation]
