"""How well a score ranks encoders: one convention each for tau, Pearson, regret and Rel@k.

Everywhere `score` is oriented so that higher predicts a better encoder, and `dice` is the fine-tuned Dice
(fraction 0..1) of the same K encoders. The `_many` forms work on whole batches of resamples.
"""

from __future__ import annotations

import math

import numpy as np

from tebench.base.errors import InputError

TIE_TOLERANCE = 1e-12
_CHUNK = 4_000_000  # pair entries held at once, about 32 MB of float64


def check_pair(score, dice) -> tuple[np.ndarray, np.ndarray]:
    """Both as float64 vectors of one length K >= 3; non-finite entries are refused, never ranked."""
    score, dice = np.asarray(score, np.float64), np.asarray(dice, np.float64)
    if score.ndim != 1 or score.shape != dice.shape:
        raise InputError(f"score and dice must be two vectors of one length, got {score.shape} and {dice.shape}.")
    if len(score) < 3:
        raise InputError(f"a ranking needs at least 3 encoders, got {len(score)}.")
    for name, values in (("score", score), ("dice", dice)):
        if bad := np.flatnonzero(~np.isfinite(values)).tolist():
            raise InputError(f"{name} must be finite; entries {bad} are not. Exclude those encoders by name instead.")
    return score, dice


def merge_ties(values: np.ndarray) -> np.ndarray:
    """A copy in which values closer than 1e-12 of the largest magnitude are equal.

    Two scores that differ by rounding only would otherwise be ordered by that rounding.
    """
    values = np.array(values, np.float64)
    if values.size == 0:
        return values
    order = np.argsort(values, axis=None, kind="stable")
    ordered = values.ravel()[order]
    start = np.concatenate([[True], np.diff(ordered) > TIE_TOLERANCE * np.abs(ordered).max()])
    values.ravel()[order] = ordered[np.maximum.accumulate(np.where(start, np.arange(len(ordered)), 0))]
    return values


def is_constant(values) -> bool:
    """True where all values are equal up to rounding: such a score ranks nothing."""
    return len(np.unique(merge_ties(values))) < 2


