"""alpha-ReQ: how fast the eigenvalues of the features decay."""

from __future__ import annotations

from typing import Annotated

import numpy as np

from tebench.baselines.spectra import NO_LABELS, at_least
from tebench.metrics.parameters import Interval
from tebench.metrics.registry import metric


@metric(
    name="alpha_req",
    title="alpha-ReQ",
    paper="NeurIPS 2022 (alpha-ReQ); arXiv 2202.05808",
    range=(-np.inf, 0.0),
    invariances=("scale", "rotation", "shift"),
    direction="up",
    reads="moments",
    cost="moments",
    not_monotone=NO_LABELS,
)
def alpha_req(
    moments, *, first: Annotated[int, Interval(1)] = 1, last: Annotated[int, Interval(3)] | None = None
) -> float:
    """Closeness to 1 of the power law by which the features' covariance spectrum decays: -|alpha - 1|.

    l_i ~ i^-alpha: alpha = minus the slope of log l_i on log i by least squares, l_1 >= l_2 >= .. the eigenvalues of
    the features' covariance, i from `first` to `last`. alpha near 1 is the finding of the paper: a faster decay is a
    collapse, a slower one a representation that is not smooth [paper]. As a score: minus the distance to 1 [choice].
    Labels are not read.

    first, last: eigenvalues that the line is fitted to, counted from 1; null: to the numerical rank. The paper fits a
        middle range chosen by eye; here all, since a stage may have as few as 16 channels [choice].

    moments: `tebench.metrics.moments.Moments` of (N, D) features.   Range (-inf, 0]; higher is better. Fewer than three
    eigenvalues above the numerical rank: not applicable.
    Source: Agrawal et al., "alpha-ReQ: assessing representation quality by measuring eigenspectrum decay", NeurIPS
    2022; Ghosh et al., arXiv 2202.05808.
    """
    values = at_least(moments.spectrum.values[first - 1 : last], 3) ** 2
    slope = np.polyfit(np.log(np.arange(first, first + len(values))), np.log(values), 1)[0]
    return -abs(-float(slope) - 1)
