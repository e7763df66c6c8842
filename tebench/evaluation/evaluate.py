"""Scores against ground truth: one row per (metric, task), and the mean over tasks that can rank."""

from __future__ import annotations

import logging
import math
import zlib

import numpy as np
import pandas as pd

from tebench.base.errors import InputError
from tebench.evaluation import arrays
from tebench.evaluation.arrays import MEAN, Cell, TaskTruth
from tebench.evaluation.correlation import tied_pairs, weighted_tau_many
from tebench.evaluation.pools import Pool
from tebench.evaluation.reliability import FLOOR, RELIABILITY
from tebench.evaluation.statistics import PRIMARY, STATISTICS, point, point_many
from tebench.evaluation.uncertainty import (
    MIN_ENCODERS,
    OVER,
    encoder_draws,
    interval,
    null_of,
    permutations,
    seed_draws,
)

log = logging.getLogger(__name__)

REFINE, REFINED = 0.01, 2000  # p below which more permutations are drawn, and (encoder, task) pairs up to which
COLUMNS = (
    "task", "metric", "pool", "n",
    *STATISTICS[PRIMARY].columns()[:3], "interval", *STATISTICS[PRIMARY].columns()[3:], "p",
    "ceiling", "ceiling_low", "ceiling_high", "ceiling_parts", "attainable", "attainable_low", "attainable_high",
    "attainable_parts", "loo_low", "loo_high",
    *(column for name, statistic in STATISTICS.items() if name != PRIMARY for column in statistic.columns()),
    "ties", "reliability", "n_tasks", "seconds", "peak_mb", "status", "reason",
)  # fmt: skip


def evaluate(
    scores: pd.DataFrame,
    truth: pd.DataFrame,
    directions: dict[str, str],
    *,
    pool: Pool | None = None,
    over: str = "seeds",
    n_boot: int = 1000,
    n_perm: int = 1999,
    floor: float = FLOOR,
    at_least: float = RELIABILITY,
    seed: int = 0,
) -> pd.DataFrame:
    """Correlate every metric's scores with the ground truth, with intervals, nulls and ceiling.

    scores: long frame task, encoder, metric, seed (of sampling), score, status ("ok" | "not_applicable" | "failed"),
        optional reason, seconds, peak_mb, pool (id of the pool that a pool-dependent score was made for, else "").
    truth: frame of one protocol, as `groundtruth.read` gives it.   directions: metric -> "up" | "down".
    pool: candidate pool; default all encoders that have a score row.
    over: what the intervals (`low`, `high`, and `_low`, `_high` of the other statistics) cover:
        "seeds": repeated measurement of the same encoders: ground-truth seeds, and sampling seeds where there are
            several; it says nothing about other encoders;
        "encoders": another pool of encoders like these (bootstrap, at least 8 encoders), measured values as they are;
        "both". The column `interval` names what was covered, or why there is none.
    `null_low`, `null_high`, `p`: permutation of the encoders, exact up to 7, two-sided; for the mean the same
        permutation in all tasks, since tasks share their encoders. A metric whose mean has p < .01 is drawn ten times
        as often, so that a correction for many metrics is not limited by the number of permutations; in pools of more
        than 2,000 (encoder, task) pairs, where that would take minutes a metric, it is not.
    `loo_low`, `loo_high`: lowest and highest tau_w when one encoder is left out (a range, no confidence interval).
    `ceiling`: one part of the seeds against the rest (`ceiling.split_ceiling`), which a good metric may pass;
    `attainable`: what the true means would reach against the mean over all seeds (`ceiling.perfect_ceiling`). In the
        mean row both are means over the tasks.
    Regret in Dice points 0..100. `seconds`: whole pool, one sampling seed; mean row: per task. `peak_mb`: largest.

    status of a task row: "ok"; "unreliable" (numbers shown, kept out of the mean); "floor", "constant",
    "not_applicable", "failed", "missing" (no numbers; the reason names the encoders). Of a mean row: "ok";
    "incomplete" (some rankable task has no number: the mean is over `n_tasks` and compares with no other row);
    "none". Rows: metrics in alphabetical order, tasks likewise, then "mean".
    """
    if over not in OVER:
        raise InputError(f"over must be one of {', '.join(OVER)}, got {over!r}.")
    if n_boot < 100 or n_perm < 100:
        raise InputError(f"n_boot and n_perm must be at least 100, got {n_boot} and {n_perm}.")
    scores, pool, found, table = prepare(
        scores, truth, directions, pool=pool, floor=floor, at_least=at_least, seed=seed
    )
    draws = {task: _Draws(item, over, n_boot, seed) for task, item in found.items()}
    orders, exact = permutations(len(pool), n_perm, seed)
    rows = []
    for metric in sorted(set(scores["metric"])):
        made = _metric_rows(metric, found, table, draws, orders, exact, seed)
        if not exact and len(pool) * len(found) <= REFINED and made[-1].get("p", math.nan) < REFINE:
            more, _ = permutations(len(pool), 10 * n_perm + 9, seed)
            made = _metric_rows(metric, found, table, draws, more, exact, seed)
        rows += [row | {"metric": metric, "pool": pool.name} for row in made[:-1]]
        rows.append(made[-1] | {"metric": metric, "pool": pool.name, "n": len(pool)})
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _metric_rows(metric, found, table, draws, orders, exact, seed) -> list[dict]:
    """The rows of one metric: its tasks, then the mean."""
    rows, made = [], []
    for task, item in found.items():
        row, boots, nulls = _task_row(table[metric, task], item, draws[task], orders, exact, seed)
        made.append((row, boots, nulls, item.status == "ok"))
        rows.append(row)
    return [*rows, _mean_row(made, exact)]


