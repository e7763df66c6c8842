"""p of one metric, and of one among many: step-down max-T over a permutation null that all metrics share."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tebench.base.errors import InputError

ALPHA = 0.05
CERTAIN = 0.999  # confidence in the side of ALPHA on which a drawn p falls


@dataclass(frozen=True)
class Chance:
    """What the null gives for M metrics.

    mean, sd: (M,) of the statistic over the null.   p: (M,) two-sided, of one metric alone.
    p_max: (M,) of a metric among all M, never below p.   upper: (M,) upper confidence limit of p_max over the random
    stream; p_max itself where the null is exact.
    """

    mean: np.ndarray
    sd: np.ndarray
    p: np.ndarray
    p_max: np.ndarray
    upper: np.ndarray


def max_t(observed: np.ndarray, null: np.ndarray, *, exact: bool) -> Chance:
    """Two-sided p and step-down max-T adjusted p of (M,) statistics under a common (B, M) null.

    z = (T - mean of the null) / its SD. p_m = P(|z*_m| >= |z_m|). Step-down: metrics by falling |z|; the k-th is held
    against the maximum of |z*| over it and all that follow, and adjusted p never fall along the way.
    A drawn null counts the observed value itself. A metric that is constant under the null has p = 1.
    Westfall and Young 1993, Resampling-Based Multiple Testing, algorithm 2.8.

    >>> found = max_t(np.array([2.0, 0.5]), np.array([[2.0, 0.5], [-2, .1], [0, -.5], [0, -.1]]), exact=True)
    >>> found.p.tolist(), found.p_max.tolist()
    ([0.5, 0.5], [0.75, 0.75])
    """
    observed, null = np.asarray(observed, np.float64), np.asarray(null, np.float64)
    if null.ndim != 2 or observed.shape != null.shape[1:] or not len(null):
        raise InputError(f"expected observed (M,) and null (B, M), got {observed.shape} and {null.shape}.")
    mean, sd = null.mean(0), null.std(0)
    scale = np.where(sd > 1e-12, sd, np.inf)
    z, draws = np.abs(observed - mean) / scale, np.abs(null - mean)
    draws /= scale
    extra = 0 if exact else 1
    whole = len(draws) + extra
    # Equal statistics may differ in the last bits, depending on the order of summation.
    alone = ((draws >= z - 1e-9).sum(0) + extra) / whole
    order = np.argsort(-z, kind="stable")
    highest = np.maximum.accumulate(draws[:, order[::-1]], axis=1)[:, ::-1]
    count = np.empty(len(z))
    count[order] = np.maximum.accumulate((highest >= z[order] - 1e-9).sum(0) + extra)
    dead = sd <= 1e-12
    alone[dead], count[dead] = 1.0, whole
    return Chance(mean, sd, alone, count / whole, count / whole if exact else _upper(count, whole))


def _upper(count, whole) -> np.ndarray:
    """One-sided Clopper-Pearson limit of a share that was counted in `whole` draws."""
    from scipy.stats import beta

    return np.where(count >= whole, 1.0, beta.ppf(CERTAIN, count + 1, np.maximum(whole - count, 1e-12)))
