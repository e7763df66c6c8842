"""Our corrected GRTD: cross-class share of tree length against its permutation mean."""

from __future__ import annotations

from typing import Annotated

import numpy as np

from tebench.metrics.parameters import Interval
from tebench.metrics.registry import metric
from tebench.metrics.topology.labelled_tree import chance_of_cross, labelled_tree


@metric(
    name="grtd_relative",
    title="GRTD, relative (ours)",
    paper="this suite; after arXiv:2602.23916 and doi:10.1214/aos/1176344722",
    direction="up",
    range=(-np.inf, 1.0),
    reads="matrix",
    cost="trees",
    stages="decoder[-3:]",
    per_case=True,
    invariances=("scale", "rotation", "shift"),
)
def grtd_relative(
    features: np.ndarray, labels: np.ndarray, *, cut: Annotated[float, Interval(0.0, 1.0)] = 0.5
) -> float:
    """One minus the cross-class share of the (cut) feature-tree length over its mean under label permutation.

    T = MST(w_feat), lambda = the `cut`-quantile of its edge lengths, v_e = min(w_e, lambda) and
    q = 1 - sum_c n_c (n_c - 1) / (N (N - 1)):

        S = (sum of v_e over edges that join different labels) / (sum of v_e),    score = 1 - S / q.

    Derivation [choice]. GRTD compares a feature tree with a semantic one in which weights inside a class
    vanish. On the feature tree itself the length that survives is W_sem(T) = sum over cross-class edges of
    min(w_e, lambda): GRTD's own semantic weight, read on one tree instead of two, so that it counts every
    place where classes touch (about N of them) and not C - 1. Three steps make it comparable:
    - division by the tree's own length removes the feature scale;
    - lambda is taken from the tree, not from all pairs: as two classes move apart, their one bridge grows
      without limit (and so does the median distance), and an uncut share would return to 1. Cut, the bridge
      counts no more than a middling edge, and the score goes to about 1 - 1 / (N q);
    - lengths do not depend on labels, and under a random permutation each edge is cross-class with
      probability q. So E[S] = q exactly, for every feature set, sample size and class balance, and the score
      is 0 under label permutation. Its variance has a closed form too: `labelled_tree.permutation_moments`.

    features: (N, D).   labels: (N,) in 0..C-1.   Returns a float in [1 - 1/q, 1); higher is better; 0 = chance.
    cut: quantile of the edge lengths, 0.5 = the median edge; 0 makes all lengths equal (`henze_penrose` for
    one stage and case), 1 leaves them uncut. Mean over cases and the last 3 decoder stages, as `grtd`.
    Invariant to scale, rotation and shift. Identical rows: mean over ties, edges of length 0 weigh nothing.
    All rows identical: every label assignment is as good as any other, and the score is 0.

    >>> import numpy
    >>> round(grtd_relative(numpy.array([[0.0], [1.0], [4.0], [6.0]]), numpy.array([0, 0, 1, 1])), 12)
    0.4
    """
    tree = labelled_tree(features, labels)
    if not len(tree.lengths):
        return 0.0
    weights = np.minimum(tree.lengths, np.quantile(tree.lengths, cut))
    share = (weights * tree.cross).sum() / weights.sum()
    return float(1.0 - share / chance_of_cross(np.bincount(labels)))
