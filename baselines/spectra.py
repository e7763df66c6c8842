"""What the metrics of a features' spectrum share; no metric lives here."""

from __future__ import annotations

import numpy as np

from tebench.base.errors import NotApplicable

NO_LABELS = "reads no labels: true and permuted ones give the same score"


def effective_rank(weights) -> float:
    """exp(-sum p log p), p = weights / their sum: the exponential of the entropy of weights >= 0, not all zero."""
    shares = weights[weights > 0] / weights.sum()
    return float(np.exp(-(shares * np.log(shares)).sum()))


def at_least(values, n: int = 1):
    """`values`, or NotApplicable where fewer than `n` are above the numerical rank."""
    if len(values) < n:
        raise NotApplicable(f"needs {n} eigenvalues above the numerical rank, and the features have {len(values)}.")
    return values
