"""RTD-Lite: representation topology divergence reduced to tree lengths."""

from __future__ import annotations

from typing import Annotated

import numpy as np

from tebench.base.errors import NotApplicable
from tebench.metrics.parameters import Interval
from tebench.metrics.registry import metric
from tebench.metrics.topology.distances import interpolated, pair_quantile
from tebench.metrics.topology.labelled_tree import class_bridges, labelled_tree


@metric(
    name="rtd_lite",
    title="RTD-Lite",
    paper="arXiv:2503.11910",
    direction="down",
    range=(0.0, np.inf),
    reads="matrix",
    cost="trees",
    invariances=("scale", "rotation", "shift"),
    disagreements=(
        "The public code sums in float32 and holds N x N matrices: 16.460594 where float64 gives 16.460617 "
        "(`rtd_lite_distance`, 300 points), 1.4e-6 relative.",
    ),
)
def rtd_lite(
    features: np.ndarray, labels: np.ndarray, *, quantile: Annotated[float, Interval(0.0, 1.0)] = 0.9
) -> float:
    """RTD-Lite between the features and the one-hot labels.

    `rtd_lite_distance` with B = one-hot label distances, which are 0 inside a class and sqrt(2) between, so
    that everything follows from one tree: W(B) = (C - 1) sqrt(2) / q_B, and W(min(A, B)) is the minimum
    spanning tree of the C classes under their nearest-row distances, each cut at sqrt(2) / q_B.

    features: (N, D).   labels: (N,) in 0..C-1.   Returns a float >= 0; lower is better.
    quantile: which quantile of all N^2 distances (diagonal included) is the unit of each view [released: 0.9].
    Not applicable where that quantile is 0: for the labels when one class holds about 95 % of the rows or
    more (sum of squared class shares above 0.9), for the features when they are constant.
    Only C - 1 of about 2 N edges see the labels, so the value follows mainly W(A), as `grtd` does, though
    without its scale. Rows and stage: all rows pooled, last encoder stage [choice].

    >>> import numpy
    >>> features, labels = numpy.array([[0.0], [1.0], [4.0], [6.0]]), numpy.array([0, 0, 1, 1])
    >>> round(rtd_lite(features, labels), 6)
    0.5
    """
    unit = _unit(pair_quantile(features, quantile, diagonal=True), quantile, "feature")
    label_unit = _unit(_label_quantile(labels, quantile), quantile, "label")
    tree = labelled_tree(features, labels)
    bridges = class_bridges(tree) / unit
    between = np.sqrt(2.0) / label_unit
    both = np.minimum(bridges, between).sum()
    return max(float((tree.lengths.sum() / unit + len(bridges) * between) / 2.0 - both), 0.0)


def rtd_lite_distance(first: np.ndarray, second: np.ndarray, *, quantile: float = 0.9) -> float:
    """RTD-Lite between two views of the same N rows: ((W(A) - W(C)) + (W(B) - W(C))) / 2.

    A, B = Euclidean distance matrices of the views, each divided by its 0.9-quantile over all N^2 entries;
    C = min(A, B), entry by entry; W = length of the minimum spanning tree. Tulchinskii et al. (2025).
    first: (N, D1), second: (N, D2).   Returns a float >= 0; 0 for identical views. Symmetric.

    No N x N matrix is held: every edge of MST(min(A, B)) is an edge of MST(A) or of MST(B), because any
    other edge is the longest of a cycle whose remaining edges are no longer in C either.
    """
    from tebench.graphs import emst

    views = [np.asarray(view, dtype=np.float64) for view in (first, second)]
    scales, edges, lengths = [], [], []
    for view in views:
        scales.append(_unit(pair_quantile(view, quantile, diagonal=True), quantile, "view's"))
        tree = emst(view)
        edges.append(tree[0])
        lengths.append(tree[1].sum() / scales[-1])
    union = np.concatenate(edges)
    weights = np.minimum(
        *(
            np.sqrt(((view[union[:, 0]] - view[union[:, 1]]) ** 2).sum(axis=1)) / scale
            for view, scale in zip(views, scales, strict=True)
        )
    )
    return max((lengths[0] + lengths[1]) / 2.0 - _forest_length(union, weights, len(first)), 0.0)


def _unit(value: float, quantile: float, whose: str) -> float:
    if value > 0:
        return value
    raise NotApplicable(
        f"the {quantile}-quantile of the {whose} distances is 0 (too many rows are equal), so they have no unit."
    )


def _label_quantile(labels: np.ndarray, quantile: float) -> float:
    """Quantile of the one-hot distance matrix."""
    sizes = np.bincount(labels)
    zeros = int((sizes**2).sum())  # entries of rows with one label, the diagonal included
    pairs = (len(labels) ** 2 - zeros) // 2
    return interpolated(lambda ranks: np.full(len(ranks), np.sqrt(2.0)), quantile, zeros=zeros, pairs=pairs)


def _forest_length(edges: np.ndarray, weights: np.ndarray, count: int) -> float:
    """Length of the minimum spanning tree of a connected edge list (Kruskal)."""
    home = list(range(count))
    total = 0.0
    ordered = np.argsort(weights, kind="stable")
    for (i, j), w in zip(edges[ordered].tolist(), weights[ordered].tolist(), strict=True):
        while home[i] != i:
            home[i] = home[home[i]]
            i = home[i]
        while home[j] != j:
            home[j] = home[home[j]]
            j = home[j]
        if i != j:
            home[i] = j
            total += w
    return total
