"""The evaluation statistics: how well a score ranks encoders, each declared once with its words, bounds and places.

A new statistic is one entry of `STATISTICS`. The columns of `evaluate`, its intervals and nulls, the text tables,
Markdown, LaTeX and HTML tables, the CSV files and the leaderboard's page read it from here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from tebench.evaluation import correlation
from tebench.evaluation.correlation import check_pair, merge_ties, regret, rel_at_k


class Batch:
    """A batch of scores and Dice (B, K), or one of them (1, K), with what several statistics share.

    Ties for the top places are broken at random, which has the expectation of `regret` and `rel_at_k`.
    """

    def __init__(self, score: np.ndarray, dice: np.ndarray, rng: np.random.Generator):
        self.score, self.dice = correlation.broadcast(score, dice)
        self._rng = rng

    @cached_property
    def correlations(self) -> dict[str, np.ndarray]:
        """tau_w, tau and pearson, (B,) each, from one table of pairs."""
        return correlation.correlations(self.score, self.dice)

    @cached_property
    def ranked(self) -> np.ndarray:
        """(B, K) Dice in the order of the scores, best score first."""
        order = np.lexsort((self._rng.random(self.score.shape), -self.score), axis=-1)
        return np.take_along_axis(self.dice, order, -1)

    @cached_property
    def best(self) -> np.ndarray:
        """(B,) the largest Dice."""
        return self.dice.max(-1)

    def relative(self, k: int) -> np.ndarray:
        """(B,) best Dice of the k top-scored over the best of all; NaN where that is 0."""
        return self.ranked[:, :k].max(-1) / np.where(self.best > 0, self.best, np.nan)


@dataclass(frozen=True)
class Statistic:
    """One number that says how well a score ranks encoders.

    name: column of the frame and of CSV files; its interval and null have `_low`, `_high`, `_null_low`, `_null_high`.
    title: head of a column.   words: one sentence for readers.
    better: "up" or "down".   bounds: closed range.   digits: as tables show it.
    one: exact value of one (score, dice) pair.   many: (B,) values of a `Batch`.
    shown: which tables have a column of their own for it: "text", "wide" (Markdown, LaTeX, HTML), "page".
    """

    name: str
    title: str
    words: str
    better: str
    bounds: tuple[float, float]
    one: Callable[[np.ndarray, np.ndarray], float]
    many: Callable[[Batch], np.ndarray]
    digits: int = 2
    shown: frozenset[str] = frozenset()

    def columns(self) -> tuple[str, ...]:
        """The value, its interval and its null, as `evaluate` names them. Those of the primary one have no prefix."""
        prefix = "" if self.name == PRIMARY else f"{self.name}_"
        return (self.name, f"{prefix}low", f"{prefix}high", f"{prefix}null_low", f"{prefix}null_high")


PRIMARY = "tau_w"
_ALL = (
    Statistic(
        "tau_w", "tau_w", "Weighted Kendall tau (scipy.stats.weightedtau, defaults) of score and fine-tuned Dice.",
        "up", (-1.0, 1.0), correlation.weighted_tau, lambda b: b.correlations["tau_w"],
    ),
    Statistic(
        "tau", "tau", "Kendall's tau-b without weights.", "up", (-1.0, 1.0), correlation.kendall_tau,
        lambda b: b.correlations["tau"], shown=frozenset({"text", "page"}),
    ),
    Statistic(
        "pearson", "Pearson", "Pearson correlation of score and Dice.", "up", (-1.0, 1.0), correlation.pearson,
        lambda b: b.correlations["pearson"], shown=frozenset({"text"}),
    ),
    Statistic(
        "regret", "regret", "Dice points (0 to 100) lost by taking the metric's first choice.", "down", (0.0, 100.0),
        regret, lambda b: 100 * (b.best - b.ranked[:, 0]), shown=frozenset({"text", "wide", "page"}),
    ),
    Statistic(
        "rel1", "Rel@1", "Dice of the metric's first choice over the best.", "up", (0.0, 1.0),
        lambda score, dice: rel_at_k(score, dice, 1), lambda b: b.relative(1), 3, frozenset({"text", "page"}),
    ),
    Statistic(
        "rel3", "Rel@3", "Best Dice of the metric's first three over the best of all.", "up", (0.0, 1.0),
        lambda score, dice: rel_at_k(score, dice, 3), lambda b: b.relative(3), 3, frozenset({"text"}),
    ),
)  # fmt: skip
STATISTICS: dict[str, Statistic] = {statistic.name: statistic for statistic in _ALL}


def shown(where: str) -> list[Statistic]:
    """The statistics beside tau_w that have a column in tables of this kind: "text", "wide" or "page"."""
    return [statistic for statistic in STATISTICS.values() if where in statistic.shown]


def point(score, dice) -> dict[str, float]:
    """All statistics of one score against one Dice vector, exact under ties."""
    score, dice = check_pair(score, dice)
    score = merge_ties(score)
    return {name: float(statistic.one(score, dice)) for name, statistic in STATISTICS.items()}


def point_many(score: np.ndarray, dice: np.ndarray, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """All statistics over a batch: score and dice (B, K) or (1, K) -> name -> (B,)."""
    batch = Batch(score, dice, rng)
    return {name: statistic.many(batch) for name, statistic in STATISTICS.items()}
