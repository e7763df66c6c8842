"""Is one metric better than another: paired tests, and rank groups instead of a false order."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd

from tebench.base.errors import InputError
from tebench.evaluation.correlation import weighted_tau, weighted_tau_many
from tebench.evaluation.evaluate import prepare
from tebench.evaluation.pools import Pool
from tebench.evaluation.uncertainty import p_value

ALPHA = 0.05


def rank_groups(
    scores: pd.DataFrame,
    truth: pd.DataFrame,
    directions: dict[str, str],
    *,
    pool: Pool | None = None,
    n_draws: int = 1999,
    alpha: float = ALPHA,
    seed: int = 0,
) -> pd.DataFrame:
    """Groups of metrics by mean tau_w over the rankable tasks; members of a group are not told apart from its best.

    Group 1 reaches from the best metric down to the one before the first that differs from it at level `alpha` (paired
    encoder-swap test, Holm over the comparisons with that best); group 2 is made likewise of the rest, and so on. A
    lower group may hold metrics that are not told apart from a higher leader either: the test's power differs by pair.
    Columns: metric, tau_w, group, leader (of its group), difference (leader - metric), p (raw), p_holm.
    Metrics without a number on every rankable task are absent. The best is chosen by the same data, so that a
    group's border is descriptive; the individual p are those of fixed pairs.
    """
    _, pool, found, table = prepare(scores, truth, directions, pool=pool, seed=seed)
    tasks = [task for task, item in found.items() if item.status == "ok"]
    if not tasks:
        raise InputError("no task can rank encoders (see evaluate): there is nothing to compare.")
    metrics = sorted({metric for metric, _ in table})
    metrics = [m for m in metrics if all(table[m, task].values is not None for task in tasks)]
    dice = np.array([found[task].mean for task in tasks])
    ranks = {m: np.array([midranks(table[m, task].score) for task in tasks]) for m in metrics}
    mean = {m: float(np.mean([weighted_tau(ranks[m][t], dice[t]) for t in range(len(tasks))])) for m in metrics}
    masks, exact = swaps(len(pool), n_draws, seed)
    rows, left, group = [], sorted(metrics, key=lambda m: (-mean[m], m)), 0
    while left:
        group += 1
        leader, *others = left
        raw = [swap_test(ranks[leader], ranks[other], dice, masks, exact) for other in others]
        adjusted = holm(raw)
        # Nobody told apart from the leader is inside, and groups follow the order of tau_w.
        size = next((i for i, p in enumerate(adjusted) if p < alpha), len(adjusted))
        rows.append((leader, mean[leader], group, leader, 0.0, 1.0, 1.0))
        for other, p, corrected in list(zip(others, raw, adjusted, strict=True))[:size]:
            rows.append((other, mean[other], group, leader, mean[leader] - mean[other], p, corrected))
        left = others[size:]
    return pd.DataFrame(rows, columns=["metric", "tau_w", "group", "leader", "difference", "p", "p_holm"])


def swap_test(first: np.ndarray, second: np.ndarray, dice: np.ndarray, masks: np.ndarray, exact: bool) -> float:
    """Two-sided p for equal mean tau_w of two metrics; first, second, dice (T, K), ranks of the same encoders.

    If the metrics are exchangeable, the two ranks that an encoder received can change places, in all tasks at once.
    All 2^K swaps up to 12 encoders (so p >= 2^(1-K): six encoders give .03 at the very best), else random ones.
    """

    def difference(a, b):
        each = [weighted_tau_many(a[:, t], d[None]) - weighted_tau_many(b[:, t], d[None]) for t, d in enumerate(dice)]
        return np.mean(each, axis=0)

    mask = masks[:, None, :]
    a, b = np.where(mask, second, first), np.where(mask, first, second)
    values = np.nan_to_num(difference(a, b))  # a swap can make one side constant: no difference shown
    observed = float(difference(first[None], second[None])[0])
    return p_value(observed, values, exact)


def swaps(k: int, n_draws: int, seed: int) -> tuple[np.ndarray, bool]:
    """((B, K) masks of encoders whose ranks change places, whether all 2^K are there)."""
    if k <= 12:
        return np.array(list(itertools.product([False, True], repeat=k))), True
    return np.random.default_rng([seed, 11]).random((n_draws, k)) < 0.5, False


def holm(p_values) -> list[float]:
    """Holm's step-down adjusted p-values, in the given order.

    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    p_values = np.asarray(p_values, np.float64)
    order = np.argsort(p_values, kind="stable")
    steps = np.maximum.accumulate(p_values[order] * np.arange(len(p_values), 0, -1))
    adjusted = np.empty(len(p_values))
    adjusted[order] = np.minimum(steps, 1.0)
    return adjusted.tolist()


def midranks(score: np.ndarray) -> np.ndarray:
    """Ranks 1..K, ties at their mean rank: puts the scores of any two metrics on one scale."""
    from scipy.stats import rankdata

    return rankdata(score)
