"""kNN probe: Dice of nearest neighbours from the other cases."""

from __future__ import annotations

from typing import Annotated

import numpy as np

from tebench.baselines.foreground import LABEL_NAMES, case_rows, foreground_classes, mean_case_dice
from tebench.metrics.parameters import Interval
from tebench.metrics.registry import metric
from tebench.metrics.topology.labelled_tree import group_rows

BLOCK = 2**22  # float32 distances held at once: 16 MB
COORDINATES = 2**18  # float64 coordinates compared at once
GROUP = 16  # columns whose least value is looked at first
SPARE = 8  # candidates beyond k that are compared exactly
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
    n_classes = int(labels.max()) + 1
    classes = foreground_classes(n_classes, background)
    group, first = group_rows(features)  # voxels inside one feature cell are one point
    points = (features - features.mean(axis=0))[first]
    tables = [_counts(group[own], labels[own], (len(first), n_classes)) for own in rows]
    whole, predicted = sum(tables), np.empty_like(labels)
    for own, table in zip(rows, tables, strict=True):
        rest = whole - table
        asked, given = np.flatnonzero(table.any(axis=1)), np.flatnonzero(rest.any(axis=1))
        answers = np.empty(len(first), dtype=labels.dtype)
        answers[asked] = vote(points[asked], points[given], rest[given], k)
        predicted[own] = answers[group[own]]
    return mean_case_dice(labels, predicted, rows, classes)


def _counts(group, labels, shape) -> np.ndarray:
    """(M, C) how many rows of each class lie at each distinct point."""
    return np.bincount(group * shape[1] + labels, minlength=shape[0] * shape[1]).reshape(shape)


def vote(queries, points, counts, k) -> np.ndarray:
    """Majority class (n,) among the k nearest voxels of each query, ties as in `knn`.

    points: (M, D), of which counts (M, C) say how many voxels of each class each one stands for.
    A float32 product gives lower bounds of all squared distances; the least k + SPARE are compared in float64 by
    differences. Where these may not hold all voters, which the bounds tell, the query meets every point in float64.
    """
    squares, lengths = (points**2).sum(axis=1), (queries**2).sum(axis=1)
    tolerance = TIE * (squares.max() + lengths.max())
    k, wanted = min(k, int(counts.sum())), min(k + SPARE, len(points))
    answers = np.empty(len(queries), dtype=np.int64)
    unsure = []
    for rows, near, beyond in _candidates(queries, points, squares, lengths, wanted):
        step = max(1, COORDINATES // (wanted * points.shape[1]))
        for start in range(0, len(rows), step):
            part = slice(start, start + step)
            gaps = ((points[near[part]] - queries[rows[part], None]) ** 2).sum(axis=2)
            answers[rows[part]], reach = _majority(gaps, counts[near[part]], k, tolerance)
            if wanted < len(points):
                unsure.append(rows[part][reach + tolerance >= beyond[part]])
    for row in np.concatenate(unsure) if unsure else ():
        gaps = ((points - queries[row]) ** 2).sum(axis=1)
        answers[row] = _majority(gaps[None], counts[None], k, tolerance)[0][0]
    return answers


def _candidates(queries, points, squares, lengths, wanted):
    """Blocks of (query numbers, (n, wanted) points of least lower bound, (n,) least squared distance of any other).

    With u = 2^-24 and K = D + 2 products a float32 distance errs by at most (2 K + D + 5) u (|x|^2 + |y|^2), so
    lowering both norms by the share below makes it a lower bound.
    """
    reach = np.sqrt(max(squares.max(), lengths.max()))
    scale = 1 / reach if reach > 0 else 1.0
    d, keep = points.shape[1], 1 - (3 * points.shape[1] + 24) * 2.0**-24
    length = -(-len(points) // GROUP) * GROUP
    right = np.zeros((length, d + 2), dtype=np.float32)
    right[: len(points), :d] = points * scale
    right[: len(points), d] = squares * scale**2 * keep
    right[len(points) :, d] = 1e30  # padding: beyond every point
    right[:, d + 1] = 1
    left = np.empty((len(queries), d + 2), dtype=np.float32)
    left[:, :d], left[:, d], left[:, d + 1] = queries * (-2 * scale), 1, lengths * scale**2 * keep
    step = max(1, BLOCK // length)
    for start in range(0, len(queries), step):
        near, beyond = _least(left[start : start + step] @ right.T, wanted)
        # the subtraction covers float32 underflow, where the relative bound says nothing
        yield np.arange(start, start + len(near)), near, (beyond.astype(np.float64) - 1e-36) / scale**2


def _least(values, wanted):
    """((n, wanted) columns of the least values of each row, in any order, (n,) the largest of these)."""
    rows, groups = len(values), values.shape[1] // GROUP
    columns = None
    if groups > 2 * wanted:  # the wanted least values lie within the wanted groups of least minimum
        best = values.reshape(rows, GROUP, groups).min(axis=1)
        best = np.argpartition(best, wanted - 1, axis=1)[:, :wanted]
        columns = (best[:, :, None] + groups * np.arange(GROUP)).reshape(rows, -1)
        values = np.take_along_axis(values, columns, axis=1)
    chosen = np.argpartition(values, wanted - 1, axis=1)[:, :wanted]
    beyond = np.take_along_axis(values, chosen, axis=1).max(axis=1)
    return chosen if columns is None else np.take_along_axis(columns, chosen, axis=1), beyond


def _majority(gaps, counts, k, tolerance):
    """((n,) class, (n,) squared distance of the k-th voxel) from (n, m) squared distances to points of these counts."""
    order = gaps.argsort(axis=1)
    voxels = np.take_along_axis(counts.sum(axis=2), order, axis=1).cumsum(axis=1)
    last = np.take_along_axis(order, (voxels >= k).argmax(axis=1)[:, None], axis=1)
    reach = np.take_along_axis(gaps, last, axis=1)
    counts = counts * (gaps <= reach + tolerance)[:, :, None]
    votes = counts.sum(axis=1)
    leading = votes == votes.max(axis=1, keepdims=True)
    far = np.einsum("nm,nmc->nc", np.sqrt(gaps), counts) / np.maximum(votes, 1)
    return np.where(leading, far, np.inf).argmin(axis=1), reach[:, 0]
