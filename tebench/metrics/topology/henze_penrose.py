"""Henze-Penrose divergence by the Friedman-Rafsky count of cross-class tree edges."""

from __future__ import annotations

import numpy as np

from tebench.metrics.registry import metric
from tebench.metrics.topology.labelled_tree import chance_of_cross, labelled_tree


@metric(
    name="henze_penrose",
    title="Henze-Penrose",
    paper="doi:10.1214/aos/1176344722; arXiv:1811.06419",
    direction="up",
    range=(-np.inf, 1.0),
    reads="matrix",
    cost="trees",
    invariances=("scale", "rotation", "shift"),
)
def henze_penrose(features: np.ndarray, labels: np.ndarray) -> float:
    """One minus the number of cross-class edges of the feature tree over its mean under label permutation.

    D = 1 - R N / (N^2 - sum_c n_c^2), R = edges of the Euclidean minimum spanning tree that join different
    labels. For two classes of sizes m and n this is 1 - R (m + n) / (2 m n), the estimator of the
    Henze-Penrose divergence (Friedman and Rafsky 1979; Henze and Penrose 1999, doi:10.1214/aos/1018031112).

    More classes: one tree over all rows, as in the generalised divergence of Sekeh, Oselio and Hero
    (arXiv:1811.06419), not the mean over class pairs, which costs C - 1 times more trees and lets two small
    classes weigh as much as two large ones. Dividing by E[R] = (N^2 - sum n_c^2) / N makes the two-class
    case exact and chance zero for any number of classes [choice].

    features: (N, D).   labels: (N,) in 0..C-1.   Higher is better. 0 = mean over label permutations (exact);
    at most 1 - (C - 1) N / (N^2 - sum n_c^2), below 1, when every class is one subtree. Values below 0 (more
    mixed than chance) are returned as they are, never clipped; the least possible is
    1 - N (N - 1) / (N^2 - sum n_c^2), about -1 for two equal classes. Identical rows count by their mean over
    ties, see `labelled_tree`. Rows and stage: all rows pooled, last encoder stage [choice].

    >>> import numpy
    >>> round(henze_penrose(numpy.array([[0.0], [1.0], [4.0], [6.0]]), numpy.array([0, 0, 1, 1])), 12)
    0.5
    """
    tree = labelled_tree(features, labels)
    cross_edges = tree.cross.sum() + tree.zero_cross
    return float(1.0 - cross_edges / ((len(labels) - 1) * chance_of_cross(np.bincount(labels))))
