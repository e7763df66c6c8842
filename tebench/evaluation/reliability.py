"""Can a task tell encoders apart: spread between encoders, spread within seed blocks, and the floor."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd

from tebench.base.errors import InputError
from tebench.evaluation import groundtruth

FLOOR = 0.05
RELIABILITY = 0.5


@dataclass(frozen=True)
class Reliability:
    """Two-way analysis (encoders x seed blocks) of one task.

    spread_encoders: SD of the encoders' mean Dice, as observed (seed noise included).
    spread_seeds: SD of one run within its block, sqrt(MS_error); what is left after encoder and block means.
    spread_blocks: SD of the block means; it shifts all encoders alike and so moves no ranking.
    icc_one, icc_mean: intraclass correlation (consistency) of one seed and of the mean over all S seeds.
    low, high: 95 % interval of icc_mean from the F distribution; covers another draw of encoders and seeds.
    """

    n_encoders: int
    n_seeds: int
    spread_encoders: float
    spread_seeds: float
    spread_blocks: float
    icc_one: float
    icc_mean: float
    low: float
    high: float


def reliability(values: np.ndarray) -> Reliability:
    """Intraclass correlation of a (K, S) matrix of Dice, encoders x seed blocks.

    MS_R = S var(encoder means), MS_E = residual mean square on (K-1)(S-1) degrees of freedom;
    icc_mean = (MS_R - MS_E) / MS_R,  icc_one = (MS_R - MS_E) / (MS_R + (S-1) MS_E).
    Up to 1; at or below 0 the encoders differ no more than noise. One seed: all NaN but the spread between encoders.
    McGraw and Wong 1996, cases ICC(C,1) and ICC(C,k), doi:10.1037/1082-989X.1.1.30.
    """
    values = np.asarray(values, np.float64)
    if values.ndim != 2 or values.shape[0] < 3 or values.shape[1] < 1:
        raise InputError(f"values must be (encoders >= 3, seeds >= 1), got shape {values.shape}.")
    n, s = values.shape
    spread = float(values.mean(1).std(ddof=1))
    if s < 2:
        return Reliability(n, s, spread, *[math.nan] * 6)
    residual = residuals(values)
    ms_error = float((residual**2).sum() / ((n - 1) * (s - 1)))
    ms_rows = s * spread**2
    blocks = float(values.mean(0).std(ddof=1))
    if ms_rows == 0:
        return Reliability(n, s, spread, math.sqrt(ms_error), blocks, *[math.nan] * 4)
    one = (ms_rows - ms_error) / (ms_rows + (s - 1) * ms_error)
    low, high = _icc_interval(ms_rows / ms_error, n, s) if ms_error > 0 else (1.0, 1.0)
    return Reliability(n, s, spread, math.sqrt(ms_error), blocks, one, 1 - ms_error / ms_rows, low, high)


def residuals(values: np.ndarray) -> np.ndarray:
    """What is left of (K, S) after encoder means and block means; rows and columns sum to 0."""
    return values - values.mean(1, keepdims=True) - values.mean(0, keepdims=True) + values.mean()


def at_floor(values: np.ndarray, *, floor: float = FLOOR, flagged: np.ndarray | None = None) -> str:
    """Why the runs of a (K, S) matrix cannot be ranked, or "" where they can.

    flagged: (K, S), runs that fine-tuning marked (a class collapsed); they count as at the floor.
    [choice] A seed block has collapsed when more than half of its encoders are at or below `floor`: what orders
    them then is which run failed to start, not which encoder transfers. One such block condemns the task.
    """
    low = _low(values, floor, flagged)
    if low.all():
        return f"all {low.size} runs at or below Dice {floor:g}"
    if collapsed := np.flatnonzero(low.mean(0) > 0.5).tolist():
        worst = int(low[:, collapsed].sum(0).max())
        blocks = f"{len(collapsed)} of {low.shape[1]} seed blocks"
        return f"{blocks} collapsed (up to {worst} of {len(low)} runs <= {floor:g})"
    return ""


def unreliable(found: Reliability, *, at_least: float = RELIABILITY) -> str:
    """Why a task is kept out of averages, or "". Unknown reliability (one seed) does not condemn a task."""
    if found.spread_encoders == 0:
        return "all encoders have the same mean Dice"
    if found.icc_mean < at_least:
        return f"reliability of the mean over {found.n_seeds} seeds is {found.icc_mean:.2f}, below {at_least:g}"
    return ""


def table(truth: pd.DataFrame, encoders, *, floor: float = FLOOR, at_least: float = RELIABILITY) -> pd.DataFrame:
    """One row a task: the fields of `Reliability`, status ("ok" | "floor" | "unreliable") and reason."""
    rows = []
    for task in sorted(set(truth["task"])):
        values, _ = groundtruth.matrix(truth, task, encoders)
        found = reliability(values)
        marks = groundtruth.flagged(truth, task, encoders)
        status, reason = judge(values, found, floor=floor, at_least=at_least, flagged=marks)
        rows.append({"task": task, **vars(found), "status": status, "reason": reason})
    return pd.DataFrame(rows)


def _low(values, floor: float, flagged) -> np.ndarray:
    low = np.asarray(values) <= floor
    return low if flagged is None else low | flagged


def judge(
    values, found: Reliability, *, floor: float = FLOOR, at_least: float = RELIABILITY, flagged=None
) -> tuple[str, str]:
    """(status, reason) of one task. A single run at the floor keeps the task out of averages, its numbers are shown:
    what separates that run from the others is training that failed to start, not transfer. [choice]
    """
    if why := at_floor(values, floor=floor, flagged=flagged):
        return "floor", why
    if why := unreliable(found, at_least=at_least):
        return "unreliable", why
    if low := int(_low(values, floor, flagged).sum()):
        return "unreliable", f"{low} of {np.size(values)} runs at the floor (Dice <= {floor:g}, or a class collapsed)"
    return "ok", "one ground-truth seed: reliability unknown" if found.n_seeds == 1 else ""


def _icc_interval(ratio: float, n: int, s: int) -> tuple[float, float]:
    from scipy.stats import f

    above, below = n - 1, (n - 1) * (s - 1)
    return 1 - f.ppf(0.975, above, below) / ratio, 1 - 1 / (ratio * f.ppf(0.975, below, above))
