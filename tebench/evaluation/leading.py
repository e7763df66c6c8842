"""Which metrics cannot be told apart from the best: families exchange their scores between two metrics."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd

from tebench.base.errors import InputError
from tebench.evaluation.compare import midranks
from tebench.evaluation.correlation import weighted_tau_many
from tebench.evaluation.design import Design
from tebench.evaluation.inference import Table
from tebench.evaluation.multiple import ALPHA, max_t
from tebench.evaluation.stratified import shares, stratified_tau

EXACT_FAMILIES = 15  # 2^14 different exchanges: the two metrics' names carry no meaning
COLUMNS = ("metric", "tau", "difference", "p", "p_max", "told_apart")


def leading(found: Table, *, within: bool = True, n_draws: int = 20_000, seed: int = 0) -> pd.DataFrame:
    """Every metric against the best one, best first: is the difference of mean tau beyond chance?

    within: the primary endpoint (`stratified_tau` inside shapes), else tau_w over the pool.
    If two metrics are exchangeable, the ranks that a family received from them can change places, in all tasks at
    once; all exchanges are enumerated up to 15 families, else `n_draws` are drawn. Ranks are taken inside each stratum.
    p: two-sided.   p_max: max-T over all differences, with common exchanges.   told_apart: p_max below .05 beyond the
    doubt of the random stream. The best is chosen by the same data, so that this is descriptive: the metrics that are
    not told apart have no order among themselves.
    """
    strata = found.design.rows_of_shape() if within else [np.arange(len(found.design))]
    ranks = np.zeros(found.scores.shape)
    for inside in strata:
        ranks[..., inside] = np.apply_along_axis(midranks, -1, found.scores[..., inside])
    mean = stratified_tau(ranks, found.dice, strata).mean(1)
    order = sorted(range(len(mean)), key=lambda m: (-mean[m], found.metrics[m]))
    best, others = order[0], order[1:]
    if not others:
        raise InputError(f"only metric {found.metrics[best]} has a number on every rankable task: nothing to compare.")
    masks, exact = exchanges(found.design, n_draws, seed)
    null = np.array([_differences(ranks[best], ranks[m], found.dice, strata, masks) for m in others]).T
    chance = max_t(mean[best] - mean[others], null, exact=exact)
    rows = [(found.metrics[best], mean[best], 0.0, 1.0, 1.0, False)]
    for place, m in enumerate(others):
        told = chance.upper[place] < ALPHA
        rows.append((found.metrics[m], mean[m], mean[best] - mean[m], chance.p[place], chance.p_max[place], bool(told)))
    return pd.DataFrame(rows, columns=list(COLUMNS))


def exchanges(design: Design, n_draws: int, seed: int) -> tuple[np.ndarray, bool]:
    """((B, K) masks of encoders whose ranks change places, whole families together; whether all are there).

    An exchange and its complement differ in the sign of the difference only, so that the first family stays.
    """
    n = len(design.families)
    if n <= EXACT_FAMILIES:
        each = np.array(list(itertools.product([False, True], repeat=n - 1))).reshape(-1, n - 1)
        exact = True
    else:
        each, exact = np.random.default_rng([seed, 23]).random((n_draws, n - 1)) < 0.5, False
    whole = np.concatenate([np.zeros((len(each), 1), bool), each], axis=1)
    return whole[:, design.family], exact


def _differences(first, second, dice, strata, masks) -> np.ndarray:
    """(B,) mean over tasks of the difference of the two after each exchange, with both signs in turn.

    first, second, dice: (T, K).
    """
    total = np.zeros(len(masks))
    for rows, share in zip(strata, shares(strata), strict=True):
        if share == 0:
            continue
        part, which = np.unique(masks[:, rows], axis=0, return_inverse=True)
        for t in range(len(dice)):
            a = np.where(part, second[t, rows], first[t, rows])
            b = np.where(part, first[t, rows], second[t, rows])
            truth = dice[t, rows][None]
            difference = np.nan_to_num(weighted_tau_many(a, truth)) - np.nan_to_num(weighted_tau_many(b, truth))
            total += share / len(dice) * difference[which.reshape(-1)]
    # The complements of all exchanges give the opposite sign: half of them here, so that the null is centred.
    return np.concatenate([total, -total])
