"""kNN probe: Dice of nearest neighbours from the other cases."""

from __future__ import annotations

from typing import Annotated

import numpy as np

from tebench.baselines.foreground import LABEL_NAMES, case_rows, foreground_classes, mean_case_dice
from tebench.parameters import Interval
from tebench.registry import metric

BLOCK = 2**24  # distances held at once: 128 MB
TIE = 1e-12  # squared distances closer than this, relative to the squared lengths, are equal up to rounding


@metric(
    name="knn",
    title="kNN probe",
    paper="none: a probe (Cover, Hart 1967, doi:10.1109/TIT.1967.1053964)",
    direction="up",
    range=(0.0, 1.0),
    reads="cases",
    cost="quadratic",
    invariances=("scale", "rotation", "shift"),
    disagreements=(
        "dbolya/parc and transformer-ranker report accuracy without looking at cases, so that voxels of the same case "
        "answer for each other: 53.85 % (k = 1) and micro F1 .5558 (k = 3) on five overlapping classes",
    ),
    exceptions={"label names": LABEL_NAMES},
)
def knn(
    features,
    labels,
    cases,
    *,
    k: Annotated[int, Interval(1)] = 3,
    background: Annotated[int, Interval(0)] | None = 0,
) -> float:
    """Mean Dice of a k-nearest-neighbour classifier, leaving one case out.

    Every voxel takes the majority label of its k nearest voxels (Euclidean) of the *other* cases. Dice is taken for
    each foreground class in each case, averaged over the classes that the case has or is given, then over cases.

    Voxels as near as the k-th all vote, so that coinciding features make no order count; equal votes go to the class
    whose voters are nearer on average. Fewer than k voxels elsewhere: all vote. All of this [choice].

    k: number of neighbours.
    background: class that is not foreground, as index among the classes present (0: the lowest label); null: all count.

    features: (N, D).   labels: (N,).   cases: (N,).   Range [0, 1]; higher is better. Dice of the sample, not of the
    volume. Fewer than two cases: not applicable.
    """
    rows = case_rows(cases)
    classes = foreground_classes(int(labels.max()) + 1, background)
    centred = features - features.mean(axis=0)
    predicted = np.empty_like(labels)
    for own in rows:
        others = np.setdiff1d(np.arange(len(labels)), own, assume_unique=True)
        predicted[own] = vote(centred[own], centred[others], labels[others], k)
    return mean_case_dice(labels, predicted, rows, classes)


def vote(queries, points, labels, k) -> np.ndarray:
    """Majority label (n,) among the k nearest points of each query, ties as in `knn`."""
    n_classes, k = int(labels.max()) + 1, min(k, len(points))
    squares, answers = (points**2).sum(axis=1), []
    tolerance = TIE * (squares.max() + (queries**2).sum(axis=1).max())
    step = max(1, BLOCK // len(points))
    for start in range(0, len(queries), step):
        block = queries[start : start + step]
        gaps = np.maximum((block**2).sum(axis=1)[:, None] + squares - 2 * block @ points.T, 0)
        reach = np.partition(gaps, k - 1, axis=1)[:, k - 1 : k]
        query, point = np.nonzero(gaps <= reach + tolerance)
        cell, shape = query * n_classes + labels[point], (len(block), n_classes)
        votes = np.bincount(cell, minlength=len(block) * n_classes).reshape(shape)
        far = np.bincount(cell, np.sqrt(gaps[query, point]), minlength=votes.size).reshape(shape)
        leading = votes == votes.max(axis=1, keepdims=True)
        answers.append(np.where(leading, far / np.maximum(votes, 1), np.inf).argmin(axis=1))
    return np.concatenate(answers)
