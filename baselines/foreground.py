"""Leave one case out, and Dice over foreground classes: what the probes share."""

from __future__ import annotations

import numpy as np

from tebench.base.errors import InputError, NotApplicable

# Why a probe of segmentation cannot be blind to which label comes first.
LABEL_NAMES = "class 0, the lowest label, is background and does not count as a structure; the other names are free"


def foreground_classes(n_classes: int, background: int | None) -> np.ndarray:
    """Indices of the classes that count; background None: all."""
    classes = np.arange(n_classes)
    if background is None:
        return classes
    if background >= n_classes:
        raise InputError(f"background must be one of the classes 0..{n_classes - 1} or null, got {background}.")
    return np.delete(classes, background)


def case_rows(cases) -> list[np.ndarray]:
    """Row numbers of each case; at least two cases, or NotApplicable."""
    rows = [np.flatnonzero(cases == case) for case in np.unique(cases)]
    if len(rows) < 2:
        raise NotApplicable("compares cases, and the sample holds one case only.")
    return rows


def dice(truth, predicted, c) -> float | None:
    """2 |T and P| / (|T| + |P|) of class c; None where neither has it."""
    truth, predicted = truth == c, predicted == c
    size = truth.sum() + predicted.sum()
    return 2 * float((truth & predicted).sum()) / size if size else None


def mean_case_dice(labels, predicted, rows, classes) -> float:
    """Dice of each class in each case, averaged over the classes there, then over cases.

    A class that a case has neither in truth nor in prediction does not count there; one that is predicted without
    being there counts as 0.
    """
    values = []
    for own in rows:
        found = [dice(labels[own], predicted[own], c) for c in classes]
        found = [value for value in found if value is not None]
        if found:
            values.append(np.mean(found))
    return float(np.mean(values))
