"""Random block masks."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor


def blocks(rng: np.random.Generator, batch: int, cells: int, share: float) -> Tensor:
    """(batch, 1, cells, cells, cells) bool: in every sample the same number of cells, `share` of them, is hidden."""
    hidden = max(1, round(share * cells**3))
    mask = np.zeros((batch, cells**3), dtype=bool)
    for row in mask:
        row[rng.permutation(cells**3)[:hidden]] = True
    return torch.from_numpy(mask).view(batch, 1, cells, cells, cells)


def grow(mask: Tensor, factor: int) -> Tensor:
    """Every cell becomes factor^3 cells."""
    for axis in (2, 3, 4):
        mask = mask.repeat_interleave(factor, axis)
    return mask
