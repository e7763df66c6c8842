"""Other families and other tasks: a bootstrap over both."""

from __future__ import annotations

import numpy as np

from tebench.evaluation.correlation import weighted_tau_many
from tebench.evaluation.design import Design
from tebench.evaluation.stratified import shares

DRAWS = 2000


def two_level(
    scores: np.ndarray, dice: np.ndarray, design: Design, *, within: bool = True, n_draws: int = DRAWS, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """95 % percentile intervals (low (M,), high (M,)) of the mean over tasks, over families and tasks like these.

    within: of `stratified_tau` inside shapes, families drawn with replacement inside each shape; else of tau_w over
    the pool, families drawn from all of it. Tasks are drawn with replacement too. All metrics share the draws.
    scores: (M, T, K) oriented up.   dice: (T, K).
    An encoder drawn twice is tied with itself on both sides, which tau leaves out. A draw in which a shape shows
    fewer than 2 encoders (a pool: 3) has no value there; a metric with values in fewer than 95 % of the draws: NaN.
    """
    rng = np.random.default_rng([seed, 17])
    families = design.rows_of_family()
    parts = [list(range(len(families)))]
    if within:
        parts = [[f for f in parts[0] if design.shape[families[f][0]] == s] for s in range(len(design.shapes))]
    weights = shares(design.rows_of_shape()) if within else np.ones(1)
    total, mass = np.zeros((n_draws, *scores.shape[:2])), np.zeros((n_draws, *scores.shape[:2]))
    for part, weight in zip(parts, weights, strict=True):
        if weight > 0:
            picks = rng.integers(0, len(part), (n_draws, len(part)))
            rows = [np.concatenate([families[part[f]] for f in pick]) for pick in picks]
            tau = _taus(scores, dice, rows, least=2 if within else 3)
            known = np.isfinite(tau)
            total += np.where(known, weight * tau, 0.0)
            mass += np.where(known, weight, 0.0)
    with np.errstate(invalid="ignore"):
        total /= mass
    n_tasks = scores.shape[1]
    times = rng.multinomial(n_tasks, np.full(n_tasks, 1 / n_tasks), n_draws)  # of each task in each draw
    known = np.isfinite(total)
    values = np.where(known, total, 0.0)
    counted = (times[:, None] * known).sum(-1)
    means = np.divide((times[:, None] * values).sum(-1), counted, out=np.full(counted.shape, np.nan), where=counted > 0)
    low, high = np.full(len(scores), np.nan), np.full(len(scores), np.nan)
    for m, column in enumerate(means.T):
        finite = column[np.isfinite(column)]
        if len(finite) >= 0.95 * n_draws:
            low[m], high[m] = np.quantile(finite, [0.025, 0.975])
    return low, high


def _taus(scores, dice, rows, least) -> np.ndarray:
    """(B, M, T) weighted tau over each draw's rows; NaN where the draw has too few different encoders."""
    m, t, _ = scores.shape
    found = np.full((len(rows), m, t), np.nan)
    groups: dict[int, list[int]] = {}
    for draw, own in enumerate(rows):
        if len(np.unique(own)) >= least:
            groups.setdefault(len(own), []).append(draw)
    for draws in groups.values():
        chosen = np.array([rows[draw] for draw in draws])  # (b, k)
        truth = dice[:, chosen].swapaxes(0, 1)  # (b, T, k)
        for index in range(m):  # one metric at a time: all at once would take gigabytes
            score = scores[index][:, chosen].swapaxes(0, 1)
            tau = weighted_tau_many(score.reshape(-1, score.shape[-1]), truth.reshape(-1, truth.shape[-1]))
            found[draws, index] = tau.reshape(len(draws), t)
    return found
