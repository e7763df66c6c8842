"""Size and power of the tests of `evaluation.inference`, on simulated pools of a benchmark's shapes and families."""

from __future__ import annotations

import numpy as np
import pandas as pd

from tebench.base.errors import InputError
from tebench.evaluation.design import Design
from tebench.evaluation.exchange import orders
from tebench.evaluation.inference import starred
from tebench.evaluation.multiple import ALPHA, max_t
from tebench.evaluation.simulated import World
from tebench.evaluation.stratified import permuted_means, stratified_tau
from tebench.evaluation.two_level import two_level

METRICS = 40
DRAWS = 2000  # orders a simulated pool
BOOT = 300
INTERVALS = 2  # metrics a pool whose intervals are made, the first and one that knows nothing
SIZE = {
    "neither shapes nor families": World(),
    "families": World(family=0.6),
    "a gate of its own, no families": World(shape="own"),
    "a gate of its own, families": World(shape="own", family=0.6),
    "the right order of shapes, families": World(shape="right", family=0.6),
}
POWER = {f"correlation {r:g} inside shapes": World(shape="right", family=0.6, strength=r) for r in (0.3, 0.5, 0.7, 0.9)}
TESTS = (
    "tau_w, anyone", "tau_w, shape", "tau_within, shape", "tau_within, family", "any of all, shape", "any of all, family",
    "star", "tau_w outside two-level", "tau_within outside two-level",
)  # fmt: skip


def larger(n_shapes: int = 5, n_families: int = 8) -> Design:
    """A design to plan for: every shape with as many families of one encoder."""
    names = [(f"shape{s}", f"shape{s}_{f}") for s in range(n_shapes) for f in range(n_families)]
    return Design.of([family for _, family in names], {family: (shape, family, 1.0) for shape, family in names})


def simulate(
    design: Design, world: World, few: np.ndarray, *, n_pools: int, n_metrics: int = METRICS, n_draws: int = DRAWS,
    n_boot: int = BOOT, seed: int = 0,
) -> pd.DataFrame:  # fmt: skip
    """One row a simulated pool: how each of TESTS came out for the first score, and tau of it.

    "any of all": whether any of the scores that know nothing has an adjusted p below .05 (the family-wise error).
    Tests of one score are two-sided; "star" needs tau_within above 0 too. With no strength the first score knows
    nothing either and enters "any of all".
    """
    if n_pools < 1:
        raise InputError(f"n_pools must be at least 1, got {n_pools}.")
    strata, whole = design.rows_of_shape(), [np.arange(len(design))]
    groups = {kind: orders(design, kind, n_draws=n_draws, seed=seed) for kind in ("all", "shape", "family")}
    idle = slice(1 if world.strength else 0, None)
    rows = []
    for pool in range(n_pools):
        scores, dice = world.draw(design, n_metrics, few, np.random.default_rng([seed, pool]))
        inside = stratified_tau(scores, dice, strata).mean(1)
        plain = stratified_tau(scores, dice, whole).mean(1)
        row = {"tau_within": inside[0], "tau_w": plain[0]}
        for name, kind, value, parts in (
            ("tau_w, anyone", "all", plain[:1], whole), ("tau_w, shape", "shape", plain[:1], whole),
            ("shape", "shape", inside, strata), ("family", "family", inside, strata),
        ):  # fmt: skip
            group = groups[kind]
            null = permuted_means(scores[: len(value)], dice, group.orders, parts)
            found = max_t(value, null, exact=group.exact)
            if name.startswith("tau_w"):
                row[name] = found.p[0] < ALPHA
                continue
            row[f"tau_within, {name}"] = found.p[0] < ALPHA
            row[f"any of all, {name}"] = bool((found.p_max[idle] < ALPHA).any())
            if name == "family":
                row["star"] = starred(inside[0], found, 0)
        chosen = scores[[0, -1]][:INTERVALS]
        for name, within in (("tau_w", False), ("tau_within", True)):
            low, high = two_level(chosen, dice, design, within=within, n_draws=n_boot, seed=pool)
            row[f"{name} outside two-level"] = bool(low[0] > 0 or high[0] < 0)
        rows.append(row)
    return pd.DataFrame(rows)


def rates(found: pd.DataFrame) -> dict[str, tuple[float, float]]:
    """Test -> (share of pools in which it rejects, standard error of that share over pools)."""
    n = len(found)
    share = {name: float(found[name].mean()) for name in TESTS}
    return {name: (value, float(np.sqrt(value * (1 - value) / n))) for name, value in share.items()}
