"""RankMe: the effective rank of the features."""

from __future__ import annotations

import numpy as np

from tebench.baselines.spectra import NO_LABELS, at_least, effective_rank
from tebench.metrics.registry import metric


@metric(
    name="rankme",
    title="RankMe",
    paper="arXiv 2210.02885",
    range=(1.0, np.inf),
    invariances=("scale", "rotation"),
    direction="up",
    reads="moments",
    cost="moments",
    not_monotone=NO_LABELS,
)
def rankme(moments) -> float:
    """Effective rank of the features: exponential of the entropy of their normalised singular values.

    RankMe = exp(-sum_i p_i log p_i), p_i = s_i / sum_j s_j, s = singular values of the (N, D) feature matrix as it is,
    not centred [paper]. The paper adds 1e-7 to each p_i against log 0; here 0 log 0 = 0 [choice]. Labels are not read.

    moments: `tebench.metrics.moments.Moments` of (N, D) features.   Range [1, min(N, D)]; higher is better [paper].
    Source: Garrido et al., "RankMe: assessing the downstream performance of pretrained self-supervised representations
    by their rank", ICML 2023, arXiv 2210.02885; the rank: Roy, Vetterli, EUSIPCO 2007.
    """
    values = at_least(moments.uncentred.values)
    return effective_rank(values)
