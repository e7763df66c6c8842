"""A ranking without ground truth: scores with intervals over cases and draws, who is told apart, who agrees."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from tebench.evaluation.compare import ALPHA, holm
from tebench.evaluation.correlation import is_constant, weighted_tau

COLUMNS = (
    "metric", "rank", "encoder", "score", "low", "high", "draw_sd", "case_se", "covers", "rank_low", "rank_high",
    "behind", "behind_low", "behind_high", "p", "together", "seconds", "status", "reason",
)  # fmt: skip

ROUNDING = 1e-12  # relative; a spread below it is rounding


@dataclass(frozen=True)
class Scores:
    """One encoder's scores under one metric, oriented up: values (R,) over draws, left_out (R or 1, G) or None."""

    values: Any  # an array, or None where the encoder has no score, which `rank` keeps apart
    left_out: np.ndarray | None
    status: str = "ok"
    reason: str = ""
    seconds: float = math.nan


def spread(values: np.ndarray, left_out: np.ndarray | None) -> tuple[float, float, str, float, float]:
    """(standard error, degrees of freedom, what it covers, SD over draws, jackknife standard error over cases).

    Jackknife with G groups of cases left out: se^2 = (G - 1)/G sum_g (v_g - mean v)^2, v_g averaged over draws
    first. Voxels are drawn for every case on its own, so this holds the noise of drawing too; where the draws alone
    say more, theirs, SD / sqrt(R), is taken [choice]. df: G - 1 or R - 1.

    NaN where no cases were left out (one case says nothing of others), and where neither cases nor draws changed the
    value by more than rounding (ranks of ranks, say): a standard error of 0 would claim certainty.
    """
    r = len(values)
    sd = float(values.std(ddof=1)) if r > 1 else math.nan
    draws = sd / math.sqrt(r) if r > 1 else math.nan
    if left_out is None:
        return math.nan, 0, "nothing: no case was left out", sd, math.nan
    means = left_out.mean(axis=0)
    groups = len(means)
    cases = math.sqrt((groups - 1) / groups * float(((means - means.mean()) ** 2).sum()))
    largest = max(float(np.abs(values).max()), float(np.abs(means).max()))
    if max(cases, draws if r > 1 else 0.0) <= ROUNDING * largest:
        return math.nan, groups - 1, "nothing: it never varied", sd, cases
    if r > 1 and draws > cases:
        return draws, r - 1, "cases and voxel draws", sd, cases
    return cases, groups - 1, "cases and voxel draws" if r > 1 else "cases", sd, cases


def margin(error: float, df: float) -> float:
    """Half the 95 % interval of Student's t; NaN where there is no standard error."""
    from scipy.stats import t

    return float(t.ppf(0.975, df) * error) if math.isfinite(error) and df > 0 else math.nan


def rank(metric: str, found: dict[str, Scores], bounds: tuple[float, float] = (-math.inf, math.inf)) -> pd.DataFrame:
    """One row an encoder under one metric, best first, then those without a score.

    score: mean over draws.   low, high: 95 % interval, inside the metric's range.   rank_low, rank_high: best and
    worst rank over all draws and groups of cases left out (a range, no confidence interval).   behind: what the
    encoder lies behind the first, with its paired interval; p: of no difference, Holm over the others.
    together: not told apart from the first (p >= .05, or nothing to tell by).
    """
    scored = {name: item for name, item in found.items() if item.values is not None}
    order = sorted(scored, key=lambda name: (-float(scored[name].values.mean()), name))
    rows = []
    ranges = _rank_ranges(scored)
    for place, name in enumerate(order, 1):
        item = scored[name]
        error, df, covers, sd, cases = spread(item.values, item.left_out)
        value, half = float(item.values.mean()), margin(error, df)
        rows.append(
            {
                "metric": metric, "rank": place, "encoder": name, "score": value,
                "low": float(np.maximum(value - half, bounds[0])),  # NaN stays, which max() would lose
                "high": float(np.minimum(value + half, bounds[1])), "draw_sd": sd, "case_se": cases, "covers": covers,
                "rank_low": ranges[name][0], "rank_high": ranges[name][1], "seconds": item.seconds, "status": "ok",
                "reason": item.reason, **_behind(scored[order[0]], item, place == 1),
            }
        )  # fmt: skip
    others = [row for row in rows[1:] if math.isfinite(row["p"])]
    for row, p in zip(others, holm([row["p"] for row in others]), strict=True):
        row["p"] = p
    for row in rows:
        row["together"] = not row["p"] < ALPHA
    for name, item in found.items():
        if item.values is None:
            rows.append({"metric": metric, "encoder": name, "status": item.status, "reason": item.reason,
                         "seconds": item.seconds, "together": False})  # fmt: skip
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _behind(first: Scores, item: Scores, is_first: bool) -> dict:
    from scipy.stats import t

    if is_first:
        return {"behind": 0.0, "behind_low": math.nan, "behind_high": math.nan, "p": math.nan}
    values = first.values - item.values
    # Of one metric, so of one shape.
    left_out = first.left_out - item.left_out if first.left_out is not None and item.left_out is not None else None
    error, df, *_ = spread(values, left_out)
    difference, half = float(values.mean()), margin(error, df)
    p = float(2 * t.sf(abs(difference) / error, df)) if math.isfinite(error) and df > 0 else math.nan
    return {"behind": difference, "behind_low": difference - half, "behind_high": difference + half, "p": p}


