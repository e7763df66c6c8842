"""The figures that docs/findings.md states, each from leaderboard rows and ground truth alone."""

from __future__ import annotations

import numpy as np
import pandas as pd

from tebench.evaluation.arrays import MEAN
from tebench.evaluation.compare import midranks, swap_test, swaps
from tebench.evaluation.correlation import weighted_tau
from tebench.evaluation.evaluate import evaluate, prepare
from tebench.evaluation.pools import Pool
from tebench.finetuning.spread import COLLAPSED
from tebench.metrics.topology.fusion import fuse, weight
from tebench.publication.boards import Board
from tebench.publication.pools import evaluated, rescore

TOPOLOGY = "grtd_lbtc"
OURS = "grtd_relative_lbtc"
RELEASED = "grtd_lbtc_released"
RIVALS = ("logme", "gbc", "hscore", "ccfv")
GATES = (0.0, 0.25, 0.5, 0.75, 1.0)
REVERSED = "gate reversed"
# An encoder of each share of random weights, best first: the order is expected by construction.
GRADED = ("deepbet", "deepbet_graded_25", "deepbet_graded_50", "deepbet_graded_75", "deepbet_random")


def results(board: Board, pool: Pool) -> pd.DataFrame:
    """Every metric on every task of the board over one pool, and the mean, as `evaluate` gives it."""
    return evaluated(board.rows, board.truth, pool, seed=board.seed)


def means(result: pd.DataFrame) -> pd.DataFrame:
    """The mean rows that hold a number over all rankable tasks, best first; index: metric."""
    rows = result[(result["task"] == MEAN) & (result["status"] == "ok") & result["tau_w"].notna()]
    return rows.sort_values(["tau_w", "metric"], ascending=[False, True]).set_index("metric")


def pair(board: Board, pool: Pool, first: str, second: str, extra: pd.DataFrame | None = None) -> dict:
    """Mean tau_w of two metrics over the rankable tasks where both have a number, and whether they differ.

    p: two-sided encoder-swap test, see `compare.swap_test`.   better: tasks on which `first` has the higher tau_w.
    extra: rows of further scores, direction "up".
    """
    scores = rescore(board.rows, board.truth, pool)
    directions = dict(board.directions)
    if extra is not None:
        scores = pd.concat([scores, extra], ignore_index=True)
        directions |= dict.fromkeys(extra["metric"], "up")
    wanted = scores[scores["metric"].isin([first, second])]
    truth = board.truth[board.truth["encoder"].isin(pool.encoders)].reset_index(drop=True)
    _, pool, found, table = prepare(wanted, truth, directions, pool=pool, seed=board.seed)
    tasks = [
        task
        for task, item in found.items()
        if item.status == "ok" and all(table[name, task].values is not None for name in (first, second))
    ]
    dice = np.array([found[task].mean for task in tasks])
    ranks = {name: np.array([midranks(table[name, task].score) for task in tasks]) for name in (first, second)}
    each = {name: np.array([weighted_tau(r, d) for r, d in zip(ranks[name], dice, strict=True)]) for name in ranks}
    masks, exact = swaps(len(pool), 1999, board.seed)
    gap = each[first] - each[second]
    return {
        "first": first, "second": second, "tau_first": each[first].mean(), "tau_second": each[second].mean(),
        "difference": gap.mean(), "p": swap_test(ranks[first], ranks[second], dice, masks, exact),
        "better": int((gap > 1e-12).sum()), "worse": int((gap < -1e-12).sum()), "tasks": len(tasks),
    }  # fmt: skip


def gates(board: Board, pool: Pool) -> pd.DataFrame:
    """Score rows of the fusion of `grtd` and `lbtc` under fixed weights, and under the released gate turned round."""
    parts = board.rows[board.rows["metric"].isin(["grtd", "lbtc"]) & board.rows["encoder"].isin(pool.encoders)]
    made = []
    for (task, seed), rows in parts.groupby(["task", "seed"]):
        wide = rows.pivot(index="encoder", columns="metric", values="score").reindex(pool.encoders).astype(float)
        if wide.isna().any(axis=None):
            continue
        table = {name: wide[name].to_numpy() for name in ("grtd", "lbtc")}
        released = weight(int(rows["n_foreground"].iloc[0]), "released", None, None, 0.5)
        for name, alpha in [*((gate_name(a), a) for a in GATES), (REVERSED, 1 - released)]:
            made += [
                {"task": task, "seed": seed, "encoder": e, "metric": name, "score": s, "status": "ok", "pool": ""}
                for e, s in zip(pool.encoders, fuse(table, alpha), strict=True)
            ]
    return pd.DataFrame(made)


def gate_name(alpha: float) -> str:
    return f"alpha = {alpha:g}"


def gate_results(board: Board, pool: Pool, extra: pd.DataFrame) -> pd.DataFrame:
    truth = board.truth[board.truth["encoder"].isin(pool.encoders)].reset_index(drop=True)
    names = sorted(set(extra["metric"]))
    return evaluate(extra, truth, dict.fromkeys(names, "up"), pool=pool, seed=board.seed)


def graded(board: Board) -> pd.DataFrame:
    """tau_w of the expected order of the graded family with fine-tuned Dice ("") and with each metric's score.

    Columns: metric ("" is Dice), task, tau_w. Tasks where a metric has no number, or one value, are absent.
    """
    if not set(GRADED) <= set(board.rows["encoder"]):
        return pd.DataFrame(columns=["metric", "task", "tau_w"])
    expected, rows = np.arange(len(GRADED), 0, -1.0), []
    for task in board.tasks:
        dice = board.truth[board.truth["task"] == task].groupby("encoder")["value"].mean().reindex(list(GRADED))
        rows.append(("", task, weighted_tau(dice.to_numpy(), expected)))
    pool = Pool("graded family", GRADED)
    scores = rescore(board.rows, board.truth, pool)
    for (metric, task), part in scores[scores["status"] == "ok"].groupby(["metric", "task"]):
        values = part.groupby("encoder")["score"].mean().reindex(list(GRADED)).to_numpy(float)
        sign = 1 if board.directions[metric] == "up" else -1
        if np.isfinite(values).all() and np.ptp(values) > 0:
            rows.append((metric, task, weighted_tau(sign * values, expected)))
    return pd.DataFrame(rows, columns=["metric", "task", "tau_w"])


def collapsed(volumes: pd.DataFrame, protocol: str) -> pd.Series:
    """Share of (run, class) whose mean Dice over the test volumes is below .01, task -> share, highest first.

    volumes: rows protocol, task, encoder, seed, class, dice, as they lie beside the ground truth.
    """
    return _lost(volumes, protocol).groupby("task").mean().sort_values(ascending=False)


def most_lost(volumes: pd.DataFrame, protocol: str) -> tuple[str, str, float]:
    """(task, class, share of its runs) of the class that is lost most often."""
    lost = _lost(volumes, protocol).groupby(["task", "class"]).mean()
    return (*lost.idxmax(), float(lost.max()))


def _lost(volumes: pd.DataFrame, protocol: str) -> pd.Series:
    """Whether each (task, class, encoder, seed) has a mean Dice below .01."""
    own = volumes[volumes["protocol"] == protocol]
    return own.groupby(["task", "class", "encoder", "seed"])["dice"].mean().dropna() < COLLAPSED


def dice_table(board: Board) -> pd.DataFrame:
    """Mean fine-tuned Dice over seeds, encoders x tasks."""
    return board.truth.groupby(["encoder", "task"])["value"].mean().unstack()
