"""From checked long frames to the arrays that evaluation works on: one cell per (metric, task) of a pool."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd

from tebench.base.errors import InputError
from tebench.evaluation import groundtruth
from tebench.evaluation.ceiling import Ceiling, perfect_ceiling, split_ceiling
from tebench.evaluation.correlation import is_constant, merge_ties
from tebench.evaluation.pools import Pool
from tebench.evaluation.reliability import FLOOR, RELIABILITY, Reliability, judge, reliability

SCORE_COLUMNS = ("task", "encoder", "metric", "seed", "score", "status")
STATUSES = ("ok", "not_applicable", "failed")
MEAN = "mean"


@dataclass(frozen=True)
class TaskTruth:
    """Ground truth of one task over the pool: dice (K, S) over seed blocks, its mean (K,), and whether it can rank.

    ceiling: parts of the seeds against each other.   attainable: the true means against the mean over all seeds.
    """

    name: str
    dice: np.ndarray
    mean: np.ndarray
    seeds: list[int]
    reliability: Reliability
    ceiling: Ceiling
    attainable: Ceiling
    status: str
    reason: str


@dataclass(frozen=True)
class Cell:
    """Scores of one metric on one task: values (K, R) over sampling seeds, oriented up, or why there are none."""

    values: np.ndarray | None
    n: int
    status: str
    reason: str
    seconds: float
    peak_mb: float

    @property
    def score(self) -> np.ndarray:
        """(K,) mean over sampling seeds, rounding ties merged."""
        assert self.values is not None, self.reason
        return merge_ties(self.values.mean(1))


def check_scores(scores: pd.DataFrame, directions: dict[str, str]) -> pd.DataFrame:
    """A copy of the scores with `reason`, `seconds`, `peak_mb` and `pool` present; anything unsound is refused."""
    if absent := [name for name in SCORE_COLUMNS if name not in scores.columns]:
        raise InputError(f"scores: column(s) {', '.join(absent)} absent; expected {', '.join(SCORE_COLUMNS)}.")
    scores = scores.copy()
    for name, default in (("reason", ""), ("seconds", math.nan), ("peak_mb", math.nan), ("pool", "")):
        if name not in scores:
            scores[name] = default
    scores["pool"] = scores["pool"].fillna("")
    scores["reason"] = scores["reason"].fillna("").astype(str)
    if unknown := sorted(set(scores["status"]) - set(STATUSES), key=str):
        raise InputError(f"scores: status must be one of {', '.join(STATUSES)}, got {unknown}.")
    for name in sorted(set(scores["metric"])):
        if directions.get(name) not in ("up", "down"):
            raise InputError(f"directions: metric {name!r} needs 'up' or 'down', got {directions.get(name)!r}.")
    if MEAN in set(scores["task"]):
        raise InputError(f"scores: no task may be called {MEAN!r}, which names the average row.")
    scores["score"] = pd.to_numeric(scores["score"], errors="coerce").astype(np.float64)
    bad = scores[(scores["status"] == "ok") & ~np.isfinite(scores["score"])]
    if len(bad):
        raise InputError(f"scores: not finite although status is ok: {_cells(bad)}. Record such a cell as failed.")
    twice = scores[scores.duplicated(["task", "encoder", "metric", "seed"], keep=False)]
    if len(twice):
        raise InputError(f"scores: more than one row for the same cell: {_cells(twice)}.")
    return scores


def truths(
    truth: pd.DataFrame, tasks, pool: Pool, *, floor: float = FLOOR, at_least: float = RELIABILITY, seed: int = 0
) -> dict[str, TaskTruth]:
    """The pool's ground truth, task by task. Missing cells are refused, all named at once."""
    if len(protocols := sorted(set(truth["protocol"]))) != 1:
        raise InputError(f"ground truth must be of one protocol, got {protocols}; see groundtruth.read(protocol=...).")
    groundtruth.require(truth, pool.encoders, tasks)
    found, rows_of = {}, dict(tuple(truth.groupby("task")))
    for task in tasks:
        rows = rows_of[task]
        dice, seeds = groundtruth.matrix(rows, task, pool.encoders)
        quality = reliability(dice)
        status, reason = judge(
            dice, quality, floor=floor, at_least=at_least, flagged=groundtruth.flagged(rows, task, pool.encoders)
        )
        ceilings = split_ceiling(dice, seed=seed), perfect_ceiling(dice, seed=seed)
        found[task] = TaskTruth(task, dice, dice.mean(1), seeds, quality, *ceilings, status, reason)
    return found


