"""leaderboard/index.html: one file that asks for nothing, readable without JavaScript.

Every view (benchmark x pool x task) is rendered here, from results that were computed for that pool; the script only
shows one of them, sorts, copies and saves. jinja2 escapes all text; the content security policy allows the page's own
style and script by their hashes and nothing else.
"""

from __future__ import annotations

import base64
import hashlib
import json
import math
import re
import urllib.parse
from dataclasses import dataclass
from importlib.resources import files

import pandas as pd
from markupsafe import Markup

from tebench.evaluation.arrays import MEAN
from tebench.reporting import citation, formats, leaderboard_plots
from tebench.reporting.leaderboard_boards import Board, Result
from tebench.reporting.style import Look
from tebench.reporting.summary import WORDS, number, span

_PAGE = files("tebench.reporting") / "page"
SHOWN = ("metric", "title", "task", "group", "tau_w", "low", "high", "interval", "null_low", "null_high", "p",
         "ceiling", "n", "tau", "regret", "rel1", "seconds", "peak_mb", "status", "reason")  # fmt: skip


@dataclass(frozen=True)
class Line:
    """One row of a table: a metric on one task (or their mean) over one pool."""

    id: str
    metric: str
    title: str
    group: int | None
    row: object
    word: str
    strip: Markup
    plot: Markup | None
    encoders: list[dict]
    cite: str
    chance: bool


@dataclass(frozen=True)
class View:
    """One table of the page."""

    id: str
    board: Board
    result: Result
    task: str
    lines: list[Line]
    ceiling: float
    reliability: float
    status: str
    reason: str
    cost: Markup | None
    said: str

    @property
    def words(self) -> str:
        return "mean over tasks" if self.task == MEAN else self.task


def render(boards: list[Board], *, version: str, source: str) -> str:
    """The whole page. version: words for the citation; source: hash of the rows it was made from."""
    import jinja2

    style, script = (_read(name) for name in ("style.css", "script.js"))
    views = [view for board in boards for result in board.results for view in _views(result, version)]
    environment = jinja2.Environment(
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
    )
    environment.filters |= {"number": number, "brief": brief, "plain": _plain, "six": _six}
    return environment.from_string(_read("template.html")).render(
        boards=boards, views=views, version=version, source=source, style=Markup(style), script=Markup(script),
        policy=f"default-src 'none'; style-src {_hash(style)}; script-src {_hash(script)}; img-src data:; "
               "base-uri 'none'; form-action 'none'",
        data=Markup(_json({view.id: _records(view) for view in views})), columns=list(SHOWN),
        csv={board.name: "data:text/csv;charset=utf-8," + urllib.parse.quote(long_csv(board)) for board in boards},
        bibtex=citation.bibtex(version), dice={board.name: _dice(board) for board in boards}, mean=MEAN, span=span,
    )  # fmt: skip


def long_csv(board: Board) -> str:
    """All pools, tasks and metrics of a board as one long table."""
    return formats.csv_text(pd.concat([_rounded(long_frame(result)) for result in board.results], ignore_index=True))


def long_frame(result: Result) -> pd.DataFrame:
    """The evaluation of one pool with the rank group of each number."""
    groups = {
        (task, metric): group
        for task, found in result.groups.items()
        for metric, group in zip(found["metric"], found["group"], strict=True)
    }
    frame = result.frame.assign(pool_id=result.pool.id)
    frame["group"] = pd.array(
        [groups.get(key) for key in zip(frame["task"], frame["metric"], strict=True)], dtype="Int64"
    )
    return frame


def view_id(board: str, pool: str, task: str, metric: str = "") -> str:
    """Anchor of a view or of one number: names joined by dots, anything unusual replaced and told apart by a hash."""
    return ".".join(_slug(name) for name in (board, pool, task, metric) if name)


def brief(value: float) -> str:
    """Three significant digits, an exponent only below .001; a dash where there is no number."""
    if not math.isfinite(value):
        return "–"
    if 0 < abs(value) < 0.001:
        return f"{value:.1e}".replace("e-0", "e-")
    return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def _six(value: float) -> str:
    """What the script sorts by: six significant digits, as more differ between machines; empty without a number."""
    return f"{value:.6g}" if math.isfinite(value) else ""


def _views(result: Result, version: str) -> list[View]:
    frame = long_frame(result)
    return [_view(result, frame, task, version) for task in [MEAN, *result.board.tasks]]


def _view(result: Result, frame: pd.DataFrame, task: str, version: str) -> View:
    board, pool = result.board, result.pool
    titles = board.titles
    lines = [_line(result, row, titles, version) for row in frame[frame["task"] == task].itertuples(index=False)]
    lines.sort(key=lambda line: (line.group or math.inf, -_or(line.row.tau_w, -math.inf), line.metric))
    judged = result.judged.set_index("task")
    status, reason = ("ok", "") if task == MEAN else (judged.loc[task, "status"], judged.loc[task, "reason"])
    part = frame[frame["task"] == task]
    cost = None
    means = part[(part["status"] == "ok") & part["seconds"].notna()]
    if task == MEAN and len(means) > 1:
        cost = leaderboard_plots.cost_quality(
            means, titles, f"cost against quality, {len(means)} metrics, pool {pool.name}"
        )
    covers = sorted({text for text in part["interval"] if text})
    return View(
        view_id(board.name, pool.name, task), board, result, task, lines, _first(part["ceiling"]),
        _first(part["reliability"]), status, reason, cost, "; ".join(covers) or "nothing",
    )  # fmt: skip


