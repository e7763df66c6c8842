"""The sample: which voxels of a task are read, drawn once and shared by every encoder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum

import numpy as np


class Role(IntEnum):
    """Why a voxel is in the sample."""

    FOREGROUND = 0  # stratified over the foreground classes of its case
    BACKGROUND = 1
    GLOBAL = 2  # uniform over the case, label-blind
    ANCHOR = 3  # a boundary voxel
    MEMBER = 4  # a voxel of the spatial patch around an anchor


@dataclass(frozen=True)
class Sample:
    """Rows in one fixed order; every feature matrix of the task has these rows.

    coordinates: (N, 3) int32 full-resolution voxel index in its case.
    labels: (N,) int16.   case: (N,) int16 index into case_ids.   role: (N,) int8, a `Role`.
    patch: (N,) int32, the patch a row belongs to (anchor and its members share it), -1 elsewhere.
    hash: of all arrays and of how they were drawn. label_hash: of the labels alone.
    """

    task: str
    classes: tuple[str, ...]
    case_ids: tuple[str, ...]
    coordinates: np.ndarray
    labels: np.ndarray
    case: np.ndarray
    role: np.ndarray
    patch: np.ndarray
    recipe: dict  # parameters and seed it was drawn with
    hash: str
    label_hash: str

    def __len__(self) -> int:
        return len(self.labels)

    def rows(self, *roles: Role) -> np.ndarray:
        """Indices of the rows with one of these roles, in order."""
        return np.flatnonzero(np.isin(self.role, roles))

    def role_words(self) -> np.ndarray:
        """(N,) the name of each row's role, as `tebench.metrics.registry.ROLES` spells it."""
        return np.array([role.name.lower() for role in Role])[self.role]

    def patches(self) -> np.ndarray:
        """(P, V) int64 row indices, the anchor first, padded with -1."""
        rows = np.flatnonzero(self.patch >= 0)
        order = rows[np.lexsort((rows, self.role[rows] != Role.ANCHOR, self.patch[rows]))]
        ids, starts, counts = np.unique(self.patch[order], return_index=True, return_counts=True)
        table = np.full((len(ids), counts.max(initial=0)), -1, dtype=np.int64)
        for index, (start, count) in enumerate(zip(starts, counts, strict=True)):
            table[index, :count] = order[start : start + count]
        return table


@dataclass(frozen=True)
class FeatureSet:
    """One encoder's features at one task's sample: all that metrics may see.

    stages: stage name -> (N, D) float32 (memory-mapped), in the encoder's order, shallow encoder
    stages first, then decoder stages deep to fine.
    probabilities: (N, S) of a source head, or None.
    facts: plain values of the encoder (name, n_parameters ...).
    hash: of the feature bytes.
    """

    encoder: str
    sample: Sample
    stages: Mapping[str, np.ndarray]
    facts: dict
    hash: str
    probabilities: np.ndarray | None = None