def cells(scores: pd.DataFrame, directions, tasks, pool: Pool) -> dict[tuple[str, str], Cell]:
    """(metric, task) -> Cell over the pool, for every combination; an absent one is "missing"."""
    inside = scores[scores["encoder"].isin(pool.encoders)]
    groups = dict(tuple(inside.groupby(["metric", "task"])))
    return {
        (metric, task): _cell(groups.get((metric, task)), directions[metric], pool)
        for metric in sorted(set(scores["metric"]))
        for task in tasks
    }


def _cell(rows: pd.DataFrame | None, direction: str, pool: Pool) -> Cell:
    if rows is None:
        return Cell(None, 0, "missing", "no score of any encoder of the pool", math.nan, math.nan)
    if stale := set(rows["pool"]) - {"", pool.id}:
        raise InputError(
            f"scores of {rows['metric'].iloc[0]!r} were fused over pool {', '.join(sorted(stale))}, not over "
            f"{pool.name!r} ({pool.id}). Recompute them: pools.recompute."
        )
    if (whole := _whole(rows, pool)) is not None:
        table, seconds = whole
        return _judged(table, direction, pool, "", "", len(pool), seconds, float(rows["peak_mb"].max()))
    ok = rows[rows["status"] == "ok"]
    table = ok.pivot(index="encoder", columns="seed", values="score").reindex(pool.encoders)
    complete = table.notna().all(axis=1) & (len(table.columns) > 0)
    per_seed = rows.groupby("encoder")["seconds"].mean()
    seconds = float(per_seed.sum()) if per_seed.notna().all() else math.nan
    status, reason = _refusal(rows, table, complete)
    scores, peak = table.to_numpy(np.float64), float(rows["peak_mb"].max())
    return _judged(scores, direction, pool, status, reason, int(complete.sum()), seconds, peak)


def _whole(rows: pd.DataFrame, pool: Pool) -> tuple[np.ndarray, float] | None:
    """((K, R) scores, seconds) of a cell that lacks nothing, else None. The usual case, without pandas for its speed:
    a leaderboard holds tens of thousands of cells."""
    place = {encoder: k for k, encoder in enumerate(pool.encoders)}
    seeds, column = np.unique(rows["seed"].to_numpy(), return_inverse=True)
    if len(rows) != len(pool) * len(seeds) or any(status != "ok" for status in rows["status"].to_numpy()):
        return None
    row = np.array([place[encoder] for encoder in rows["encoder"].to_numpy()])
    table, seconds = (np.full((len(pool), len(seeds)), np.nan) for _ in range(2))
    table[row, column], seconds[row, column] = rows["score"].to_numpy(), rows["seconds"].to_numpy()
    finite = np.isfinite(table).all() and np.isfinite(seconds).all()
    return (table, float(seconds.mean(1).sum())) if finite else None


def _judged(table, direction, pool, status, reason, n, seconds, peak_mb) -> Cell:
    values = None
    if not status:
        values = table * (1.0 if direction == "up" else -1.0)
        status = "ok"
        if is_constant(values.mean(1)):
            status, reason, values = "constant", f"the same score for all {len(pool)} encoders ranks nothing", None
    return Cell(values, n, status, reason, seconds, peak_mb)


def _refusal(rows, table, complete) -> tuple[str, str]:
    """All encoders of the pool are ranked, or none: a tau over fewer of them compares with no other metric's."""
    for status in ("failed", "not_applicable"):
        bad = rows[rows["status"] == status]
        if len(bad):
            why = sorted({reason for reason in bad["reason"] if reason}) or ["no reason given"]
            names = sorted(set(bad["encoder"]))
            return status, f"{len(names)} of {len(table)} encoders ({', '.join(names)}): {'; '.join(why)}"
    if not complete.all():
        gaps = []
        for name in table.index[~complete]:
            seeds = [str(seed) for seed in table.columns[table.loc[name].isna()]]
            gaps.append(name if len(seeds) == len(table.columns) else f"{name} (seed {', '.join(seeds)})")
        return "missing", f"no score for {', '.join(gaps)}"
    return "", ""


def _cells(rows: pd.DataFrame) -> str:
    names = [f"{row.metric} / {row.task} / {row.encoder} seed {row.seed}" for row in rows.head(8).itertuples()]
    return "; ".join(names) + (f"; and {len(rows) - 8} more" if len(rows) > 8 else "")
