"""What orders that know nothing reach on a table: one random order for all tasks, or one for each."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tebench.evaluation.correlation import weighted_tau_many
from tebench.evaluation.dice_table import DiceTable
from tebench.evaluation.uncertainty import permutations

ORDERS = {"common": "one random order of the encoders for all tasks", "own": "a random order of its own for every task"}


@dataclass(frozen=True)
class Chance:
    """tau_w of random orders. common, own: (B,) mean over the judged tasks; task -> (B,) of each task alone.

    exact: `common` and the tasks hold all K! orders (up to 7 encoders); `own` is always drawn.
    """

    common: np.ndarray
    own: np.ndarray
    tasks: dict[str, np.ndarray]
    exact: bool

    def interval(self, order: str) -> tuple[float, float]:
        """Middle 95 % of one kind of order (see ORDERS), or of a task's name."""
        values = getattr(self, order) if order in ORDERS else self.tasks[order]
        low, high = np.quantile(values, [0.025, 0.975])
        return float(low), float(high)

    def p(self, tau: float, order: str) -> float:
        """Chance that such an order reaches tau or more (one-sided: papers claim to be better than chance).

        At least one in the number of orders: a published tau is rounded, and some order has to make it.
        """
        values = getattr(self, order) if order in ORDERS else self.tasks[order]
        extra = 0 if self.exact and order != "own" else 1
        return float(max(np.sum(values >= tau - 1e-9) + extra, 1) / (len(values) + extra))


def chance(table: DiceTable, *, n_draws: int = 20_000, seed: int = 0) -> Chance:
    """Random orders against the judged tasks; for `common` and single tasks exact up to 7 encoders."""
    orders, exact = permutations(len(table.encoders), n_draws, seed)
    orders = orders.astype(np.float64)
    each = np.array([weighted_tau_many(orders, dice[None]) for dice in table.mean().T])
    rng = np.random.default_rng([seed, 51])
    own = np.mean([rng.choice(taus, n_draws) for taus in each], axis=0)
    return Chance(each.mean(0), own, dict(zip(table.judged, each, strict=True)), exact)
