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
DRAWS = 1000  # orders a simulated pool
BOOT = 200
FEW = 3  # scores a pool for which tau_w and intervals are tested
# What a score has of shapes changes tests of tau_w only: tau_within is the same number with and without it.
SIZE = {
    "neither shapes nor families": World(),
    "a gate of its own, no families": World(shape="own"),
    "a gate of its own, families": World(shape="own", family=0.6),
    "the right order of shapes, families": World(shape="right", family=0.6),
}
POWER = {f"correlation {r:g} inside shapes": World(shape="right", family=0.6, strength=r) for r in (0.3, 0.5, 0.7, 0.9)}
TESTS = {
    "tau_w, anyone": "tau_w, any two encoders exchanged",
    "tau_w, shape": "tau_w, encoders of one shape exchanged",
    "tau_within, shape": "tau_within, encoders of one shape exchanged",
    "tau_within, family": "tau_within, families of one shape exchanged",
    "tau_w, two-level": "tau_w, 0 outside its two-level interval",
    "tau_within, two-level": "tau_within, 0 outside its two-level interval",
    "any, shape": "any useless metric among all, encoders of one shape exchanged",
    "any, family": "any useless metric among all, families of one shape exchanged",
    "star": "a star for this metric",
    "false star": "a star for any useless metric",
}


def larger(n_shapes: int = 5, n_families: int = 8) -> Design:
    """A design to plan for: every shape with as many families of one encoder."""
    names = [(f"shape{s}", f"shape{s}_{f}") for s in range(n_shapes) for f in range(n_families)]
    return Design.of([family for _, family in names], {family: (shape, family, 1.0) for shape, family in names})


def simulate(
    design: Design, world: World, few: np.ndarray, *, n_pools: int, n_metrics: int = METRICS, n_draws: int = DRAWS,
    n_boot: int = BOOT, seed: int = 0,
) -> pd.DataFrame:  # fmt: skip
    """One row a simulated pool: for each of TESTS the share of its scores for which the test rejects at .05.

    With no strength every score knows nothing: the tests of one metric are averaged over all scores (of tau_w, and of
    intervals, over the first few), which makes the size precise. With strength they are those of the first score.
    """
    if n_pools < 1:
        raise InputError(f"n_pools must be at least 1, got {n_pools}.")
    strata, whole = design.rows_of_shape(), [np.arange(len(design))]
    groups = {kind: orders(design, kind, n_draws=n_draws, seed=seed) for kind in ("all", "shape", "family")}
    few_scores = 1 if world.strength else FEW
    judged = slice(0, 1) if world.strength else slice(None)
    useless = slice(1 if world.strength else 0, None)
    rows = []
    for pool in range(n_pools):
        scores, dice = world.draw(design, n_metrics, few, np.random.default_rng([seed, pool]))
        inside = stratified_tau(scores, dice, strata).mean(1)
        plain = stratified_tau(scores[:few_scores], dice, whole).mean(1)
        row = {"seen tau_within": inside[0], "seen tau_w": plain[0]}
        for name, kind in (("anyone", "all"), ("shape", "shape")):
            null = permuted_means(scores[:few_scores], dice, groups[kind].orders, whole)
            row[f"tau_w, {name}"] = _share(max_t(plain, null, exact=groups[kind].exact).p)
        for kind in ("shape", "family"):
            null = permuted_means(scores, dice, groups[kind].orders, strata)
            found = max_t(inside, null, exact=groups[kind].exact)
            row[f"tau_within, {kind}"] = _share(found.p[judged])
            row[f"any, {kind}"] = float((found.p_max[useless] < ALPHA).any())
        stars = [starred(value, found, m) for m, value in enumerate(inside)]
        row |= {"star": float(np.mean(stars[judged])), "false star": float(any(stars[useless]))}
        for name, within in (("tau_w", False), ("tau_within", True)):
            low, high = two_level(scores[:few_scores], dice, design, within=within, n_draws=n_boot, seed=pool)
            row[f"{name}, two-level"] = float(np.mean((low > 0) | (high < 0)))
        rows.append(row)
    return pd.DataFrame(rows)


def _share(p) -> float:
    return float((p < ALPHA).mean())


def rates(found: pd.DataFrame) -> dict[str, tuple[float, float]]:
    """Test -> (rate of rejection, its standard error over pools)."""
    return {name: (found[name].mean(), found[name].std(ddof=1) / np.sqrt(len(found))) for name in TESTS}


def study(designs: dict[str, Design], few: np.ndarray, *, n_pools: int, seed: int = 0, progress: bool = False):
    """Rows (design, case, kind of case, test, rate, error, mean tau_within, mean tau_w, pools) of all simulations."""
    from tqdm import tqdm

    rows = []
    cases = [(kind, name, world) for kind, group in (("size", SIZE), ("power", POWER)) for name, world in group.items()]
    runs = [(label, design, *case) for label, design in designs.items() for case in cases]
    for label, design, kind, name, world in tqdm(runs, "simulated pools", disable=not progress):
        found = simulate(design, world, few, n_pools=n_pools, seed=seed)
        seen = found[["seen tau_within", "seen tau_w"]].mean()
        rows += [(label, kind, name, test, rate, error, *seen, n_pools) for test, (rate, error) in rates(found).items()]
    columns = ["design", "kind", "case", "test", "rate", "error", "tau_within", "tau_w", "pools"]
    return pd.DataFrame(rows, columns=columns)
