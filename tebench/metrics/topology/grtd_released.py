"""GRTD as the authors' later code computes it."""

from __future__ import annotations

from typing import Annotated

import numpy as np

from tebench.metrics.parameters import Interval
from tebench.metrics.registry import metric
from tebench.metrics.topology.distances import pair_quantile
from tebench.metrics.topology.labelled_tree import at_most


@metric(
    name="grtd_released",
    title="GRTD (released code)",
    paper="arXiv:2602.23916, released code",
    direction="up",
    range=(-1.0, 0.0),
    reads="matrix",
    cost="trees",
    stages="decoder[-3:]",
    per_case=True,
    invariances=("rotation", "shift"),
    disagreements=("The paper subtracts the lengths of two trees; this code weighs one tree twice, see `grtd`.",),
    not_monotone="its direction is reversed: on two 16-d Gaussians of 256 rows it falls as they separate, -0.321 at "
    "separation 0, -0.394 at 1, -0.560 at 2, -0.898 at 4, -0.995 at 8.",
)
def grtd_released(
    features: np.ndarray,
    labels: np.ndarray,
    *,
    max_per_class: Annotated[int, Interval(2)] | None = 800,
    seed: Annotated[int, Interval(0)] = 0,
) -> float:
    """Minus the mean over classes of the share of tree length that the semantic weights remove [released].

    One tree T = MST(w_feat); E_c = edges of T with an end in class c; w_sem as in `grtd` (lambda = median
    off-diagonal distance); delta_c = (sum_{E_c} w_feat - sum_{E_c} w_sem) / (sum_{E_c} w_feat + 1e-8);
    score = - mean over c of delta_c, averaged over cases. The paper's two trees have become one.

    features: (N, D).   labels: (N,) in 0..C-1.   Returns a float in [-1, 0].
    Declared "up" as its authors use it, but delta_c is large when a class is pure, so the score *falls* as
    classes separate. The additive 1e-8 breaks scale invariance for features near that size.
    max_per_class: rows of one class that enter at most [released: 800], null = all; `seed` draws them.
    Ties of identical rows are broken by the tree as they come: where identical rows have different labels,
    the value depends on the order of rows.
    """
    from tebench.graphs import emst

    rows = at_most(labels, max_per_class, seed)
    features, labels = features[rows], labels[rows]
    edges, lengths = emst(features)
    ends = labels[edges]
    threshold = pair_quantile(features, 0.5, diagonal=False)
    semantic = np.where(ends[:, 0] == ends[:, 1], 0.0, np.minimum(lengths, threshold))
    shares = []
    for c in np.unique(labels):
        touching = (ends == c).any(axis=1)
        length = lengths[touching].sum()
        shares.append((length - semantic[touching].sum()) / (length + 1e-8))
    return -float(np.mean(shares)) + 0.0