def tied_pairs(values) -> int:
    """Number of pairs of equal values."""
    _, counts = np.unique(merge_ties(values), return_counts=True)
    return int((counts * (counts - 1) // 2).sum())


def weighted_tau(score, dice) -> float:
    """Weighted Kendall tau with additive hyperbolic weights, as `scipy.stats.weightedtau` by default.

    tau_w = sum_{i<j} w_ij s_ij t_ij / sqrt(sum w_ij s_ij^2  sum w_ij t_ij^2), s and t the signs of the differences,
    w_ij = 1/(1 + r_i) + 1/(1 + r_j); r = rank from the top (0 first), once by (score, dice), once by (dice, score),
    the two results averaged. A tied pair counts 0 above and is left out of its own norm below.

    Range [-1, 1], up. NaN where score or dice is constant (the caller refuses that with a reason).
    Vigna, WWW 2015, doi:10.1145/2736277.2741088.

    >>> round(weighted_tau([1, 2, 3, 4], [0.1, 0.2, 0.4, 0.3]), 4)
    0.52
    """
    return _one("tau_w", score, dice)


def kendall_tau(score, dice) -> float:
    """Kendall's tau-b: concordant minus discordant pairs over sqrt of the untied pairs of either side.

    Range [-1, 1], up; NaN where one side is constant.
    """
    return _one("tau", score, dice)


def pearson(score, dice) -> float:
    """Pearson correlation of score and Dice. Range [-1, 1], up; NaN where one side is constant."""
    return _one("pearson", score, dice)


def regret(score, dice) -> float:
    """Dice points (0..100) lost by taking the top-scored encoder instead of the best one; down, 0 is perfect.

    Encoders tied at the top: the expected loss of picking one of them at random.
    """
    score, dice = check_pair(score, dice)
    return float(100 * (dice.max() - expected_best(merge_ties(score), dice, 1)))


def rel_at_k(score, dice, k: int) -> float:
    """Rel@k: the best Dice among the k top-scored encoders over the best of all. Range [0, 1], up.

    A tie across the k-th place: expectation over random tie-breaking. All k >= K give 1.
    """
    score, dice = check_pair(score, dice)
    if dice.max() <= 0:
        raise InputError("Rel@k needs a positive best Dice; every encoder is at 0.")
    return float(expected_best(merge_ties(score), dice, k) / dice.max())


def expected_best(score: np.ndarray, dice: np.ndarray, k: int) -> float:
    """E[max Dice of the k top-scored], ties broken at random.

    r places are left for the m encoders tied across the border; with their Dice sorted v_1 >= .. >= v_m the best of
    a random r-subset is v_i with probability C(m - i, r - 1) / C(m, r).
    """
    k = min(k, len(score))
    border = np.sort(score)[-k]
    sure = dice[score > border].max(initial=-np.inf)
    tied = np.sort(dice[score == border])[::-1]
    m, r = len(tied), k - int((score > border).sum())
    chance = np.array([math.comb(m - 1 - i, r - 1) for i in range(m)], np.float64) / math.comb(m, r)
    return float((chance * np.maximum(tied, sure)).sum())


def weighted_tau_many(score: np.ndarray, dice: np.ndarray) -> np.ndarray:
    """`weighted_tau` over a batch: (B, K) or (1, K) each -> (B,); NaN where a row is constant.

    With c_i = sum_j s_ij t_ij the weighted sum over pairs is sum_i w_i c_i: one K x K pass serves both rankings.
    """
    return correlations(*broadcast(score, dice), only_weighted=True)["tau_w"]


def _one(name: str, score, dice) -> float:
    score, dice = check_pair(score, dice)
    return float(correlations(merge_ties(score)[None], dice[None])[name][0])


def broadcast(score, dice) -> tuple[np.ndarray, np.ndarray]:
    """Both as (B, K) float64."""
    score, dice = np.asarray(score, np.float64), np.asarray(dice, np.float64)
    score, dice = np.broadcast_arrays(score, dice)
    return score, dice


def correlations(score, dice, *, only_weighted: bool = False) -> dict[str, np.ndarray]:
    """tau_w, tau and pearson of a batch (B, K), (B,) each; NaN where a row is constant."""
    k = score.shape[-1]
    step = max(1, _CHUNK // k**2)
    parts = [
        _chunk(score[start : start + step], dice[start : start + step], only_weighted)
        for start in range(0, len(score), step)
    ]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _chunk(score, dice, only_weighted) -> dict[str, np.ndarray]:
    concordance, untied_score, untied_dice = _by_pairs(score, dice)
    tau_w = 0.5 * (
        _weighted(_weights(score, dice), concordance, untied_score, untied_dice)
        + _weighted(_weights(dice, score), concordance, untied_score, untied_dice)
    )
    if only_weighted:
        return {"tau_w": tau_w}
    tau = _weighted(np.ones_like(concordance), concordance, untied_score, untied_dice)
    return {"tau_w": tau_w, "tau": tau, "pearson": _pearson_many(score, dice)}


def _by_pairs(score, dice) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(c, untied_score, untied_dice), (B, K) each: c_i = sum_j sign(s_i - s_j) sign(t_i - t_j); untied_i: how many j
    differ from i."""
    s, t = _signs(score), _signs(dice)
    # Sums of at most K signs: exact in float32.
    return tuple(np.einsum("bij,bij->bi", a, b).astype(np.float64) for a, b in ((s, t), (s, s), (t, t)))


def _signs(values) -> np.ndarray:
    if len(values) and values.strides[0] == 0:  # one row for the whole batch, as Dice is under permutations
        return np.broadcast_to(_signs(values[0][None].copy()), (len(values), *values.shape[1:], values.shape[-1]))
    above = values[:, :, None] > values[:, None, :]
    return above.astype(np.float32) - above.swapaxes(1, 2)


def _weights(first, second) -> np.ndarray:
    """1/(1 + rank), rank 0 = largest by (first, second)."""
    order = np.lexsort((second, first), axis=-1)[:, ::-1]
    weights = np.empty(order.shape)
    np.put_along_axis(weights, order, np.broadcast_to(1.0 / (1.0 + np.arange(order.shape[1])), order.shape), -1)
    return weights


def _weighted(weights, concordance, untied_score, untied_dice) -> np.ndarray:
    norm = np.sqrt((weights * untied_score).sum(-1) * (weights * untied_dice).sum(-1))
    above = (weights * concordance).sum(-1)
    return np.divide(above, norm, out=np.full(len(norm), np.nan), where=norm > 0)


def _pearson_many(score, dice) -> np.ndarray:
    # Dividing by the largest magnitude first keeps the squares of huge scores finite.
    score, dice = (values - values.mean(-1, keepdims=True) for values in (_unit(score), _unit(dice)))
    norm = np.sqrt((score**2).sum(-1) * (dice**2).sum(-1))
    above = (score * dice).sum(-1)
    return np.clip(np.divide(above, norm, out=np.full(len(norm), np.nan), where=norm > 0), -1, 1)


def _unit(values) -> np.ndarray:
    largest = np.abs(values).max(-1, keepdims=True)
    return values / np.where(largest > 0, largest, 1.0)
