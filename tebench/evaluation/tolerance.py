"""How far scores move from one processor to another, and whether two sets of scores agree within that."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from tebench.base.errors import InputError

KEY = ["task", "encoder", "metric"]
# Of the SD between encoders. Counted metrics move in steps, when one voxel changes sides, and may not have been seen
# to; a hundredth of the SD moves no tau but of encoders that were tied all along. [choice]
FLOOR = 0.01
MARGIN = 4.0  # times the largest difference seen: other processors than those measured [choice]


def differences(reference: pd.DataFrame, others: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """One row (metric, other): how far scores of `other` lie from those of the reference.

    reference, others: columns task, encoder, metric, score, status; the same features' recipe on other processors,
    with all encoders of the reference's pool or some of them. Compared are pairs with a value on both sides.
    Columns: metric, other, n (pairs compared), absolute (largest), relative (largest, in SDs between the reference's
    encoders on that task under that metric; the only scale on which metrics compare), swaps (pairs of encoders whose
    order changed), status_changes (pairs with a value on one side only).
    A metric that is constant over a task's encoders has no scale there: any difference counts as infinite.
    """
    for name, frame in {"reference": reference, **others}.items():
        if absent := [column for column in (*KEY, "score", "status") if column not in frame.columns]:
            raise InputError(f"{name}: column(s) {', '.join(absent)} absent.")
        if frame.duplicated(KEY).any():
            raise InputError(f"{name}: more than one row for the same task, encoder and metric.")
    scale = reference[reference["status"] == "ok"].groupby(["task", "metric"])["score"].std(ddof=0)
    rows = []
    for name, other in others.items():
        both = reference.merge(other, on=KEY, suffixes=("", "_other"))
        if both.empty:
            raise InputError(f"{name}: no score of the same task, encoder and metric as in the reference.")
        for metric, part in both.groupby("metric"):
            ok = (part["status"] == "ok") & (part["status_other"] == "ok")
            changed = int(((part["status"] == "ok") != (part["status_other"] == "ok")).sum())
            own = part[ok]
            apart = (own["score"] - own["score_other"]).abs().to_numpy(np.float64)
            spread = scale.reindex(pd.MultiIndex.from_frame(own[["task", "metric"]])).to_numpy(np.float64)
            relative = _ratio(apart, spread)
            swaps = sum(_swaps(task[["score", "score_other"]].to_numpy(np.float64)) for _, task in own.groupby("task"))
            rows.append((metric, name, len(own), apart.max(initial=0.0), relative.max(initial=0.0), swaps, changed))
    columns = ["metric", "other", "n", "absolute", "relative", "swaps", "status_changes"]
    return pd.DataFrame(rows, columns=columns)


def tolerances(measured: pd.DataFrame) -> pd.Series:
    """metric -> tolerance in SDs between encoders: MARGIN times the largest relative difference seen, at least FLOOR.

    measured: of `differences`. Metrics that were seen on no pair are absent.
    """
    seen = measured[measured["n"] > 0].groupby("metric")["relative"].max()
    return (MARGIN * seen).clip(lower=FLOOR).rename("tolerance")


def disagreements(published: pd.DataFrame, recomputed: pd.DataFrame, allowed) -> list[str]:
    """What of `recomputed` lies outside the tolerance about `published`, in words; [] where all agrees.

    allowed: metric -> tolerance in SDs between the published encoders (of `tolerances`); a metric without one is a
    disagreement, as is a value on one side only.
    """
    found = []
    scale = published[published["status"] == "ok"].groupby(["task", "metric"])["score"].std(ddof=0)
    both = published.merge(recomputed, on=KEY, suffixes=("", "_other"))
    if both.empty:
        return ["no score of the same task, encoder and metric to compare"]
    for row in both.itertuples():
        where = f"{row.metric} on {row.task} / {row.encoder}"
        if row.metric not in allowed:
            found.append(f"{where}: no tolerance was measured for this metric")
        elif (row.status == "ok") != (row.status_other == "ok"):
            found.append(f"{where}: published {row.status}, recomputed {row.status_other}")
        elif row.status == "ok":
            spread = float(scale[row.task, row.metric])
            apart = float(_ratio(np.array([abs(row.score - row.score_other)]), np.array([spread]))[0])
            if not apart <= allowed[row.metric]:
                found.append(
                    f"{where}: published {row.score:.6g}, recomputed {row.score_other:.6g}, {apart:.2g} SD between "
                    f"encoders apart; processors explain {allowed[row.metric]:.2g}"
                )
    return found


def _ratio(apart: np.ndarray, spread: np.ndarray) -> np.ndarray:
    """apart / spread; 0 where nothing differs, infinite where there is no spread."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(apart == 0, 0.0, np.where(spread > 0, apart / spread, math.inf))


def _swaps(values: np.ndarray) -> int:
    """Pairs of rows whose order by the first column is not that by the second."""
    first, second = (np.sign(values[:, None, c] - values[None, :, c]) for c in (0, 1))
    return int((first != second).sum() // 2)
