"""The noise ceiling: how well the ground truth predicts itself."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import numpy as np

from tebench.base.errors import InputError
from tebench.evaluation.correlation import weighted_tau_many
from tebench.evaluation.reliability import residuals

MAX_SPLITS = 500


@dataclass(frozen=True)
class Ceiling:
    """Expected weighted tau between two disjoint parts of the seeds.

    low, high: the middle 95 % of the values over all splits (with 3 seeds: their lowest and highest). It shows how
    far the ceiling depends on the split; it is no confidence interval, and other encoders are not covered.
    """

    value: float
    low: float
    high: float
    n_splits: int
    parts: str


def split_ceiling(values: np.ndarray, *, seed: int = 0) -> Ceiling:
    """Mean weighted tau between the means over floor(S/2) seeds and over the other seeds; values (K, S).

    S = 2: one seed against the other; S = 3: each seed against the mean of the other two; from S = 4: halves, all
    splits (at most 500, drawn with `seed`). Both parts hold fewer seeds than the whole ground truth, so a metric may
    exceed this: `perfect_ceiling` estimates what is attainable. One seed: NaN.
    """
    values = np.asarray(values, np.float64)
    if values.ndim != 2:
        raise InputError(f"values must be (encoders, seeds), got shape {values.shape}.")
    s = values.shape[1]
    half = s // 2
    parts = f"{half} vs {s - half} seeds"
    if s < 2:
        return Ceiling(math.nan, math.nan, math.nan, 0, "one seed")
    masks = _splits(s, half, seed)
    first = masks @ values.T / half
    second = ~masks @ values.T / (s - half)
    tau = weighted_tau_many(first, second)
    if not np.isfinite(tau).all():
        return Ceiling(math.nan, math.nan, math.nan, len(tau), f"{parts}; a part is constant")
    low, high = np.quantile(tau, [0.025, 0.975]) if len(tau) > 3 else (tau.min(), tau.max())
    return Ceiling(float(tau.mean()), float(low), float(high), len(tau), parts)


def perfect_ceiling(values: np.ndarray, *, n_draws: int = 2000, seed: int = 0) -> Ceiling:
    """What a metric that knew every encoder's true mean Dice would reach against the S-seed ground truth.

    Simulated: true means = observed means shrunk to the variance that seed noise does not explain, by
    sqrt(max(0, ICC of the mean)); a replicate adds normal noise of variance MS_error / S. low, high: middle 95 % over
    replicates. Assumes equal, normal noise for all encoders. [choice] One seed: NaN.
    """
    values = np.asarray(values, np.float64)
    n, s = values.shape
    if s < 2:
        return Ceiling(math.nan, math.nan, math.nan, 0, "one seed")
    mean = values.mean(1)
    ms_error = (residuals(values) ** 2).sum() / ((n - 1) * (s - 1))
    between = s * mean.var(ddof=1)
    icc = max(0.0, 1 - ms_error / between) if between > 0 else 0.0
    if icc == 0:
        return Ceiling(0.0, math.nan, math.nan, 0, "no spread beyond seed noise")
    rng = np.random.default_rng(seed)
    # The spread of the observed means times ICC is an unbiased estimate of the spread of the true ones.
    true = mean.mean() + math.sqrt(icc) * (mean - mean.mean())
    replicate = true + rng.standard_normal((n_draws, n)) * math.sqrt(ms_error / s)
    tau = weighted_tau_many(true[None], replicate)
    low, high = np.quantile(tau, [0.025, 0.975])
    return Ceiling(float(tau.mean()), float(low), float(high), n_draws, f"truth vs {s} seeds")


def _splits(s: int, half: int, seed: int) -> np.ndarray:
    """(splits, s) masks of the first part; for equal halves each split once, not mirrored too."""
    if math.comb(s, half) <= 2 * MAX_SPLITS:
        chosen = [c for c in itertools.combinations(range(s), half) if 2 * half < s or 0 in c]
    else:
        rng = np.random.default_rng(seed)
        chosen = [tuple(rng.permutation(s)[:half].tolist()) for _ in range(MAX_SPLITS)]
    masks = np.zeros((len(chosen), s), bool)
    for mask, columns in zip(masks, chosen, strict=True):
        mask[list(columns)] = True
    return masks