def compared(found: dict[str, Scores], pairs: dict[str, str]) -> pd.DataFrame:
    """One row a pair (encoder -> other) that has scores: how far the encoder is above the other, paired over cases.

    above, low, high: difference with its 95 % interval.   p: of no difference, Holm over all rows.
    """
    rows = []
    for name, other in pairs.items():
        if found[name].values is not None and found[other].values is not None:
            one = _behind(found[name], found[other], False)
            rows.append((name, other, one["behind"], one["behind_low"], one["behind_high"], one["p"]))
    frame = pd.DataFrame(rows, columns=["encoder", "other", "above", "low", "high", "p"])
    known = np.isfinite(frame["p"].to_numpy(np.float64))
    frame.loc[known, "p"] = holm(frame.loc[known, "p"].tolist())
    return frame


def _rank_ranges(scored: dict[str, Scores]) -> dict[str, tuple[int, int]]:
    names = list(scored)
    if not names:
        return {}
    columns = [np.array([scored[name].values for name in names])]
    left_out = [item.left_out.ravel() for item in scored.values() if item.left_out is not None]
    if len(left_out) == len(names):
        columns.append(np.array(left_out))
    table = np.concatenate(columns, axis=1)
    above = (table[None] > table[:, None]).sum(axis=1) + 1  # ties share the better rank
    return {name: (int(row.min()), int(row.max())) for name, row in zip(names, above, strict=True)}


def agreement(ranked: pd.DataFrame) -> pd.DataFrame:
    """Weighted tau between every two metrics over the encoders both score; NaN below 3 or where one is constant."""
    rows = []
    metrics = list(dict.fromkeys(ranked["metric"]))
    table = ranked[ranked["status"] == "ok"].pivot(index="encoder", columns="metric", values="score")
    for a, b in itertools.combinations(metrics, 2):
        both = table.reindex(columns=[a, b]).dropna()
        x, y = both[a].to_numpy(np.float64), both[b].to_numpy(np.float64)
        known = len(both) >= 3 and not is_constant(x) and not is_constant(y)
        rows.append({"metric": a, "other": b, "tau_w": weighted_tau(x, y) if known else math.nan, "n": len(both)})
    return pd.DataFrame(rows, columns=["metric", "other", "tau_w", "n"])


def verdict(ranked: pd.DataFrame, main: str, titles: dict[str, str], n_cases: int, agreed: pd.DataFrame) -> list[str]:
    """Plain sentences: who is first, who cannot be told apart from it, whether the metrics agree."""
    own = ranked[(ranked["metric"] == main) & (ranked["status"] == "ok")]
    title = titles.get(main, main)
    if own.empty:
        return [f"No encoder has a score under {title}; see the reasons."]
    cases = f"{n_cases} case{'s' if n_cases != 1 else ''}"
    names = own["encoder"].tolist()
    lines = [f"{names[0]} is first by {title}."]
    others = own.iloc[1:]
    close = others[others["together"].astype(bool)]["encoder"].tolist()
    if others.empty:
        lines.append("It is the only encoder with a score: nothing to compare.")
    elif not np.isfinite(others["p"].to_numpy(np.float64)).any():
        if n_cases < 2:
            lines.append("Nothing can be told apart with 1 case: it says nothing of other cases. Label at least two.")
        else:
            lines.append(f"Nothing can be told apart with {cases}: the differences never varied, or have no interval.")
    elif close and len(close) == len(others):
        alone = len(names) == 2
        who = "The two cannot be told apart" if alone else f"None of the other {len(others)} can be told apart from it"
        lines.append(f"{who} with {cases}.")
    elif close == names[1 : 1 + len(close)] and close:
        who = "The top two" if len(close) == 1 else f"The top {len(close) + 1}"
        lines.append(f"{who} cannot be told apart with {cases}: {', '.join([names[0], *close])}.")
    elif close:
        lines.append(f"{', '.join(close)} cannot be told apart from it with {cases}.")
    else:
        lines.append(f"It is told apart from every other encoder with {cases} (by score, not by Dice).")
    firsts = ranked[ranked["rank"] == 1].groupby("encoder")["metric"].nunique()
    n_metrics = ranked[ranked["status"] == "ok"]["metric"].nunique()
    if n_metrics > 1:
        lines.append(f"{int(firsts.get(names[0], 0))} of {n_metrics} metrics put it first.")
        tau = agreed["tau_w"].dropna()
        if len(tau):
            lines.append(
                f"Agreement between metrics (weighted tau): mean {tau.mean():.2f}, from {tau.min():.2f} to "
                f"{tau.max():.2f}." + (" They contradict each other." if tau.mean() < 0.3 else "")
            )
    return lines
