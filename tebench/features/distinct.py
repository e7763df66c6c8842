"""How many different feature rows an encoder gives: voxels of one cell, or of a constant map, say the same thing."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tebench.features import cache

LEAST_ROWS = 100  # different rows below which no metric has anything to read [choice]
LEAST_SHARE = 0.05  # of the different voxels that are read [choice]


@dataclass(frozen=True)
class Distinct:
    """rows: different rows of the stage that has most of them.   voxels: different voxels that were read."""

    rows: int
    voxels: int

    @property
    def few(self) -> bool:
        """Whether so few that a score of them means nothing, whatever it is."""
        return self.rows < min(LEAST_ROWS, self.voxels) or self.rows < LEAST_SHARE * self.voxels


def distinct(folder: Path) -> Distinct:
    """Different rows of a feature folder, counted case by case: equal rows of two cases are two."""
    features = cache.read(folder, verify=False)
    sample = features.sample
    rows = dict.fromkeys(features.stages, 0)
    voxels = 0
    for index in range(len(sample.case_ids)):
        mine = np.flatnonzero(sample.case == index)
        _, first = np.unique(sample.coordinates[mine], axis=0, return_index=True)
        voxels += len(first)
        chosen = mine[np.sort(first)]
        for stage in rows:
            rows[stage] += _count(np.asarray(features.stages[stage][chosen]))
    return Distinct(max(rows.values(), default=0), voxels)


def _count(matrix: np.ndarray) -> int:
    """Different rows, compared as bytes."""
    matrix = np.ascontiguousarray(matrix)
    return len(np.unique(matrix.view(np.dtype((np.void, matrix.dtype.itemsize * matrix.shape[1]))).reshape(-1)))
