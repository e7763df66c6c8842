"""LDA probe: Dice of linear discriminant analysis fitted on the other cases."""

from __future__ import annotations

from typing import Annotated

import numpy as np

from tebench.baselines.foreground import LABEL_NAMES, case_rows, foreground_classes, mean_case_dice
from tebench.metrics.parameters import Interval
from tebench.metrics.registry import metric


@metric(
    name="lda_probe",
    title="LDA probe",
    paper="none: a probe (Fisher 1936, doi:10.1111/j.1469-1809.1936.tb02137.x)",
    direction="up",
    range=(0.0, 1.0),
    reads="cases",
    cost="linear",
    invariances=("scale", "rotation", "shift"),
    exceptions={"label names": LABEL_NAMES},
)
def lda_probe(
    features,
    labels,
    cases,
    *,
    ridge: Annotated[float, Interval(1e-12)] = 1e-3,
    background: Annotated[int, Interval(0)] | None = 0,
) -> float:
    """Mean Dice of linear discriminant analysis with equal priors, leaving one case out.

    For each case: over the voxels of the other cases class means m_c and pooled covariance within classes S; a voxel x
    of the case left out gets the class of the largest m_c' (S + l I)^-1 (x - m_c / 2), l = ridge tr(S) / D. Dice of
    each foreground class in each case, averaged over the classes that the case has or is given, then over cases.

    Equal priors, so that background wins no doubtful voxel by its size: what sets it apart from `linear_probe`
    [choice]. The ridge is a share of the mean eigenvalue, so the score is free of scale [choice]. Closed form, from
    sums by case; a class without a voxel in the other cases is never given.

    ridge: share of the mean eigenvalue of S.
    background: class that is not foreground, as index among the classes present (0: the lowest label); null: all count.

    features: (N, D).   labels: (N,).   cases: (N,).   Range [0, 1]; higher is better. Dice of the sample, not of the
    volume. Fewer than two cases: not applicable.
    Source: Fisher, "The use of multiple measurements in taxonomic problems", 1936.
    """
    rows = case_rows(cases)
    n_classes = int(labels.max()) + 1
    classes = foreground_classes(n_classes, background)
    targets = np.eye(n_classes)
    centred = features - features.mean(axis=0)
    parts = [_sums(centred[own], targets[labels[own]]) for own in rows]
    whole = [sum(kind) for kind in zip(*parts, strict=True)]
    predicted = np.empty_like(labels)
    for own, part in zip(rows, parts, strict=True):
        given, weights, intercept = _fit(*(total - left for total, left in zip(whole, part, strict=True)), ridge)
        predicted[own] = given[(centred[own] @ weights + intercept).argmax(axis=1)]
    return mean_case_dice(labels, predicted, rows, classes)


def _sums(x, y):
    """Rows of each class, their sums (C, D), x'x."""
    return y.sum(axis=0), y.T @ x, x.T @ x


def _fit(counts, sums, gram, ridge):
    """(classes there, weights (D, C), intercept (C,)) of the training voxels."""
    from scipy.linalg import solve

    given = np.flatnonzero(counts)
    means = sums[given] / counts[given, None]
    within = gram - means.T @ (counts[given, None] * means)
    trace, d = np.trace(within), len(within)
    if not trace > 1e-14 * np.trace(gram):  # no spread inside classes: the nearest mean
        return given, means.T, -(means**2).sum(axis=1) / 2
    within[np.diag_indices(d)] += ridge * trace / d
    weights = solve(within, means.T, assume_a="pos")
    return given, weights, -(means * weights.T).sum(axis=1) / 2
