"""Linear probe: Dice of ridge regression fitted on the other cases."""

from __future__ import annotations

from typing import Annotated

import numpy as np

from tebench.baselines.foreground import LABEL_NAMES, case_rows, foreground_classes, mean_case_dice
from tebench.metrics.parameters import Interval
from tebench.metrics.registry import metric


@metric(
    name="linear_probe",
    title="Linear probe",
    paper="arXiv 1610.01644 (linear classifier probes)",
    direction="up",
    range=(0.0, 1.0),
    reads="cases",
    cost="linear",
    invariances=("scale", "rotation", "shift"),
    disagreements=(
        "public probes report accuracy of a random split; one suite takes a binary F1 of class 1 where C = 2",
    ),
    exceptions={"label names": LABEL_NAMES},
)
def linear_probe(
    features,
    labels,
    cases,
    *,
    ridge: Annotated[float, Interval(1e-12)] = 1e-3,
    background: Annotated[int, Interval(0)] | None = 0,
) -> float:
    """Mean Dice of ridge regression on one-hot labels, leaving one case out.

    For each case k: W = (S + l I)^-1 X'Y over the voxels of the other cases, X and Y centred there,
    S = X'X, l = ridge tr(S) / D; a voxel of case k gets the class of the largest x'W + intercept. Dice of each
    foreground class in each case, averaged over the classes that the case has or is given, then over cases.

    Closed form, no iteration: the sums of every case are formed once (a pass of its own: the moments that other
    metrics share are by class, not by case) and the left-out case's are subtracted from their sum. The ridge is a
    share of the mean eigenvalue of S, so the score does not depend on the features' scale [choice]. Voxels weigh
    alike, so a large background wins doubtful ones [choice].

    ridge: share of the mean eigenvalue.
    background: class that is not foreground, as index among the classes present (0: the lowest label); null: all count.

    features: (N, D).   labels: (N,).   cases: (N,).   Range [0, 1]; higher is better. Dice of the sample, not of the
    volume. Fewer than two cases: not applicable.
    Source: Alain, Bengio, arXiv 1610.01644.
    """
    rows = case_rows(cases)
    classes = foreground_classes(int(labels.max()) + 1, background)
    targets = np.eye(int(labels.max()) + 1)
    centred = features - features.mean(axis=0)
    parts = [_sums(centred[own], targets[labels[own]]) for own in rows]
    whole = [sum(kind) for kind in zip(*parts, strict=True)]
    predicted = np.empty_like(labels)
    for own, part in zip(rows, parts, strict=True):
        weights, intercept = _fit(*(total - left for total, left in zip(whole, part, strict=True)), ridge)
        predicted[own] = (centred[own] @ weights + intercept).argmax(axis=1)
    return mean_case_dice(labels, predicted, rows, classes)


def _sums(x, y):
    """n, sum x, sum y, x'x, x'y."""
    return len(x), x.sum(axis=0), y.sum(axis=0), x.T @ x, x.T @ y


def _fit(n, x, y, gram, cross, ridge):
    """(weights (D, C), intercept (C,)) from the moments of the training voxels."""
    from scipy.linalg import solve

    mean_x, mean_y, raw = x / n, y / n, np.trace(gram)
    gram = gram - n * np.outer(mean_x, mean_x)
    trace, d = np.trace(gram), len(gram)
    if not trace > 1e-14 * raw:  # constant features: the most frequent class
        return np.zeros_like(cross), mean_y
    gram[np.diag_indices(d)] += ridge * trace / d
    weights = solve(gram, cross - n * np.outer(mean_x, mean_y), assume_a="pos")
    return weights, mean_y - mean_x @ weights
