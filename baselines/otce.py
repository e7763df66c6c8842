"""OTCE: refused, with the reason."""

from __future__ import annotations

import numpy as np

from tebench.base.errors import NotApplicable
from tebench.metrics.registry import metric

REASON = (
    "OTCE couples source and target samples by optimal transport, and no source images or labels are at hand: the "
    "encoders of a pool come as weights, several from data that is not public."
)


@metric(
    name="otce",
    title="OTCE",
    paper="arXiv 2103.13843",
    direction="up",
    range=(-np.inf, np.inf),
    reads="matrix",
    cost="iterative",
    exceptions={"value": REASON},
)
def otce(features, labels) -> float:
    """Refused: optimal transport between source and target needs source data.

    OTCE = -(a W + b H(Y_t | Y_s)) [paper]: W the entropic transport cost between source features and target features,
    H the conditional entropy of target labels given source labels under the coupling; a and b are fitted on
    auxiliary tasks whose fine-tuned accuracy is known [paper]. A feature cache holds no source samples, and no part of
    the formula is left without them: W and the coupling are undefined.

    Source: Tan, Li, Huang, CVPR 2021, arXiv 2103.13843.
    """
    raise NotApplicable(REASON)
