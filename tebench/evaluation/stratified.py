"""Weighted tau inside strata, for many metrics and very many orders of the encoders at once."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tebench.base.errors import InputError
from tebench.evaluation.correlation import weighted_tau_many

CHUNK = 8192  # orders at once: a few hundred pairs each, tens of MB


def shares(strata: list[np.ndarray]) -> np.ndarray:
    """Weight of each stratum in the mean: its encoders less one, normalised; a stratum of one ranks nothing.

    The variance of tau under the null falls as 1 / (n - 1), so that these weights give the most precise mean.
    """
    sizes = np.array([len(rows) - 1 for rows in strata], float)
    if not sizes.sum() > 0:
        raise InputError("strata: no two encoders share a stratum, so that nothing is ranked inside one.")
    return sizes / sizes.sum()


def stratified_tau(scores: np.ndarray, dice: np.ndarray, strata: list[np.ndarray]) -> np.ndarray:
    """Mean over strata of the weighted tau inside each: sum_s (n_s - 1) tau_w,s / sum_s (n_s - 1).

    scores: (..., T, K) oriented up.   dice: (T, K).   Returns (..., T), range [-1, 1].
    A stratum in which score or Dice is constant orders nothing and counts 0, its expectation under random ties.
    With one stratum that holds all encoders this is `weighted_tau`, but 0 where that is undefined.
    """
    scores, dice = np.asarray(scores, np.float64), np.asarray(dice, np.float64)
    lead = scores.shape[:-1]
    flat = scores.reshape(-1, scores.shape[-1])
    truth = np.broadcast_to(dice, scores.shape).reshape(flat.shape)
    total = np.zeros(len(flat))
    for rows, share in zip(strata, shares(strata), strict=True):
        if share > 0:
            total += share * np.nan_to_num(weighted_tau_many(flat[:, rows], truth[:, rows]))
    return total.reshape(lead)


def permuted_means(scores: np.ndarray, dice: np.ndarray, orders: np.ndarray, strata: list[np.ndarray]) -> np.ndarray:
    """(B, M) mean over tasks of `stratified_tau` with the encoders' Dice in each of B orders.

    scores: (M, T, K).   dice: (T, K).   orders: (B, K), each keeping every stratum in itself; one order serves all
    metrics and tasks. Without ties tau_w is linear in the signs of Dice's pairs, so that all metrics are one matrix
    product a task: some 5 CPU s for 200,000 orders of 21 encoders, 40 metrics and 7 tasks, 64 MB of result. A metric
    with ties is evaluated order by order, at as many seconds as all others together.
    """
    scores, dice = np.asarray(scores, np.float64), np.asarray(dice, np.float64)
    _check(scores, dice, orders, strata)
    total = np.zeros((len(orders), len(scores)))
    for task in range(len(dice)):
        for rows, share in zip(strata, shares(strata), strict=True):
            if share > 0:
                inside, which = _distinct(_inside(rows, orders))
                found = _taus(scores[:, task][:, rows], dice[task][rows], inside)
                total += share / len(dice) * (found if which is None else found[which])
    return total


def _check(scores, dice, orders, strata) -> None:
    if scores.ndim != 3 or scores.shape[1:] != dice.shape or orders.shape[1:] != dice.shape[1:]:
        raise InputError(
            f"expected scores (M, T, K), dice (T, K), orders (B, K), got {scores.shape}, {dice.shape}, {orders.shape}."
        )
    if not (np.isfinite(scores).all() and np.isfinite(dice).all()):
        raise InputError("scores and dice must be finite; leave out metrics without a number on every task.")
    for rows in strata:
        if not np.isin(orders[:, rows], rows).all():
            raise InputError("orders: some order moves an encoder out of its stratum. Use orders of kind 'shape'.")


def _inside(rows, orders) -> np.ndarray:
    """Orders of one stratum in its own numbering."""
    if len(rows) == orders.shape[1]:
        return orders
    return np.searchsorted(rows, orders[:, rows])


def _distinct(orders) -> tuple[np.ndarray, np.ndarray | None]:
    """(different orders, which of them each one is) where a small stratum repeats its orders often, else as given."""
    k = orders.shape[1]
    if k > 15:  # the number below leaves 64 bits
        return orders, None
    number = orders.astype(np.int64) @ (k ** np.arange(k, dtype=np.int64))
    _, first, which = np.unique(number, return_index=True, return_inverse=True)
    return (orders[first], which) if len(first) < len(orders) / 2 else (orders, None)


def _taus(scores, dice, orders) -> np.ndarray:
    """(B, M) weighted tau, 0 where undefined, of scores (M, K) and Dice (K,) in B orders."""
    k = len(dice)
    found = np.zeros((len(orders), len(scores)))
    tied = np.array([len(np.unique(score)) < k for score in scores])
    constant = np.array([len(np.unique(score)) < 2 for score in scores])
    if len(np.unique(dice)) < k:
        tied[:] = True
    if len(np.unique(dice)) < 2:
        return found
    fast, slow = np.flatnonzero(~tied), np.flatnonzero(tied & ~constant)
    for chunk, rows in _chunks(orders):
        if len(fast):
            found[chunk, fast] = _linear(scores[fast], dice, rows)
        for m in slow:
            found[chunk, m] = np.nan_to_num(weighted_tau_many(scores[m][None], dice[rows]))
    return found


def _chunks(orders) -> Iterator[tuple[slice, np.ndarray]]:
    for start in range(0, len(orders), CHUNK):
        chunk = slice(start, start + CHUNK)
        yield chunk, orders[chunk]


def _linear(scores, dice, orders) -> np.ndarray:
    """(B, M) tau_w of untied scores (M, K) and Dice (K,) in B orders.

    With w the weights by rank, s and t the signs of a pair, and N = (K - 1) sum_r 1 / r the common norm,
    tau_w = sum_{i<j} s_ij t_ij (w^s_i + w^s_j + w^t_i + w^t_j) / (2 N).
    """
    i, j = np.triu_indices(len(dice), 1)
    norm = 2 * (len(dice) - 1) * (1.0 / np.arange(1, len(dice) + 1)).sum()
    signs = np.sign(scores[:, i] - scores[:, j])
    weights = _hyperbolic(scores)
    own = signs * (weights[:, i] + weights[:, j]) / norm
    table = np.sign(dice[:, None] - dice[None])
    first, second = orders[:, i], orders[:, j]
    t = table[first, second]
    weights_t = _hyperbolic(dice[None])[0]
    return t @ own.T + (t * (weights_t[first] + weights_t[second])) @ (signs.T / norm)


def _hyperbolic(values) -> np.ndarray:
    """1 / (1 + rank from the top) of untied rows."""
    ranks = (-values).argsort(-1).argsort(-1)
    return 1.0 / (1.0 + ranks)
