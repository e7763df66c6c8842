"""What the pool already showed on the other tasks: a baseline that reads neither features nor labels."""

from __future__ import annotations

import numpy as np

from tebench.base.errors import InputError
from tebench.metrics.registry import metric


@metric(
    name="mean_rank_elsewhere",
    title="Mean rank elsewhere",
    paper="arXiv 2510.06448 (static rankings as baselines)",
    direction="up",
    range=(1.0, np.inf),
    reads="elsewhere",
    cost="static",
    invariances=("scale", "rotation", "shift"),
)
def mean_rank_elsewhere(dice) -> np.ndarray:
    """Mean rank of each encoder by fine-tuned Dice on all other tasks, the task itself left out.

    rank = 1 for the worst of K encoders, K for the best; tied encoders share the mean of their ranks.

    dice: (K, T) ground truth of the pool on the other tasks.   Returns (K,), range [1, K]; higher is better.
    An honest upper hand: it has seen fine-tuning that a metric is meant to save.
    """
    from scipy.stats import rankdata

    dice = np.asarray(dice, dtype=np.float64)
    if dice.ndim != 2 or not dice.size or not np.isfinite(dice).all():
        raise InputError(
            f"dice: expected a finite (K, T) table, one row an encoder, got shape {dice.shape} with "
            f"{int((~np.isfinite(dice)).sum())} missing values. Give every encoder's Dice on every other task."
        )
    return rankdata(dice, method="average", axis=0).mean(axis=1)
