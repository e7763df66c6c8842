"""What a table of fine-tuned Dice can show about any metric, before a single feature is read."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.stats import chi2

from tebench.evaluation import power
from tebench.evaluation.arrays import MEAN
from tebench.evaluation.chance import Chance, chance
from tebench.evaluation.claims import Claims
from tebench.evaluation.correlation import tied_pairs
from tebench.evaluation.dice_table import DiceTable
from tebench.evaluation.oracle import ceilings, oracle_draws, reach, shrinkage
from tebench.evaluation.reliability import reliability
from tebench.evaluation.static_list import static_lists, static_mean
from tebench.evaluation.variance_shares import (
    Agreement,
    agreement,
    explaining_sd,
    mean_pairwise,
    pairwise,
    shares,
)

CURVE = (0.1, 0.2, 0.25, 0.35, 0.5, 0.75, 1.0, 1.5, 2.0)  # Dice points, where no seeds measure the SD of a run
FACTORS = (0.25, 0.5, 0.75, 1.0, 1.5, 2.0)  # of the measured SDs
ERRORS = (0.0, 0.5)
LEVEL = 0.5
LEAST = 0.05
RIVALS = 3  # nearest to the best
SETS, SMALL = 300, 12  # tables on which the swap test is tried, up to so many encoders (beyond: a quarter)


@dataclass(frozen=True)
class Settings:
    """How a judgement was made. level: mean tau_w about which differences are asked; errors: see `power.errors_of`."""

    draws: int = 2000
    level: float = LEVEL
    errors: tuple[float, ...] = ERRORS
    sds: tuple[float, ...] | None = None
    alpha: float = 0.05
    power: float = 0.8
    seed: int = 0


@dataclass(frozen=True)
class Judgement:
    """Frames by subject; the functions that make them say what their columns are."""

    table: DiceTable
    settings: Settings
    spread: pd.DataFrame
    static: pd.DataFrame
    chance: Chance
    ceilings: pd.DataFrame
    agreement: Agreement
    pairs: pd.DataFrame
    shares: pd.DataFrame
    explaining: float
    influence: pd.DataFrame
    differences: pd.DataFrame
    claims: pd.DataFrame | None = None
    rivals: pd.DataFrame | None = None

    @property
    def measured(self) -> dict[str, float] | None:
        """task -> SD of a run in Dice points, where every judged task has seeds."""
        return measured_sds(self.table)


def judge(table: DiceTable, claims: Claims | None = None, settings: Settings | None = None) -> Judgement:
    """Everything about one table; with claims, also what they are worth on it."""
    settings = settings or Settings()
    power.check(settings.level, 0.0, max(settings.errors), settings.alpha, settings.power)
    found = chance(table, seed=settings.seed)
    targets = sorted(set(claims.means().values()), reverse=True) if claims else ()
    oracle = ceilings(table, grid(table, settings), targets=targets, n_draws=settings.draws, seed=settings.seed)
    static = static_lists(table)
    return Judgement(
        table, settings, spread(table), static, found, oracle, agreement(table, seed=settings.seed), pairwise(table),
        shares(table), explaining_sd(table), influence(table, settings), differences(table, settings),
        placed(claims, table, found, static) if claims else None,
        rivals(claims, table, settings) if claims else None,
    )  # fmt: skip


def measured_sds(table: DiceTable) -> dict[str, float] | None:
    """task -> SD of one run within its seed block, in Dice points; None where some judged task has one seed."""
    found = {task: 100 * reliability(table.runs[task]).spread_seeds for task in table.judged}
    return found if all(math.isfinite(sd) for sd in found.values()) else None


def grid(table: DiceTable, settings: Settings) -> list:
    """The SDs of a run over which ceilings are drawn: stated, else multiples of the measured, else CURVE."""
    if settings.sds is not None:
        return list(settings.sds)
    measured = measured_sds(table)
    if measured is None:
        return list(CURVE)
    return [{task: factor * sd for task, sd in measured.items()} for factor in FACTORS]


def spread(table: DiceTable) -> pd.DataFrame:
    """Per judged task, in Dice points: what separates the encoders.

    Columns: task, n_seeds, dice (mean), sd (between encoders), range, run_sd (measured, else NaN), run_sd_limit (upper
    95 % limit of a run's SD that the spread itself sets: were it all noise, sd sqrt(S (K-1) / chi2_.05)), reliability,
    best, gap (best minus second), ties (pairs).
    """
    rows = []
    for task in table.judged:
        runs = 100 * table.runs[task]
        mean = runs.mean(1)
        k, s = runs.shape
        quality, top = reliability(runs), np.sort(mean)[::-1]
        limit = quality.spread_encoders * math.sqrt(s * (k - 1) / chi2.ppf(0.05, k - 1))
        rows.append({
            "task": task, "n_seeds": s, "dice": mean.mean(), "sd": quality.spread_encoders, "range": np.ptp(mean),
            "run_sd": quality.spread_seeds, "run_sd_limit": limit, "reliability": quality.icc_mean,
            "best": table.encoders[int(mean.argmax())], "gap": top[0] - top[1], "ties": tied_pairs(mean),
        })  # fmt: skip
    return pd.DataFrame(rows)


def influence(table: DiceTable, settings: Settings, *, sd: float = 0.5) -> pd.DataFrame:
    """Which single encoder or task carries the picture: each left out in turn (first row: nobody).

    Columns: left_out, kind ("encoder" | "task"), static (mean tau_w of the list from all other tasks), agreement (mean
    tau_w between judged tasks), sd (root mean square over tasks, Dice points), oracle (mean tau_w, truth as published,
    run SD measured or `sd`). A smaller table that cannot be judged (3 encoders, one task) gives NaN.
    """
    run = measured_sds(table) or sd
    smaller = [("", "", table)]
    if len(table.encoders) > 3:
        smaller += [(name, "encoder", table.without(encoder=name)) for name in table.encoders]
    if len(table.judged) > 2:
        smaller += [(name, "task", table.without(task=name)) for name in table.judged]
    rows = []
    for name, kind, part in smaller:
        draws = oracle_draws(part, run, truth="as published", n_draws=max(settings.draws // 4, 500), seed=settings.seed)
        dice = part.mean()
        rows.append([
            name, kind, static_mean(part), mean_pairwise(dice),
            100 * math.sqrt(np.mean(dice.var(0, ddof=1))), float(draws.mean()),
        ])  # fmt: skip
    return pd.DataFrame(rows, columns=["left_out", "kind", "static", "agreement", "sd", "oracle"])


def worlds(table: DiceTable, run: float | dict[str, float], settings: Settings) -> power.Worlds:
    """Simulated measurements of this table: deflated truth, noise of a run's SD `run` (Dice points; 0: none)."""
    mean = 100 * table.mean()
    seeds = np.array([table.n_seeds[task] for task in table.judged])
    sd = np.array([run[task] if isinstance(run, dict) else run for task in table.judged]) / np.sqrt(seeds)
    true = [dice.mean() + shrinkage(dice, noise) * (dice - dice.mean()) for dice, noise in zip(mean.T, sd, strict=True)]
    return power.of_table(np.column_stack(true), sd, n_draws=settings.draws, seed=settings.seed)


def noises(table: DiceTable, settings: Settings) -> dict[str, float | dict[str, float]]:
    """In words -> SD of a run, for which differences are asked: none, then measured or two of the curve."""
    measured = measured_sds(table)
    if settings.sds is not None:
        return {"none": 0.0, **{f"{sd:g}": sd for sd in settings.sds if sd > 0}}
    return {"none": 0.0, "measured": measured} if measured else {"none": 0.0, "0.25": 0.25, "0.5": 0.5}


def differences(table: DiceTable, settings: Settings) -> pd.DataFrame:
    """What can be told of two equally good metrics at `settings.level`: run_sd, errors, `power.Difference`'s fields."""
    rows = []
    for words, simulation in _simulations(table, settings):
        found = simulation.difference(settings.level, 0.0, alpha=settings.alpha, power=settings.power)
        rows.append({"run_sd": words, "errors": simulation.errors, **vars(found)})
    return pd.DataFrame(rows)


def _simulations(table: DiceTable, settings: Settings):
    for words, run in noises(table, settings).items():
        simulated = worlds(table, run, settings)
        for errors in settings.errors:
            yield words, power.Simulation(simulated, errors, settings.seed)


def placed(claims: Claims, table: DiceTable, found: Chance, static: pd.DataFrame) -> pd.DataFrame:
    """Each claimed tau beside chance and the static list.

    Columns: metric, task, tau_w, p_common, p_own (one-sided, see `Chance.p`; of one task both are the same), static
    (tau_w of the list from all other tasks), over_static (tau_w minus that), errors (share of the metric's error common
    to the tasks, where its scores are known).
    """
    lists = static[static["source"] == "elsewhere"].set_index("task")["tau_w"]
    rows = []
    for row in claims.taus.itertuples(index=False):
        whole = row.task == MEAN
        known = float(lists.mean()) if whole else float(lists[row.task])
        orders = ("common", "own") if whole else (row.task, row.task)
        shared = math.nan
        if whole and row.metric in claims.scores and len(table.judged) > 1:
            shared = power.error_agreement(claims.scores[row.metric], table.mean())
        rows.append([
            row.metric, row.task, row.tau_w, *[found.p(row.tau_w, order) for order in orders], known,
            row.tau_w - known, shared,
        ])  # fmt: skip
    return pd.DataFrame(
        rows, columns=["metric", "task", "tau_w", "p_common", "p_own", "static", "over_static", "errors"]
    )


def rivals(claims: Claims, table: DiceTable, settings: Settings) -> pd.DataFrame:
    """The best claim against every other, and whether a table of this size could show such a difference.

    Only the three nearest rivals, with a mean tau_w of at least .05: below it a metric that follows Dice cannot be
    simulated.
    Columns: best, rival, level (the rival's mean tau_w), difference, run_sd, errors, then the fields of
    `power.Difference` from `top` on, and swap, swap_low, swap_high (power of the paired encoder-swap test).
    """
    if not (means := claims.means()):  # single tasks only: no mean to compare
        return pd.DataFrame()
    (best, top), *others = means.items()
    others = [(rival, tau) for rival, tau in others if LEAST <= tau < 1][:RIVALS]
    sets = min(settings.draws, SETS if len(table.encoders) <= SMALL else SETS // 4)
    rows = []
    for words, simulation in _simulations(table, settings) if others else ():
        for rival, tau in others:
            gap = top - tau
            found = simulation.difference(tau, gap, alpha=settings.alpha, power=settings.power)
            swap = simulation.swap_power(tau, gap, alpha=settings.alpha, n_sets=sets)
            row = {"best": best, "rival": rival, "run_sd": words, "errors": simulation.errors, **vars(found)}
            rows.append({**row, **dict(zip(("swap", "swap_low", "swap_high"), swap, strict=True))})
    return pd.DataFrame(rows)


def reached(judgement: Judgement, target: float, *, truth: str = "as published") -> pd.DataFrame:
    """Chance that an oracle reaches a claimed mean, by SD of a run. Columns: sd, share, low, high."""
    rows = judgement.ceilings[judgement.ceilings["truth"] == truth]
    name = reach(target)
    return pd.DataFrame({
        "sd": rows["sd"], "share": rows[name], "low": rows[f"{name}_low"], "high": rows[f"{name}_high"],
    }).reset_index(drop=True)  # fmt: skip
