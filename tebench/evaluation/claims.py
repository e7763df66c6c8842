"""What a paper claims of its metrics: published taus, or scores of the encoders from which taus are computed."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from tebench.base.errors import InputError, unknown_name
from tebench.evaluation.arrays import MEAN
from tebench.evaluation.correlation import is_constant, weighted_tau
from tebench.evaluation.dice_table import DiceTable

LAYOUTS = (
    "metric,tau_w[,task][,source] (task empty or 'mean': over the judged tasks) or "
    "metric,encoder,task,score[,direction][,status] (direction up or down; status ok, else no score)"
)
ROUNDING = 0.006  # a mean of published taus of two or three decimals may differ from the published mean by so much


@dataclass(frozen=True)
class Claims:
    """taus: metric, task (a judged task or "mean"), tau_w. scores: metric -> (K, T), oriented up, where known.

    aside: metric -> why it makes no claim (its file says that it has no score for some encoder).
    """

    taus: pd.DataFrame
    scores: dict[str, np.ndarray]
    aside: dict[str, str] = field(default_factory=dict)

    def means(self) -> dict[str, float]:
        """metric -> mean tau_w, highest first."""
        found = self.taus[self.taus["task"] == MEAN].sort_values(["tau_w", "metric"], ascending=[False, True])
        return dict(zip(found["metric"], found["tau_w"], strict=True))


def read(path: Path, table: DiceTable) -> Claims:
    """The claims in a CSV file (layouts: LAYOUTS), checked against the table that they are about.

    Refused, by row: unknown tasks or encoders, duplicates, values that are not finite, taus outside [-1, 1], missing
    scores, a mean that is not the mean of the tasks beside it.
    """
    path = Path(path)
    try:
        frame = pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8")
    except FileNotFoundError as error:
        raise InputError(f"scores {path} do not exist.") from error
    except (OSError, ValueError) as error:
        raise InputError(f"scores {path} are not a readable CSV file: {error}") from error
    frame.columns = [str(name).strip() for name in frame.columns]
    if frame.empty:
        raise InputError(f"scores {path} have no rows; expected columns {LAYOUTS}.")
    if {"metric", "encoder", "task", "score"} <= set(frame.columns):
        return _of_scores(frame, path, table)
    if {"metric", "tau_w"} <= set(frame.columns):
        return Claims(_of_taus(frame, path, table), {})
    raise InputError(f"{path}: columns {', '.join(frame.columns)} are none of the layouts known: {LAYOUTS}.")


def _of_taus(frame, path, table) -> pd.DataFrame:
    task = frame["task"].str.strip().replace("", MEAN) if "task" in frame.columns else MEAN
    found = pd.DataFrame({"metric": frame["metric"].str.strip(), "task": task})
    found["tau_w"] = pd.to_numeric(frame["tau_w"], errors="coerce")
    _known(found["task"], (*table.judged, MEAN), "judged task", path)
    bad = found[~found["tau_w"].between(-1, 1)]
    if len(bad):
        raise InputError(f"{path}: tau_w must be a number from -1 to 1: {_rows(bad)}.")
    _unique(found, ["metric", "task"], path)
    for metric, rows in found.groupby("metric", sort=True):
        tasks = rows[rows["task"] != MEAN]
        stated = rows.loc[rows["task"] == MEAN, "tau_w"]
        if len(tasks) < len(table.judged):
            continue
        mean = float(tasks["tau_w"].mean())
        if stated.empty:
            found.loc[len(found)] = [metric, MEAN, mean]
        elif abs(float(stated.iloc[0]) - mean) > ROUNDING:
            raise InputError(
                f"{path}: mean tau_w of {metric} is stated as {float(stated.iloc[0]):g}, its tasks give {mean:.4f}. "
                "Name the tasks that the mean is over with tasks=[...]."
            )
    return found.sort_values(["metric", "task"], ignore_index=True)


def _of_scores(frame, path, table) -> Claims:
    found = frame.assign(score=pd.to_numeric(frame["score"], errors="coerce"))
    found = found[found["task"].isin(table.judged) & found["encoder"].isin(table.encoders)]
    for name, known in (("task", table.tasks), ("encoder", None)):
        if known:
            _known(frame[name], known, f"{name} of the table", path)
    if "direction" in found.columns:
        _known(found["direction"], ("up", "down"), "direction", path)
        found["score"] = found["score"].where(found["direction"] == "up", -found["score"])
    aside = {}
    if "status" in found.columns:
        for metric, part in found[found["status"] != "ok"].groupby("metric"):
            aside[metric] = f"{part['status'].iloc[0]} on {len(part)} of its cells"
        found = found[~found["metric"].isin(list(aside))]
    bad = found[~np.isfinite(found["score"])]
    if len(bad):
        raise InputError(f"{path}: score must be a finite number: {_rows(bad)}.")
    _unique(found, ["metric", "encoder", "task"], path)
    rows, scores = [], {}
    for metric, part in found.groupby("metric", sort=True):
        values = part.pivot(index="encoder", columns="task", values="score")
        values = values.reindex(index=list(table.encoders), columns=list(table.judged))
        if values.isna().any().any():
            gaps = [f"{e} x {t}" for e, row in values.isna().iterrows() for t in values.columns[row.to_numpy()]]
            raise InputError(f"{path}: {metric} has no score for {'; '.join(gaps[:12])}; a claim needs all of them.")
        scores[metric] = values.to_numpy(np.float64)
        if flat := [task for task in table.judged if is_constant(values[task])]:
            raise InputError(f"{path}: {metric} gives all encoders the same score on {', '.join(flat)}.")
        taus = [weighted_tau(values[task], table.runs[task].mean(1)) for task in table.judged]
        rows += [(metric, task, tau) for task, tau in zip(table.judged, taus, strict=True)]
        rows.append((metric, MEAN, float(np.mean(taus))))
    if not rows:
        raise InputError(f"{path}: no score of the table's encoders on its judged tasks.")
    return Claims(pd.DataFrame(rows, columns=["metric", "task", "tau_w"]), scores, aside)


def _known(names, known, what, path) -> None:
    for name in sorted(set(names)):
        if name not in known:
            raise unknown_name(f"{what} in {path}", name, known)


def _unique(found, key, path) -> None:
    twice = found[found.duplicated(key, keep=False)]
    if len(twice):
        raise InputError(f"{path}: more than one row for the same {' x '.join(key)}: {_rows(twice)}.")


def _rows(frame) -> str:
    keep = [name for name in ("metric", "encoder", "task") if name in frame.columns]
    value = "tau_w" if "tau_w" in frame.columns else "score"
    rows = [" x ".join(row[keep].astype(str)) + f" = {row[value]}" for _, row in frame.head(12).iterrows()]
    return "; ".join(rows) + (f"; and {len(frame) - 12} more" if len(frame) > 12 else "")
