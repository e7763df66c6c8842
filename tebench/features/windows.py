"""Sliding windows: where they lie, which one reads a voxel, and what they cut out."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import numpy as np

from tebench.base.errors import InputError

Triple = tuple[int, int, int]


def starts(size: int, patch: int, overlap: float = 0.0) -> np.ndarray:
    """First voxel of each window along one axis, ascending.

    Windows follow one another at patch (1 - overlap) voxels; the last is shifted inside the volume.
    A volume smaller than the patch lies in the middle of one window (a negative start: zeros around it).
    """
    if size <= patch:
        return np.array([-((patch - size) // 2)])
    step = max(1, round(patch * (1 - overlap)))
    count = math.ceil((size - patch) / step) + 1
    return np.minimum(np.arange(count) * step, size - patch)


def owner(first: np.ndarray, patch: int, position: np.ndarray) -> np.ndarray:
    """Index of the window whose centre is nearest to each position; the lower one at a tie.

    Nearest along each axis is nearest in space, since window centres form a grid.
    """
    centres = first + (patch - 1) / 2
    return np.searchsorted((centres[:-1] + centres[1:]) / 2, position, side="left")


def assign(
    shape: Triple, patch: Triple, positions: np.ndarray, overlap: float = 0.0
) -> list[tuple[Triple, np.ndarray]]:
    """Windows that own at least one position: (start, indices of the positions), in x, y, z order.

    positions: (n, 3) voxel positions inside `shape`. Every position has exactly one window.
    """
    first = [starts(size, length, overlap) for size, length in zip(shape, patch, strict=False)]
    owners = np.stack([owner(first[axis], patch[axis], positions[:, axis]) for axis in range(3)], axis=1)
    flat = np.ravel_multi_index(owners.T, [len(axis) for axis in first])
    order = np.argsort(flat, kind="stable")
    ids, begins = np.unique(flat[order], return_index=True)
    corners = list(itertools.product(*(axis.tolist() for axis in first)))
    return [(corners[index], rows) for index, rows in zip(ids, np.split(order, begins[1:]), strict=False)]


def cut(image: np.ndarray, begins: Sequence[Triple], patch: Triple) -> np.ndarray:
    """(B, C, *patch) windows of a (C, X, Y, Z) image that begin at these voxels, zeros where they reach outside."""
    out = np.zeros((len(begins), image.shape[0], *patch), dtype=image.dtype)
    for window, begin in zip(out, begins, strict=True):
        inside = [slice(max(0, s), min(n, s + p)) for s, p, n in zip(begin, patch, image.shape[1:], strict=True)]
        target = [slice(i.start - s, i.stop - s) for i, s in zip(inside, begin, strict=True)]
        window[:, *target] = image[:, *inside]
    return out


def check(patch, overlap: float, divisor: int) -> Triple:
    """The patch as three integers, each a multiple of the encoder's divisor."""
    try:
        sizes = tuple(int(size) for size in patch)
        exact = len(sizes) == 3 and all(size == given for size, given in zip(sizes, patch, strict=False))
    except (TypeError, ValueError):
        exact = False
    if not exact or any(size < 1 or size % divisor for size in sizes):
        raise InputError(f"patch must be three positive multiples of {divisor} voxels for this encoder, got {patch!r}.")
    if not 0.0 <= overlap < 1.0:
        raise InputError(f"overlap must lie in [0, 1), got {overlap!r}.")
    return sizes
