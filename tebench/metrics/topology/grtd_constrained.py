"""Our second corrected GRTD: the length that it costs to keep every class in one piece."""

from __future__ import annotations

import numpy as np

from tebench.base.errors import NotApplicable
from tebench.metrics.registry import metric
from tebench.metrics.topology.labelled_tree import class_bridges, group_rows, labelled_tree


@metric(
    name="grtd_constrained",
    title="GRTD, constrained (ours)",
    paper="this suite; after arXiv:2602.23916",
    direction="up",
    range=(-np.inf, 0.0),
    reads="matrix",
    cost="trees",
    stages="decoder[-3:]",
    per_case=True,
    invariances=("scale", "rotation", "shift"),
)
def grtd_constrained(features: np.ndarray, labels: np.ndarray) -> float:
    """Minus the relative excess length of the shortest spanning tree in which every class is connected.

    score = - (W(T_y) - W(T)) / W(T), T = MST(w_feat), T_y = MST(w_feat + M [y_i != y_j]) for M -> infinity:
    the shortest tree that leaves each class C - 1 times only. W(T_y) = sum_c W(MST of class c) + the
    minimum spanning tree of the classes under nearest-row distances.

    Derivation [choice]. GRTD asks how far the feature tree is from a tree that obeys the labels, and measures
    it as a difference of two tree lengths. Its semantic tree has almost no length, so the difference is the
    feature tree's own. Here the semantic tree keeps all feature distances and obeys the labels by
    constraint: both trees span the same rows with the same distances, their difference is 0 exactly when
    single linkage separates the classes, positive otherwise, and their ratio has no unit.

    features: (N, D).   labels: (N,) in 0..C-1.   Returns a float in (-inf, 0]; higher is better; 0 = separated.
    Under label permutation the mean has no closed form (the excess grows with the number of classes and
    shrinks with dimension); `grtd_relative` has one. All rows identical: 0 / 0, not applicable.

    >>> import numpy
    >>> grtd_constrained(numpy.array([[0.0], [1.0], [2.0], [4.0]]), numpy.array([0, 1, 0, 1]))
    -0.5
    """
    from tebench.graphs import emst

    tree = labelled_tree(features, labels)
    if not len(tree.lengths):
        raise NotApplicable("all rows have the same features, so the tree has no length to compare with.")
    length = tree.lengths.sum()
    constrained = class_bridges(tree).sum()
    for c in np.unique(labels):
        rows = features[labels == c]
        _, first = group_rows(rows)
        if len(first) > 1:
            constrained += emst(rows[first])[1].sum()
    # The two sums run over many of the same edges; their difference is never negative but for rounding.
    return -max(float(constrained / length - 1.0), 0.0) + 0.0
