"""Is the best encoder task-dependent? Agreement between tasks, and the variance of Dice by encoder, task and both."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import rankdata

from tebench.evaluation.correlation import weighted_tau, weighted_tau_many
from tebench.evaluation.dice_table import DiceTable
from tebench.evaluation.reliability import reliability, residuals
from tebench.evaluation.uncertainty import p_value


@dataclass(frozen=True)
class Agreement:
    """How far the judged tasks order the encoders alike.

    tau_w: mean over pairs of tasks; p: chance that independent orders agree so well (one order per task drawn at
    random, two-sided).   common: share of a task's standardised variance that is common to the tasks, ICC(C,1) of
    z-scores, with its 95 % interval (F distribution; another draw of encoders and tasks); at or below 0: nothing is.
    best: task -> encoder with the highest Dice.   overall: highest mean rank; best_on: tasks on which it is the best;
    loss: Dice points lost by taking it everywhere, mean over tasks.
    """

    tau_w: float
    p: float
    common: float
    low: float
    high: float
    best: dict[str, str]
    overall: str
    best_on: int
    loss: float


def agreement(table: DiceTable, *, n_draws: int = 1999, seed: int = 0) -> Agreement:
    """Agreement between the judged tasks; NaN in tau_w, p and common with a single one."""
    dice = table.mean()
    k, t = dice.shape
    mean_rank = rankdata(dice, axis=0).mean(1)
    overall = int(np.argmax(mean_rank))
    best = dice.argmax(0)
    facts: dict[str, Any] = {
        "best": {task: table.encoders[i] for task, i in zip(table.judged, best, strict=True)},
        "overall": table.encoders[overall], "best_on": int((dice[overall] == dice.max(0)).sum()),
        "loss": float(100 * (dice.max(0) - dice[overall]).mean()),
    }  # fmt: skip
    if t < 2:
        nothing = dict.fromkeys(("tau_w", "p", "common", "low", "high"), math.nan)
        return Agreement(**nothing | facts)
    rng = np.random.default_rng([seed, 31])
    orders = rng.permuted(np.broadcast_to(np.arange(k), (n_draws, t, k)), axis=2)
    shuffled = [dice[:, i][orders[:, i]] for i in range(t)]
    null = np.mean([weighted_tau_many(shuffled[a], shuffled[b]) for a, b in itertools.combinations(range(t), 2)], 0)
    observed = mean_pairwise(dice)
    return Agreement(observed, p_value(observed, null, False), *common_share(dice), **facts)


def mean_pairwise(dice: np.ndarray) -> float:
    """Mean tau_w over all pairs of the columns of a (K, T) table; NaN with one column."""
    pairs = list(itertools.combinations(dice.T, 2))
    return float(np.mean([weighted_tau(a, b) for a, b in pairs])) if pairs else math.nan


def pairwise(table: DiceTable) -> pd.DataFrame:
    """tau_w of every pair of judged tasks. Columns: task, other, tau_w."""
    rows = [
        (a, b, weighted_tau(table.runs[a].mean(1), table.runs[b].mean(1)))
        for a, b in itertools.combinations(table.judged, 2)
    ]
    return pd.DataFrame(rows, columns=["task", "other", "tau_w"])


def common_share(values: np.ndarray) -> tuple[float, float, float]:
    """(share, low, high): ICC(C,1) of the columns of (K, T), each standardised first; 95 % interval by F.

    Of one column's variance, the part that all columns share; the rest is interaction and noise. The interval of the
    mean's ICC is turned into that of a single column's by Spearman and Brown's formula, r / (T - (T - 1) r).
    """
    values = np.asarray(values, np.float64)
    t = values.shape[1]
    if t < 2:
        return math.nan, math.nan, math.nan
    found = reliability((values - values.mean(0)) / values.std(0, ddof=1))
    low, high = (bound / (t - (t - 1) * bound) for bound in (found.low, found.high))
    return found.icc_one, low, high


def shares(table: DiceTable) -> pd.DataFrame:
    """Variance components of Dice, in squared Dice points and as shares.

    Random two-way model y = mu + encoder + task + interaction + run, expected mean squares, components below 0 set to
    0. Runs are kept apart where all judged tasks have the same number S > 1 of seeds; with one run a cell interaction
    and run are one component. Seeds are blocks of a task: their common shift moves no ranking and is left out.
    Columns: component, variance, share (of all), share_within (of what is left without the task: what ranks encoders).
    """
    seeds = {runs for task, runs in table.n_seeds.items() if task in table.judged}
    mean = 100 * table.mean()
    k, t = mean.shape
    s = seeds.pop() if len(seeds) == 1 else 1
    run = 0.0
    if s > 1:
        blocks = [100 * table.runs[task] for task in table.judged]
        run = sum((residuals(block) ** 2).sum() for block in blocks) / (t * (k - 1) * (s - 1))
    both = (residuals(mean) ** 2).sum() / ((k - 1) * (t - 1)) if t > 1 else 0.0
    found = {
        "encoder": mean.mean(1).var(ddof=1) - both / t,
        "task": (mean.mean(0).var(ddof=1) - both / k) if t > 1 else 0.0,
        "interaction" if s > 1 else "interaction and run": both - run / s,
    }
    if s > 1:
        found["run"] = run
    values = {name: max(0.0, float(value)) for name, value in found.items()}
    total, within = sum(values.values()), sum(value for name, value in values.items() if name != "task")
    return pd.DataFrame(
        [
            (name, value, value / total, math.nan if name == "task" else value / within)
            for name, value in values.items()
        ],
        columns=["component", "variance", "share", "share_within"],
    )


def explaining_sd(table: DiceTable) -> float:
    """SD of one run, in Dice points, at which noise alone would make all the disagreement between judged tasks.

    Of the standardised variance 1 - common is interaction and noise. Noise of SD sd fills sd^2 / (S var_t) of task t;
    the SD solves mean_t sd^2 / (S_t var_t) = 1 - common. Above it nothing task-dependent is needed; NaN with one task.
    """
    dice = 100 * table.mean()
    if dice.shape[1] < 2:
        return math.nan
    common = min(max(common_share(dice)[0], 0.0), 1.0)
    seeds = np.array([table.n_seeds[task] for task in table.judged])
    return math.sqrt((1 - common) / np.mean(1 / (seeds * dice.var(0, ddof=1))))