def prepare(scores, truth, directions, *, pool=None, floor=FLOOR, at_least=RELIABILITY, seed=0):
    """Checked (scores, pool, task -> TaskTruth, (metric, task) -> Cell)."""
    scores = arrays.check_scores(scores, directions)
    if scores.empty:
        raise InputError("scores: no rows to evaluate.")
    pool = pool or Pool("all", tuple(sorted(set(scores["encoder"]))))
    if idle := sorted(set(truth["encoder"]) - set(pool.encoders)):
        log.info("ground truth of %s is not used: outside pool %s", ", ".join(idle), pool.name)
    tasks = sorted(set(scores["task"]))
    found = arrays.truths(truth, tasks, pool, floor=floor, at_least=at_least, seed=seed)
    return scores, pool, found, arrays.cells(scores, directions, tasks, pool)


def points(scores, truth, directions, *, pool: Pool | None = None) -> pd.DataFrame:
    """What the correlation plot shows: one row per (metric, task, encoder) that has a score.

    z: score oriented up and standardised over the pool (mean 0, SD 1, ddof 0); z_sd: SD over sampling seeds on that
    scale. dice: mean over seeds; dice_sd: SD over seeds once the block means are removed (NaN with one seed).
    """
    scores, pool, found, table = prepare(scores, truth, directions, pool=pool)
    rows = []
    for (metric, task), cell in table.items():
        if cell.values is None:
            continue
        item, scale = found[task], cell.score.std()
        within = item.dice - item.dice.mean(0)
        dice_sd = within.std(1, ddof=1) if item.dice.shape[1] > 1 else np.full(len(pool), np.nan)
        many = cell.values.shape[1] > 1
        z_sd = cell.values.std(1, ddof=1) / scale if many else np.full(len(pool), np.nan)
        z = (cell.score - cell.score.mean()) / scale
        rows += [
            (metric, task, *row) for row in zip(pool.encoders, cell.score, z, z_sd, item.mean, dice_sd, strict=True)
        ]
    return pd.DataFrame(rows, columns=["metric", "task", "encoder", "score", "z", "z_sd", "dice", "dice_sd"])


class _Draws:
    """Resamples of one task's ground truth, common to all metrics so that their intervals are paired."""

    def __init__(self, item: TaskTruth, over: str, n_boot: int, seed: int):
        k, s = item.dice.shape
        # One stream per task: a task's numbers do not depend on which other tasks are evaluated.
        self.stream = [seed, zlib.crc32(item.name.encode())]
        self.n_boot = n_boot
        self.seeds = over != "encoders"
        self.dice_seeds = s
        self.noise = seed_draws(item.dice, n_boot, np.random.default_rng([*self.stream, 0]), pooled=True)
        self.picks = None
        self.refusal = ""
        if over != "seeds":
            if k < MIN_ENCODERS:
                self.refusal = f"none: {k} encoders, a bootstrap over encoders needs {MIN_ENCODERS}"
            else:
                # The same pools in all tasks: the tasks share their encoders.
                self.picks = encoder_draws(k, n_boot, np.random.default_rng([seed, 7]))

    def resample(self, cell: Cell, item: TaskTruth) -> tuple[str, dict[str, np.ndarray] | None]:
        """(what the draws cover, statistic -> (B,) values) or (why not, None)."""
        if self.refusal:
            return self.refusal, None
        score, dice = cell.score[None], item.mean[None]
        assert cell.values is not None, cell.reason
        covers = []
        if self.seeds:
            sampling = cell.values.shape[1]
            if self.dice_seeds > 1:
                dice = dice + self.noise
                covers.append(f"{self.dice_seeds} ground-truth seeds")
            if sampling > 1:
                rng = np.random.default_rng([*self.stream, 1])
                score = score + seed_draws(cell.values, self.n_boot, rng, pooled=False)
                covers.append(f"{sampling} sampling seeds")
            if not covers and self.picks is None:
                return "none: one ground-truth seed and one sampling seed", None
        if self.picks is not None:
            covers.append(f"{len(item.mean)} encoders")
            rows = np.arange(self.n_boot)[:, None]
            score = np.broadcast_to(score, self.picks.shape)[rows, self.picks]
            dice = np.broadcast_to(dice, self.picks.shape)[rows, self.picks]
        return " + ".join(covers), point_many(score, dice, np.random.default_rng([*self.stream, 2]))


