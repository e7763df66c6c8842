"""GRTD, the conference form: feature tree against semantic tree."""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np

from tebench.metrics.parameters import Interval
from tebench.metrics.registry import metric
from tebench.metrics.topology.distances import pair_quantile
from tebench.metrics.topology.labelled_tree import at_most, class_bridges, labelled_tree


@metric(
    name="grtd",
    title="GRTD",
    paper="arXiv:2602.23916",
    direction="up",
    range=(-np.inf, 0.0),
    reads="matrix",
    cost="trees",
    stages="decoder[-3:]",
    per_case=True,
    invariances=("rotation", "shift"),
    disagreements=(
        "The authors' later code computes another quantity under this name, see `grtd_released`: on two 16-d "
        "Gaussians of 256 rows, 4 apart, -0.898 where this form gives -1686.1.",
    ),
    not_monotone="nearly blind to labels: the semantic tree is 0.13 % of the feature tree (two 16-d Gaussians, 256 "
    "rows), so the score follows the spread of all features, -1610.5 at separation 0, -1652.9 at 2, -1696.3 at 8; "
    "shuffling the labels changes it by 0.01 to 0.15 %.",
)
def grtd(
    features: np.ndarray,
    labels: np.ndarray,
    *,
    threshold: Literal["median", "none"] = "median",
    max_per_class: Annotated[int, Interval(2)] | None = None,
    seed: Annotated[int, Interval(0)] = 0,
) -> float:
    """Global representation topology divergence: minus the length by which the feature tree exceeds the semantic tree.

    T = - | W(MST(w_feat)) - W(MST(w_sem)) |, W = total edge length of a minimum spanning tree, with
    w_feat(i, j) = |f_i - f_j| and w_sem(i, j) = 0 if y_i = y_j, else min(w_feat(i, j), lambda).
    One stage of one case; the mean over cases and over the last k decoder stages is the score [paper].
    k = 3, foreground and background rows [choice].

    features: (N, D), any unit.   labels: (N,) in 0..C-1.   Returns a float in (-inf, 0], in the unit of the
    features; higher is better.
    threshold: lambda is the median off-diagonal distance of the rows in the tree [released], or no threshold.
    max_per_class: rows of one class that enter at most; null = all [choice; released: 800]. `seed` draws them.

    W(MST(w_sem)) needs no second tree: all weights inside a class are 0, so it is the minimum spanning tree
    of the C classes under their nearest-row distances, each cut at lambda, and its edges are edges of
    MST(w_feat).

    Notes: W(MST(w_sem)) has C - 1 edges against N - 1, so the score is close to minus the tree length: nearly
    blind to labels, in proportion to feature scale, and best (0) for an encoder that maps everything to one
    point. `grtd_relative` and `grtd_constrained` mend that.

    >>> import numpy
    >>> grtd(numpy.array([[0.0], [1.0], [4.0], [6.0]]), numpy.array([0, 0, 1, 1]), threshold="none")
    -3.0
    """
    rows = at_most(labels, max_per_class, seed)
    tree = labelled_tree(features[rows], labels[rows])
    bridges = class_bridges(tree)
    if threshold == "median":
        bridges = np.minimum(bridges, pair_quantile(features[rows], 0.5, diagonal=False))
    return -abs(float(tree.lengths.sum() - bridges.sum())) + 0.0
