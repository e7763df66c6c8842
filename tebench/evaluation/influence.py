"""Which single encoder carries a number: tau_w of every pool that lacks one."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd

from tebench.evaluation.evaluate import leave_one_out, prepare
from tebench.evaluation.pools import Pool


def influence(
    scores: pd.DataFrame,
    truth: pd.DataFrame,
    directions: dict[str, str],
    *,
    pool: Pool | None = None,
    rescore: Callable[[Pool], pd.DataFrame] | None = None,
) -> pd.DataFrame:
    """Leave-one-encoder-out weighted tau, for every cell that can be ranked.

    rescore: gives the scores of a narrower pool, for metrics whose score depends on the pool; without it their scores
    stay as fused over the whole pool, and the column `recomputed` is False.
    Columns: metric, task, left_out, tau_w (without it), change (tau_w minus that of the whole pool; a negative change
    means that the encoder held the number up), recomputed. NaN where the remaining scores are constant.
    """
    checked, pool, found, table = prepare(scores, truth, directions, pool=pool)
    dependent = set(checked.loc[checked["pool"] != "", "metric"])
    rows = []
    for (metric, task), cell in table.items():
        if cell.values is None or found[task].status == "floor":
            continue
        whole = _tau(cell.score, found[task].mean)
        for encoder, tau in zip(pool.encoders, leave_one_out(cell.score, found[task].mean), strict=True):
            rows.append([metric, task, encoder, tau, tau - whole, metric not in dependent])
    frame = pd.DataFrame(rows, columns=["metric", "task", "left_out", "tau_w", "change", "recomputed"])
    if rescore and dependent and len(pool) > 3:
        for encoder in pool.encoders:
            _replace(
                frame, rescore(pool.without(encoder)), truth, directions, pool.without(encoder), encoder, dependent
            )
    return frame


def _replace(frame, scores, truth, directions, smaller, encoder, dependent) -> None:
    _, _, found, table = prepare(scores, truth, directions, pool=smaller)
    for index, row in frame[(frame["left_out"] == encoder) & frame["metric"].isin(list(dependent))].iterrows():
        cell = table[row["metric"], row["task"]]
        tau = float("nan") if cell.values is None else _tau(cell.score, found[row["task"]].mean)
        whole = row["tau_w"] - row["change"]
        frame.loc[index, ["tau_w", "change", "recomputed"]] = [tau, tau - whole, True]


def _tau(score, dice) -> float:
    from tebench.evaluation.correlation import weighted_tau

    return weighted_tau(score, dice)
