"""What a task is: named classes and cases, each an image with its label map."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from tebench.base.errors import InputError

IGNORED = -1  # the label of a voxel that nobody labelled: it is neither background nor foreground


@dataclass(frozen=True)
class Case:
    """One subject's image and label map.

    image: (C, X, Y, Z) float32, raw intensities (an encoder's input spec normalises).
    labels: (X, Y, Z) int16, 0 is background, k is `Task.classes[k]`, -1 (IGNORED) is a voxel without a label.
    spacing: voxel size in mm.
    origin: "template" (an averaged image), "virtual" (simulated from a template), "subject" (one person).
    """

    id: str
    image: np.ndarray
    labels: np.ndarray
    spacing: tuple[float, float, float]
    origin: str


@dataclass(frozen=True)
class Task:
    """A data set with a label set. Cases load lazily and identically every time.

    cases: ids of the labelled training cases: what a metric may read and what fine-tuning trains on.
    test_cases: ids that only the ground truth's test Dice reads.
    facts: modality, anatomy, source, licence, label_origin (manual | atlas | derived), note ...
    fingerprint: hash of everything that determines the cases (asset hashes, recipe version, seeds).
    """

    name: str
    title: str
    classes: tuple[str, ...]
    cases: tuple[str, ...]
    test_cases: tuple[str, ...]
    facts: dict
    fingerprint: str
    loader: Callable[[str], Case] = field(repr=False)

    def load(self, case_id: str) -> Case:
        if case_id not in self.cases + self.test_cases:
            raise InputError(
                f"task {self.name!r} has no case {case_id!r}; it has {list(self.cases + self.test_cases)}."
            )
        case = self.loader(case_id)
        check_case(case, self)
        return case

    @property
    def n_foreground(self) -> int:
        return len(self.classes) - 1


def check_case(case: Case, task: Task) -> None:
    """Refuse a case that cannot be scored, naming what is wrong."""
    where = f"task {task.name!r}, case {case.id!r}"
    if case.image.ndim != 4 or case.image.dtype != np.float32:
        raise InputError(f"{where}: image must be (C, X, Y, Z) float32, got {case.image.shape} {case.image.dtype}.")
    if case.labels.shape != case.image.shape[1:]:
        raise InputError(f"{where}: label map {case.labels.shape} does not match image {case.image.shape[1:]}.")
    if not np.isfinite(case.image).all():
        raise InputError(f"{where}: image holds NaN or infinite values.")
    low, high = int(case.labels.min()), int(case.labels.max())
    if low < IGNORED or high >= len(task.classes):
        raise InputError(f"{where}: labels span {low}..{high}, the task has classes 0..{len(task.classes) - 1}.")
    if high < 0:
        raise InputError(f"{where}: every voxel is to be ignored; nothing can be read.")
