"""NESum: the sum of the eigenvalues over the largest."""

from __future__ import annotations

import numpy as np

from tebench.baselines.spectra import NO_LABELS, at_least
from tebench.metrics.registry import metric


@metric(
    name="nesum",
    title="NESum",
    paper="none: ICML 2022, PMLR 162:8613-8634",
    range=(1.0, np.inf),
    invariances=("scale", "rotation", "shift"),
    direction="up",
    reads="moments",
    cost="moments",
    not_monotone=NO_LABELS,
)
def nesum(moments) -> float:
    """Sum of the covariance's eigenvalues over the largest one: sum_i l_i / l_1.

    1 for features on a line, D for a whitened spectrum. Labels are not read.

    moments: `tebench.metrics.moments.Moments` of (N, D) features.   Range [1, min(N, D)]; higher is better [paper].
    Source: He, Ozay, "Exploring the gap between collapsed and whitened features in self-supervised learning", ICML
    2022, PMLR 162:8613-8634.
    """
    values = at_least(moments.spectrum.values)
    return float(((values / values[0]) ** 2).sum())
