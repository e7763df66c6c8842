"""The one wide table behind every format: metrics x tasks, as cells that say what may be claimed."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from tebench.base.errors import InputError
from tebench.evaluation.arrays import MEAN
from tebench.evaluation.compare import holm
from tebench.evaluation.statistics import PRIMARY, STATISTICS, shown

ALPHA = 0.05
WORDS = {
    "not_applicable": "n/a", "failed": "failed", "missing": "missing", "constant": "constant", "floor": "floor",
    "none": "none", "unreliable": "unreliable",
}  # fmt: skip
NEEDED = ("task", "metric", "n", "tau_w", "low", "high", "null_low", "null_high", "p", "ceiling", "status", "reason")


@dataclass(frozen=True)
class Cell:
    """One (metric, task): the number or the word for its absence.

    significant: outside the chance interval (p < .05, this cell alone).
    bold: best of its column and p < .05 after Holm over the metrics of the column; so nothing inside noise is bold.
    aside: shown but kept out of the mean (parentheses).   partial: mean over fewer tasks than could rank.
    """

    value: float
    low: float
    high: float
    word: str = ""
    significant: bool = False
    bold: bool = False
    aside: bool = False
    partial: bool = False

    def text(self, *, with_interval: bool = False) -> str:
        if self.word:
            return self.word
        text = number(self.value)
        if with_interval and math.isfinite(self.low):
            text += f" {span(self.low, self.high)}"
        text += ("*" if self.significant else "") + ("~" if self.partial else "")
        return f"({text})" if self.aside else text


@dataclass(frozen=True)
class Row:
    """One metric over all tasks: its cells, mean, chance interval of the mean, and cost."""

    metric: str
    title: str
    cells: dict[str, Cell]
    mean: Cell
    chance: tuple[float, float]
    p: float
    seconds: float
    peak_mb: float
    others: dict[str, float]
    group: int | None


@dataclass(frozen=True)
class Summary:
    """Rows sorted by mean tau_w, the facts of each task, and every reason that a reader must see."""

    tasks: list[str]
    rows: list[Row]
    n: int
    pool: str
    ceiling: dict[str, float]
    chance: dict[str, tuple[float, float]]
    reliability: dict[str, float]
    ceiling_range: dict[str, tuple[float, float]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    legend: list[str] = field(default_factory=list)

    def ceiling_text(self, task: str, *, with_range: bool = True) -> str:
        """The noise ceiling with its range over the ways to split the seeds, where it has one."""
        low, high = self.ceiling_range.get(task, (math.nan, math.nan))
        known = with_range and math.isfinite(low)
        return number(self.ceiling[task]) + (f" {span(low, high)}" if known else "")


def summarise(
    frame: pd.DataFrame, *, titles: dict[str, str] | None = None, groups: pd.DataFrame | None = None
) -> Summary:
    """Arrange what `evaluate` returned. titles: metric -> words for the reader. groups: from `compare.rank_groups`."""
    if absent := [name for name in NEEDED if name not in frame.columns]:
        raise InputError(f"table: column(s) {', '.join(absent)} absent; expected the frame that evaluate() returns.")
    if frame.empty:
        raise InputError("table: no rows.")
    if frame["pool"].nunique() > 1:
        raise InputError(f"table: one pool at a time, got {', '.join(sorted(set(frame['pool'])))}.")
    tasks = [task for task in dict.fromkeys(frame["task"]) if task != MEAN]
    bold = _bold(frame)
    members = dict(zip(groups["metric"], groups["group"], strict=True)) if groups is not None else {}
    rows = [_row(part, tasks, bold, titles or {}, members) for _, part in frame.groupby("metric")]
    rows.sort(key=lambda row: (row.group or math.inf, -row.mean.value if not row.mean.word else math.inf, row.metric))
    facts = {task: frame[frame["task"] == task] for task in [*tasks, MEAN]}
    return Summary(
        tasks=tasks,
        rows=rows,
        n=int(frame["n"].max()),
        pool=str(frame["pool"].iloc[0]),
        ceiling={task: _first(part["ceiling"]) for task, part in facts.items()},
        chance={task: (float(part["null_low"].min()), float(part["null_high"].max())) for task, part in facts.items()},
        reliability={task: _first(part["reliability"]) for task, part in facts.items()},
        ceiling_range={
            task: (_first(part["ceiling_low"]), _first(part["ceiling_high"]))
            for task, part in facts.items()
            if {"ceiling_low", "ceiling_high"} <= set(part)
        },
        notes=_notes(frame),
        legend=_legend(frame, groups is not None),
    )


def number(value: float, digits: int = 2) -> str:
    """Fixed digits, no negative zero; a dash where there is no number."""
    if not math.isfinite(value):
        return "-"
    text = f"{value:.{digits}f}"
    return text.lstrip("-") if float(text) == 0 else text


def p_text(p: float) -> str:
    """A p-value of three digits, of four below .001.

    >>> p_text(0.0004), p_text(0.0312)
    ('0.0004', '0.031')
    """
    return number(p, 4 if p < 0.001 else 3)


def span(low: float, high: float) -> str:
    """[low, high], or a dash where there is no interval."""
    return f"[{number(low)}, {number(high)}]" if math.isfinite(low) else "-"


def _row(part, tasks, bold, titles, members) -> Row:
    by_task = {row.task: row for row in part.itertuples(index=False)}
    metric, mean = part["metric"].iloc[0], by_task[MEAN]
    return Row(
        metric=metric,
        title=titles.get(metric, metric),
        cells={task: _cell(by_task[task], (metric, task) in bold) for task in tasks},
        mean=_cell(mean, (metric, MEAN) in bold),
        chance=(mean.null_low, mean.null_high),
        p=mean.p,
        seconds=mean.seconds,
        peak_mb=mean.peak_mb,
        others={name: getattr(mean, name) for name in STATISTICS if name != PRIMARY},
        group=members.get(metric),
    )


def _cell(row, bold: bool) -> Cell:
    if not math.isfinite(row.tau_w):
        return Cell(math.nan, math.nan, math.nan, word=WORDS.get(row.status, row.status))
    return Cell(
        row.tau_w, row.low, row.high,
        significant=bool(row.p < ALPHA), bold=bold, aside=row.status == "unreliable",
        partial=row.status == "incomplete",
    )  # fmt: skip


def _bold(frame) -> set[tuple[str, str]]:
    found = set()
    for task, part in frame[frame["status"] == "ok"].groupby("task"):
        part = part[np.isfinite(part["tau_w"])]
        if part.empty:
            continue
        corrected = np.array(holm(part["p"]))
        best = (part["tau_w"] >= part["tau_w"].max() - 1e-12).to_numpy() & (corrected < ALPHA)
        found |= {(metric, task) for metric in part["metric"][best] if part["tau_w"].max() > 0}
    return found


def _notes(frame) -> list[str]:
    """Every reason once, with the cells it belongs to; the reasons of a task itself are not repeated by metric."""
    said = frame[(frame["reason"] != "") & (frame["task"] != MEAN)]
    of_task = {"floor", "unreliable", "ok"}
    notes = []
    for (task, status, reason), _ in said[said["status"].isin(of_task)].groupby(["task", "status", "reason"]):
        head = task if status == "ok" else f"{task} ({WORDS[status]}, kept out of the mean)"
        notes.append(f"{head}: {reason}")
    for (metric, status, reason), part in said[~said["status"].isin(of_task)].groupby(["metric", "status", "reason"]):
        notes.append(f"{metric} on {', '.join(part['task'])} ({WORDS.get(status, status)}): {reason}")
    return notes


def _legend(frame, grouped: bool) -> list[str]:
    covers = sorted({text for text in frame.loc[frame["task"] == MEAN, "interval"] if text})
    marks = frame["status"]
    lines = [
        "tau_w: weighted Kendall tau (scipy.stats.weightedtau, defaults) of score and fine-tuned Dice; 1 is best.",
        f"[low, high]: 95 % interval over {'; '.join(covers) or 'nothing'}{_not_covered(covers)}.",
        "chance: middle 95 % over permutations of the encoders (of a task: widest over metrics).  *: p < .05, alone.",
        "Bold: best of its column, and p < .05 after Holm over the metrics.",
        "noise ceiling: tau_w of one part of the ground-truth seeds against the rest [over the ways to split them].  "
        + " ".join(f"{one.title}: {one.words}" for one in shown("wide")),
    ]
    if (frame["low"] == frame["high"]).any():
        lines.append("An interval without width: no draw changed the order; the next ground truth may all the same.")
    if (marks == "unreliable").any():
        lines.append("( ): task cannot tell encoders apart reliably; kept out of the mean.")
    if (marks == "incomplete").any():
        lines.append("~: mean over fewer tasks than the other rows; not comparable.")
    if grouped:
        lines.append("Metrics of one group are not told apart from its best (paired swap test, Holm).")
    return lines


def _not_covered(covers) -> str:
    """A seed interval is narrow and must not be read as saying how a metric does on other encoders."""
    seeds_only = covers and not any("encoders" in text or text.startswith("none") for text in covers)
    return "; other encoders are not covered, see chance" if seeds_only else ""


def _first(values) -> float:
    finite = [value for value in values if math.isfinite(value)]
    return float(finite[0]) if finite else math.nan