def _line(result: Result, row, titles, version) -> Line:
    board, pool, task, metric = result.board, result.pool, row.task, row.metric
    finite = math.isfinite(row.tau_w)
    word = "" if finite else WORDS.get(row.status, row.status)
    points = result.points[(result.points["metric"] == metric) & (result.points["task"] == task)]
    plot = None
    if len(points) and task != MEAN:
        looks = board.looks | {e: Look(e, "") for e in pool.encoders if e not in board.looks}
        looks = {e: looks[e] for e in pool.encoders}
        plot = leaderboard_plots.correlation(points, looks, f"{titles[metric]} against fine-tuned Dice on {task}")
    anchor = view_id(board.name, pool.name, task, metric)
    said = f"tau_w {number(row.tau_w)}, 95 % interval {span(row.low, row.high)}" if finite else word
    cite = citation.bibtex(
        version,
        key=anchor,
        note=citation.note(board.name, pool.name, pool.id, "" if task == MEAN else task, metric, said),
    )
    return Line(
        anchor, metric, titles[metric], None if pd.isna(row.group) else int(row.group), row, word,
        leaderboard_plots.strip(row.low, row.high, row.null_low, row.null_high, row.tau_w, row.ceiling),
        plot, _encoders(result, metric, task), cite, bool(finite and row.p >= 0.05),
    )  # fmt: skip


def _encoders(result: Result, metric: str, task: str) -> list[dict]:
    """One entry per encoder: score, Dice, tau_w without it, and why a value is absent."""
    effect = result.influence[(result.influence["metric"] == metric) & (result.influence["task"] == task)]
    effect = effect.set_index("left_out")
    own = result.scores[(result.scores["metric"] == metric) & (result.scores["task"] == task)]
    dice = result.board.truth
    dice = dice if task == MEAN else dice[dice["task"] == task]
    found = []
    for encoder in result.pool.encoders:
        rows = own[own["encoder"] == encoder]
        bad = rows[rows["status"] != "ok"]
        status = "" if bad.empty else WORDS.get(bad["status"].iloc[0], bad["status"].iloc[0])
        without = effect.loc[encoder] if encoder in effect.index else None
        found.append(
            {
                "encoder": encoder,
                "score": rows["score"].mean() if len(rows) and bad.empty else math.nan,
                "status": status,
                "reason": "; ".join(sorted({reason for reason in rows["reason"] if reason})),
                "dice": dice.loc[dice["encoder"] == encoder, "value"].mean(),
                "without": math.nan if without is None else without["tau_w"],
                "change": math.nan if without is None else without["change"],
                "recomputed": without is None or bool(without["recomputed"]),
            }
        )
    return found


def _dice(board: Board) -> list[dict]:
    """Fine-tuned Dice of every encoder on every task: mean and SD over seeds, best of the task marked."""
    table = board.truth.groupby(["encoder", "task"])["value"].agg(["mean", "std", "count"])
    mean = table["mean"].unstack("task")
    order = mean.mean(axis=1).sort_values(ascending=False, kind="stable").index
    best = {task: mean[task].idxmax() for task in board.tasks}
    titles = {encoder: look.title for encoder, look in board.looks.items()}
    return [
        {
            "encoder": encoder,
            "title": titles.get(encoder, encoder),
            "cells": [(task, *table.loc[(encoder, task)], best[task] == encoder) for task in board.tasks],
        }
        for encoder in order
    ]


def _records(view: View) -> list[list]:
    """Rows of a view as the script saves them, in the order of SHOWN."""
    rows = []
    for line in view.lines:
        values = line.row._asdict() | {"title": line.title, "group": line.group}
        rows.append([_cell(values[name]) for name in SHOWN])
    return rows


def _cell(value):
    if isinstance(value, str):
        return formats._harmless(value)
    if value is None or value != value:
        return None
    return int(value) if float(value).is_integer() else float(f"{float(value):.6g}")


def _rounded(frame: pd.DataFrame) -> pd.DataFrame:
    """Six significant digits: what lies beyond differs between machines and says nothing."""
    frame = frame.copy()
    for name in frame.columns:
        if frame[name].dtype.kind == "f":
            frame[name] = [float(f"{value:.6g}") for value in frame[name]]
    return frame


def _json(value) -> str:
    """JSON that cannot end the script element it stands in."""
    text = json.dumps(value, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _read(name: str) -> str:
    return (_PAGE / name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _plain(value) -> str:
    """One line without control or direction-changing characters."""
    return re.sub(r"[\x00-\x1f\x7f\u2028\u2029\u202a-\u202e\u2066-\u2069]+", " ", str(value))


def _slug(name: str) -> str:
    clean = re.sub(r"[^A-Za-z0-9_-]+", "-", name).strip("-")
    return clean if clean == name else f"{clean[:40]}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def _first(values) -> float:
    return next((float(value) for value in values if math.isfinite(value)), math.nan)


def _or(value, other) -> float:
    return value if math.isfinite(value) else other
