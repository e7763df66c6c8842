"""The primary endpoint and its companions: what a pool of related encoders can say about each metric."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from tebench.base.errors import InputError
from tebench.evaluation.design import Design
from tebench.evaluation.evaluate import prepare
from tebench.evaluation.exchange import DRAWS, orders
from tebench.evaluation.multiple import ALPHA, Chance, max_t
from tebench.evaluation.pools import Pool
from tebench.evaluation.stratified import permuted_means, stratified_tau
from tebench.evaluation.two_level import two_level

COLUMNS = (
    "metric", "tau_within", "low", "high", "p_shape", "p_shape_max", "p_family", "p_family_max", "star",
    "without_family_low", "without_family", "without_family_high", "without_task_low", "without_task",
    "without_task_high", "tau_w", "tau_w_low", "tau_w_high", "p_all", "tau_w_null", "p_tau_w_shape",
    "tau_w_without_family_low", "tau_w_without_family", "tau_w_without_task_low", "tau_w_without_task",
    "n_encoders", "n_shapes", "n_families", "n_tasks", "status", "reason",
)  # fmt: skip


@dataclass(frozen=True)
class Table:
    """Complete metrics on rankable tasks: scores (M, T, K) oriented up, dice (T, K) mean over seeds.

    left_out: metric -> why it has no number on some rankable task.
    """

    metrics: tuple[str, ...]
    tasks: tuple[str, ...]
    scores: np.ndarray
    dice: np.ndarray
    design: Design
    left_out: Mapping[str, str]

    def of(self, metrics) -> Table:
        """The same table with some metrics only, in the given order."""
        place = [self.metrics.index(name) for name in metrics]
        return replace(self, metrics=tuple(metrics), scores=self.scores[place])


def table(
    scores: pd.DataFrame,
    truth: pd.DataFrame,
    directions: Mapping[str, str],
    known: Mapping[str, tuple[str, str, float | None]],
    *,
    pool: Pool | None = None,
) -> Table:
    """The arrays of long frames as `evaluate` reads them; known: encoder -> (shape, family, dose)."""
    _, pool, found, cells = prepare(scores, truth, directions, pool=pool)
    tasks = tuple(task for task, item in found.items() if item.status == "ok")
    if not tasks:
        raise InputError("no task can rank encoders (see evaluate): there is nothing to test.")
    names, rows, left_out = [], [], {}
    for metric in sorted({metric for metric, _ in cells}):
        own = [(task, cells[metric, task]) for task in tasks]
        if gaps := [f"{task}: {cell.reason or cell.status}" for task, cell in own if cell.values is None]:
            left_out[metric] = "; ".join(gaps)
            continue
        names.append(metric)
        rows.append([cell.score for _, cell in own])
    if not names:
        raise InputError(f"no metric has a number on all of {', '.join(tasks)}: {left_out}.")
    dice = np.array([found[task].mean for task in tasks])
    return Table(tuple(names), tasks, np.array(rows), dice, Design.of(pool.encoders, known), left_out)


def infer(found: Table, *, n_draws: int = DRAWS, n_boot: int = 2000, seed: int = 0) -> pd.DataFrame:
    """One row a metric, best `tau_within` first; the columns are COLUMNS.

    Primary endpoint, `tau_within`: mean over tasks of the weighted tau inside shapes (`stratified_tau`), which the
    order of shapes cannot raise. `low`, `high`: 95 % over families and tasks (`two_level`).
    `p_shape`, `p_family`: two-sided, encoders of one shape, or whole families of one shape, exchanged (`exchange`);
    `_max`: among all metrics of the table (`max_t`). `star`: tau_within above 0 and p_family_max below .05, beyond
    the doubt of the random stream: relatives do not count as independent. Nothing else may carry a star.
    `without_family`: the family without which tau_within is lowest, with lowest and highest value; `_task` likewise.
    Secondary, without stars: `tau_w` over the whole pool with its two-level interval; `p_all`: any two encoders
    exchanged, of the wrong size where shapes matter (job=study study=inference); `tau_w_null`: its mean under exchange
    within shapes, which is what the order of shapes alone gives; `p_tau_w_shape`: against that.
    Metrics without a number on every rankable task: status "incomplete" and the reason.
    """
    design, strata, whole = found.design, found.design.rows_of_shape(), [np.arange(len(found.design))]
    inside = stratified_tau(found.scores, found.dice, strata)
    plain = stratified_tau(found.scores, found.dice, whole)
    by_shape, by_family = (orders(design, kind, n_draws=n_draws, seed=seed) for kind in ("shape", "family"))
    shape, family = (
        max_t(inside.mean(1), permuted_means(found.scores, found.dice, kind.orders, strata), exact=kind.exact)
        for kind in (by_shape, by_family)
    )
    anyone = orders(design, "all", n_draws=n_draws, seed=seed)
    all_p, shape_p = (
        max_t(plain.mean(1), permuted_means(found.scores, found.dice, kind.orders, whole), exact=kind.exact)
        for kind in (anyone, by_shape)
    )
    bounds = [two_level(found.scores, found.dice, design, within=w, n_draws=n_boot, seed=seed) for w in (True, False)]
    rows = []
    for m, metric in enumerate(found.metrics):
        row = {"metric": metric, "tau_within": inside[m].mean(), "low": bounds[0][0][m], "high": bounds[0][1][m]}
        row |= {"tau_w": plain[m].mean(), "tau_w_low": bounds[1][0][m], "tau_w_high": bounds[1][1][m]}
        row |= {"p_shape": shape.p[m], "p_shape_max": shape.p_max[m], "p_family": family.p[m]}
        row |= {"p_family_max": family.p_max[m], "star": starred(inside[m].mean(), family, m)}
        row |= {"p_all": all_p.p[m], "tau_w_null": shape_p.mean[m], "p_tau_w_shape": shape_p.p[m]}
        rows.append(row | _left_out(found, m, inside[m], plain[m]) | {"status": "ok", "reason": ""})
    rows += [{"metric": m, "star": False, "status": "incomplete", "reason": why} for m, why in found.left_out.items()]
    frame = pd.DataFrame(rows, columns=list(COLUMNS))
    frame = frame.assign(
        n_encoders=len(design), n_shapes=len(design.shapes), n_families=len(design.families), n_tasks=len(found.tasks)
    )
    frame.attrs["orders"] = {kind.kind: kind.text for kind in (by_shape, by_family, anyone)}
    return frame.sort_values(["tau_within", "metric"], ascending=[False, True], ignore_index=True)


def starred(value: float, chance: Chance, m: int) -> bool:
    """Whether a primary endpoint may carry a star: see `infer`."""
    return bool(value > 0 and chance.upper[m] < ALPHA)


def _left_out(found: Table, m: int, inside: np.ndarray, plain: np.ndarray) -> dict:
    """Lowest and highest endpoint without one family and without one task, and which one it is at the lowest."""
    design, row = found.design, dict[str, Any]()
    families, within, pooled = [], [], []
    for number, name in enumerate(design.families):
        keep = np.flatnonzero(design.family != number)
        smaller = design.subset(keep)
        strata = smaller.rows_of_shape()
        if len(keep) < 3 or max(map(len, strata)) < 2:
            continue
        families.append(name)
        within.append(stratified_tau(found.scores[m][:, keep], found.dice[:, keep], strata).mean())
        pooled.append(stratified_tau(found.scores[m][:, keep], found.dice[:, keep], [np.arange(len(keep))]).mean())
    if families:
        worst, lowest = int(np.argmin(within)), int(np.argmin(pooled))
        row |= {"without_family_low": within[worst], "without_family": families[worst]}
        row |= {"without_family_high": max(within), "tau_w_without_family_low": pooled[lowest]}
        row |= {"tau_w_without_family": families[lowest]}
    if (n := len(found.tasks)) > 1:
        rest = [(part.sum() - part) / (n - 1) for part in (inside, plain)]
        worst, lowest = int(np.argmin(rest[0])), int(np.argmin(rest[1]))
        row |= {"without_task_low": rest[0][worst], "without_task": found.tasks[worst]}
        row |= {"without_task_high": rest[0].max(), "tau_w_without_task_low": rest[1][lowest]}
        row |= {"tau_w_without_task": found.tasks[lowest]}
    return row