def _task_row(cell: Cell, item: TaskTruth, draws: _Draws, orders, exact, seed):
    ceiling, attainable, quality = item.ceiling, item.attainable, item.reliability
    row = {
        "task": item.name, "n": cell.n, "ceiling": ceiling.value, "ceiling_low": ceiling.low,
        "ceiling_high": ceiling.high, "ceiling_parts": ceiling.parts, "attainable": attainable.value,
        "attainable_low": attainable.low, "attainable_high": attainable.high,
        "attainable_parts": attainable.parts, "reliability": quality.icc_mean,
        "seconds": cell.seconds, "peak_mb": cell.peak_mb, "n_tasks": 1, "interval": "",
    }  # fmt: skip
    if item.status == "floor":
        return row | {"status": "floor", "reason": item.reason}, None, None
    if cell.values is None:
        return row | {"status": cell.status, "reason": cell.reason}, None, None
    if np.ptp(item.mean) == 0:
        return row | {"status": "unreliable", "reason": item.reason}, None, None
    values = point(cell.score, item.mean)
    covers, boots = draws.resample(cell, item)
    nulls = point_many(cell.score[orders], item.mean[None], np.random.default_rng([seed, 3]))
    row |= _numbers(values, boots, nulls, exact) | {"interval": covers, "ties": tied_pairs(cell.score)}
    row["loo_low"], row["loo_high"] = leave_one_out_range(cell.score, item.mean)
    return row | {"status": item.status, "reason": item.reason}, boots, nulls


def _numbers(values, boots, nulls, exact) -> dict:
    """Statistics with their intervals and nulls under the column names of COLUMNS."""
    row: dict[str, float | str] = {}
    for name, statistic in STATISTICS.items():
        low, high = interval(values[name], boots[name], statistic.bounds) if boots else (math.nan, math.nan)
        null = null_of(values[name], nulls[name], exact)
        row |= dict(zip(statistic.columns(), (values[name], low, high, null.low, null.high), strict=True))
        if name == PRIMARY:
            row["p"] = null.p
    return row


def leave_one_out_range(score: np.ndarray, dice: np.ndarray) -> tuple[float, float]:
    """Lowest and highest tau_w of the K pools that lack one encoder; NaN below 4 encoders."""
    tau = leave_one_out(score, dice)
    return (float(np.nanmin(tau)), float(np.nanmax(tau))) if np.isfinite(tau).any() else (math.nan, math.nan)


def leave_one_out(score: np.ndarray, dice: np.ndarray) -> np.ndarray:
    """(K,) tau_w without encoder k; NaN where the rest is constant or fewer than 3."""
    k = len(score)
    if k < 4:
        return np.full(k, np.nan)
    rest = np.array([[j for j in range(k) if j != i] for i in range(k)])
    return weighted_tau_many(score[rest], dice[rest])


def _mean_row(made, exact) -> dict:
    rankable = [item[:3] for item in made if item[3]]
    ok = [item for item in rankable if item[0]["status"] == "ok"]
    rows = [item[0] for item in made]
    kept_out = [f"{row['task']} ({row['status']})" for row in rows if row["status"] != "ok"]
    row = {
        "task": MEAN, "n_tasks": len(ok), "reason": f"without {', '.join(kept_out)}" if kept_out else "",
        "seconds": _mean([r["seconds"] for r in rows]), "peak_mb": _largest([r["peak_mb"] for r in rows]),
        "ceiling_parts": ok[0][0]["ceiling_parts"] if ok else "", "interval": "", "status": "ok",
        "attainable_parts": ok[0][0]["attainable_parts"] if ok else "",
    }  # fmt: skip
    if not ok:
        return row | {"status": "none", "reason": f"no task gives a number: {', '.join(kept_out)}"}
    values = {name: float(np.mean([r[name] for r, _, _ in ok])) for name in STATISTICS}
    boots = None
    if all(b is not None for _, b, _ in ok):
        boots = {name: np.mean([b[name] for _, b, _ in ok], axis=0) for name in STATISTICS}
    nulls = {name: np.mean([null[name] for _, _, null in ok], axis=0) for name in STATISTICS}
    row |= _numbers(values, boots, nulls, exact)
    covers = sorted({r["interval"] for r, _, _ in ok})
    row["interval"] = " / ".join(covers) + " of each task" if boots else "none: some task has no interval"
    row |= {name: _mean([r[name] for r, _, _ in ok]) for name in ("ceiling", "attainable", "reliability")}
    row["ties"] = int(sum(r["ties"] for r, _, _ in ok))
    if len(ok) < len(rankable):
        row["status"] = "incomplete"
    return row


def _mean(values) -> float:
    values = np.asarray(values, np.float64)
    return float(values.mean()) if len(values) else math.nan


def _largest(values) -> float:
    finite = [value for value in values if math.isfinite(value)]
    return max(finite, default=math.nan)
