"""leaderboard/index.html: one file that asks for nothing, readable without JavaScript.

The tables of each board's whole pool stand in the page as markup, for every reader. The script draws the same tables,
and those of all other pools, from `leaderboard_data`: each pool was computed for itself, nothing is filtered. jinja2
escapes all text, the script makes no markup from text; the content security policy allows the page's own style and
script by their hashes and nothing else.
"""

from __future__ import annotations

import base64
import hashlib
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files

import pandas as pd
from markupsafe import Markup

from tebench.evaluation.arrays import MEAN
from tebench.evaluation.statistics import shown
from tebench.publication import citation, columns, page_data
from tebench.publication.boards import Board, Result
from tebench.publication.page_data import view_id, words_of
from tebench.reporting.summary import number

_PAGE = files("tebench.publication") / "web"
SCRIPTS = ("format.js", "plot.js", "view.js", "script.js")


@dataclass(frozen=True)
class Line:
    """One row of a table: a metric on one task (or their mean) over one pool."""

    id: str
    title: str
    group: int | None
    row: object
    word: str
    strip: Markup
    chance: str
    tau: tuple[str, str, str]
    cells: list


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
    covers: str

    @property
    def words(self) -> str:
        return "mean over tasks" if self.task == MEAN else self.task


def render(boards: list[Board], *, version: str, source: str, links: Mapping[str, str] | None = None) -> str:
    """The whole page. version: words for the citation; source: hash of the rows it was made from.

    links: path from the repository's root -> title, of pages on what the numbers can show.
    """
    import jinja2

    style, script = _read("style.css"), _script()
    views = [_view(board.results[0], task) for board in boards for task in [MEAN, *board.tasks]]
    environment = jinja2.Environment(
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
    )
    environment.filters |= {"number": number, "plain": _plain}
    return environment.from_string(_read("template.html")).render(
        boards=boards, views=views, version=version, source=source, links=links or {},
        style=Markup(style), script=Markup(script),
        policy=f"default-src 'none'; style-src {_hash(style)}; script-src {_hash(script)}; img-src data:; "
               "base-uri 'none'; form-action 'none'",
        data=Markup(page_data.json_text(page_data.embedded(boards, version))),
        bibtex=citation.bibtex(version), dice={board.name: _dice(board) for board in boards},
        columns=columns.COLUMNS, across=columns.SPAN, beside=shown("page"),
    )  # fmt: skip


def strip(low, high, null_low, null_high, tau, ceiling) -> Markup:
    """tau_w from -1 to 1 on one line: grey band chance, line the interval, dot the value, dashes the noise ceiling."""

    def x(value):
        return _decimal(4 + 56 * (1 + value))

    parts = ['<svg class="strip" viewBox="0 0 120 16" width="120" height="16" aria-hidden="true">']
    if math.isfinite(null_low):
        width = _decimal(56 * (null_high - null_low))
        parts.append(f'<rect class="chance" x="{x(null_low)}" y="2" width="{width}" height="12"/>')
    parts.append(f'<path class="zero" d="M{x(0)} 1V15"/>')
    if math.isfinite(ceiling):
        parts.append(f'<path class="ceiling" d="M{x(ceiling)} 1V15"/>')
    if math.isfinite(low):
        parts.append(f'<path class="bar" d="M{x(low)} 8H{x(high)}"/>')
    if math.isfinite(tau):
        parts.append(f'<circle class="dot" cx="{x(tau)}" cy="8" r="3.5"/>')
    return Markup("".join(parts) + "</svg>")


def _view(result: Result, task: str) -> View:
    board, frame = result.board, page_data.ordered(result, task)
    titles, pool = board.titles, result.pool.name
    inside, lines = page_data.chances(frame), []
    for row in frame.itertuples(index=False):
        group = None if pd.isna(row.group) else int(row.group)
        picture = strip(row.low, row.high, row.null_low, row.null_high, row.tau_w, row.ceiling)
        anchor, word = view_id(board.name, pool, task, row.metric), words_of(row)
        chance, cells = inside.get(row.metric, ""), columns.cells(row, bool(word))
        lines.append(Line(anchor, titles[row.metric], group, row, word, picture, chance, columns.tau_text(row), cells))
    return View(
        view_id(board.name, pool, task), board, result, task, lines, page_data.first(frame["ceiling"]),
        page_data.first(frame["reliability"]), *page_data.standing(result, task),
        page_data.covers(frame),
    )  # fmt: skip


def _dice(board: Board) -> list[dict]:
    """Fine-tuned Dice of every encoder on every task: mean and SD over seeds, best of the task marked."""
    table = board.truth.groupby(["encoder", "task"])["value"].agg(["mean", "std", "count"])
    mean = table["mean"].unstack("task")
    order = mean.mean(axis=1).sort_values(ascending=False, kind="stable").index
    best = {task: mean[task].idxmax() for task in board.tasks}
    titles = {encoder: look.title for encoder, look in board.looks.items()}
    return [
        {
            "title": titles.get(encoder, encoder),
            "cells": [(*table.loc[(encoder, task)], best[task] == encoder) for task in board.tasks],
        }
        for encoder in order
    ]


def _decimal(value) -> str:
    """One decimal, no trailing zero, no negative zero."""
    text = f"{value:.1f}".removesuffix(".0")
    return "0" if text == "-0" else text


def _read(name: str) -> str:
    return (_PAGE / name).read_text(encoding="utf-8")


def _script() -> str:
    """The parts of the script as one function, so that they share names with each other and with nobody else."""
    return '\n(function () {\n"use strict";\n' + "".join(_read(name) for name in SCRIPTS) + "})();\n"


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _plain(value) -> str:
    """One line without control or direction-changing characters."""
    return re.sub(r"[\x00-\x1f\x7f\u2028\u2029\u202a-\u202e\u2066-\u2069]+", " ", str(value))
