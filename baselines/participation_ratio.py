"""Participation ratio: how many directions share the variance."""

from __future__ import annotations

from typing import Literal

import numpy as np

from tebench.baselines.spectra import NO_LABELS, at_least
from tebench.metrics.registry import metric


@metric(
    name="participation_ratio",
    title="Participation ratio",
    paper="doi:10.1101/214262",
    range=(1.0, np.inf),
    invariances=("scale", "rotation", "shift"),
    direction="up",
    reads="moments",
    cost="moments",
    not_monotone=NO_LABELS,
)
def participation_ratio(moments, *, mean: Literal["subtracted", "kept"] = "subtracted") -> float:
    """Number of directions that share the variance: (sum_i l_i)^2 / sum_i l_i^2 of the covariance's eigenvalues l.

    k for k equal eigenvalues, 1 for a single one. Labels are not read.
    mean: "subtracted" [paper: eigenvalues of the covariance], "kept": of the uncentred second moments.

    moments: `tebench.metrics.moments.Moments` of (N, D) features.   Range [1, min(N, D)]; higher is better [choice].
    Source: Gao et al., "A theory of multineuronal dimensionality, dynamics and measurement", doi:10.1101/214262.
    """
    values = at_least((moments.spectrum if mean == "subtracted" else moments.uncentred).values)
    shares = (values / values[0]) ** 2
    return float(shares.sum() ** 2 / (shares**2).sum())
