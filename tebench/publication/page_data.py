"""What the page's script draws from: every number of every board, pool and task, in the order the page shows them.

Tables, pictures and influence of twenty encoders under many pools would make a page of some hundred megabytes as
markup; as numbers they are two. What is repeated (names, words, reasons) is written once and pointed at.
"""

from __future__ import annotations

import hashlib
import json
import math
import re

import numpy as np
import pandas as pd

from tebench.evaluation.arrays import MEAN
from tebench.evaluation.compare import holm
from tebench.publication import citation
from tebench.publication.boards import Board, Result
from tebench.publication.columns import COLUMNS, SPAN, brief, tau_text
from tebench.publication.columns import cells as row_cells
from tebench.reporting import formats
from tebench.reporting.style import Look
from tebench.reporting.summary import ALPHA, WORDS, number

# One row of a view: numbers for the pictures, texts as the table shows them (words are places in `strings`), and
# lists over the encoders of the pool, in its order.
NUMBERS = ("tau_w", "low", "high", "null_low", "null_high", "p", "ceiling", "seconds")
WORDED = ("interval", "status", "reason", "word", "chance", "warning")
LISTS = ("score", "z", "z_sd", "without", "change", "absent")
ROW = ("metric", "group", *NUMBERS, *WORDED, "tau_text", "span_text", "cells", *LISTS)
# What a saved CSV holds, in this order; the rest of COLUMNS as the table shows it.
SAVED = ("metric", "title", "task", "group", *NUMBERS, "interval", "status", "reason")
KEY, NOTE = "KEY", "NOTE"


def embedded(boards: list[Board], version: str) -> dict:
    """The whole as one JSON object."""
    strings: dict[str, int] = {}
    found = [_board(board, strings) for board in boards]
    return {
        "row": list(ROW), "saved": list(SAVED), "mean": MEAN, "span": SPAN,
        "columns": [[one.name, one.head, one.sort, int(one.cost)] for one in COLUMNS],
        "boards": found, "strings": list(strings),
        "bib": citation.bibtex(version, key=KEY, note=NOTE),
        "note": citation.note("{board}", "{pool}", "{id}", "{task}", "{metric}", "{said}"),
        "mean_note": citation.note("{board}", "{pool}", "{id}", "", "{metric}", "{said}"),
    }  # fmt: skip


def ordered(result: Result, task: str) -> pd.DataFrame:
    """Rows of one table in the order of the page: by rank group, then tau_w; numbers as far as they are said."""
    frame = long_frame(result)
    frame = rounded(frame[frame["task"] == task])
    frame["_group"] = frame["group"].astype("Float64").fillna(math.inf).astype(float)
    frame["_tau"] = -frame["tau_w"].fillna(-math.inf)
    frame = frame.sort_values(["_group", "_tau", "metric"], kind="stable", ignore_index=True)
    return frame.drop(columns=["_group", "_tau"])


def covers(frame: pd.DataFrame) -> str:
    """What the intervals of a table cover, in words."""
    return "; ".join(sorted({text for text in frame["interval"] if text})) or "nothing"


def standing(result: Result, task: str) -> tuple[str, str]:
    """(status, reason) of a task over the pool; the mean has no status of its own."""
    judged = result.judged.set_index("task")
    return ("ok", "") if task == MEAN else (judged.loc[task, "status"], judged.loc[task, "reason"])


def first(values) -> float:
    """The first finite value, NaN without one."""
    return next((float(value) for value in values if math.isfinite(value)), math.nan)


def chances(frame: pd.DataFrame) -> dict[str, str]:
    """Metric -> "" outside chance after Holm's correction over the table, "alone" without it only, "inside" chance."""
    tested = frame["tau_w"].notna() & frame["p"].notna()
    names, p = frame.loc[tested, "metric"], frame.loc[tested, "p"]
    return {
        name: "" if corrected < ALPHA else "inside" if plain >= ALPHA else "alone"
        for name, corrected, plain in zip(names, holm(p), p, strict=True)
    }


def words_of(row) -> str:
    """What stands in the place of tau_w where there is none."""
    return "" if math.isfinite(row.tau_w) else WORDS.get(row.status, row.status)


def long_csv(board: Board) -> str:
    """All pools, tasks and metrics of a board as one long table."""
    return formats.csv_text(pd.concat([rounded(long_frame(result)) for result in board.results], ignore_index=True))


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


def rounded(frame: pd.DataFrame) -> pd.DataFrame:
    """Six significant digits: what lies beyond differs between machines and says nothing."""
    frame = frame.copy()
    for name in frame.columns:
        if frame[name].dtype.kind == "f":
            frame[name] = [float(f"{value:.6g}") for value in frame[name]]
    return frame


def view_id(board: str, pool: str, task: str, metric: str = "") -> str:
    """Anchor of a table or of one number: names joined by dots, anything unusual replaced and told apart by a hash."""
    return ".".join(_slug(name) for name in (board, pool, task, metric) if name)


def json_text(value) -> str:
    """JSON that cannot end the script element it stands in."""
    text = json.dumps(value, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _board(board: Board, strings: dict[str, int]) -> dict:
    encoders = list(board.pools[0].encoders)
    looks = [board.looks.get(encoder, Look(encoder, "")) for encoder in encoders]
    groups = list(dict.fromkeys(look.group for look in looks))
    dice = board.truth.groupby(["task", "encoder"])["value"].mean()
    table = np.array([[dice[task, encoder] for encoder in encoders] for task in board.tasks])
    metrics = sorted(board.titles)
    return {
        "name": board.name, "slug": _slug(board.name), "title": board.title, "protocol": board.protocol,
        "tasks": [[name, _slug(name)] for name in [MEAN, *board.tasks]],
        "metrics": [[name, _slug(name), board.titles[name]] for name in metrics],
        "encoders": [[e, look.title, groups.index(look.group), int(look.pretrained)]
                     for e, look in zip(encoders, looks, strict=True)],
        "groups": groups,
        "dice": [[_digits(dice[task, encoder], 4) for encoder in encoders] for task in board.tasks],
        "dice_text": [[number(float(value), 3) for value in row] for row in (table.mean(axis=0), *table)],
        "pools": [_pool(result, encoders, metrics, strings) for result in board.results],
    }  # fmt: skip


def _pool(result: Result, encoders: list[str], metrics: list[str], strings: dict[str, int]) -> dict:
    board, pool = result.board, result.pool
    spread = result.points.drop_duplicates(["task", "encoder"]).set_index(["task", "encoder"])["dice_sd"]
    # Plain mappings: asking a data frame for each of some thousand numbers takes longer than computing them did.
    cells = {
        "points": _by_encoder(result.points, "encoder", ("z", "z_sd")),
        "influence": _by_encoder(result.influence, "left_out", ("tau_w", "change")),
        "scores": _by_encoder(result.scores, "encoder", ("score", "status", "reason")),
    }
    return {
        "name": pool.name, "slug": _slug(pool.name), "id": pool.id,
        "members": [encoders.index(encoder) for encoder in pool.encoders],
        "dice_sd": [_series(spread[task].reindex(pool.encoders), 4) if task in spread else [] for task in board.tasks],
        "views": [_view(result, task, metrics, cells, strings) for task in [MEAN, *board.tasks]],
    }  # fmt: skip


def _view(result: Result, task: str, metrics: list[str], cells: dict, strings: dict[str, int]) -> dict:
    frame = ordered(result, task)
    status, reason = standing(result, task)
    inside = chances(frame)
    rows = []
    for row in frame.itertuples(index=False):
        tau, interval, warning = tau_text(row)
        words = {"word": words_of(row), "chance": inside.get(row.metric, ""), "warning": warning}
        words |= {name: getattr(row, name) for name in ("interval", "status", "reason")}
        texts = [text for _, text in row_cells(row, bool(words["word"]))]
        rows.append(
            [
                metrics.index(row.metric), None if pd.isna(row.group) else int(row.group),
                *[_plain(float(getattr(row, name))) for name in NUMBERS],
                *[strings.setdefault(words[name], len(strings)) for name in WORDED],
                tau, interval, texts, *_of_encoders(result, (row.metric, task), cells, strings),
            ]
        )  # fmt: skip
    return {
        "ceiling": number(first(frame["ceiling"])), "reliability": number(first(frame["reliability"])),
        "covers": covers(frame), "status": status, "reason": reason, "rows": rows,
    }  # fmt: skip


def _by_encoder(frame: pd.DataFrame, by: str, names: tuple[str, ...]) -> dict:
    """(metric, task) -> encoder -> rows of the named values, one row for each seed."""
    found: dict = {}
    columns = (frame[name].tolist() for name in ("metric", "task", by, *names))
    for metric, task, encoder, *values in zip(*columns, strict=True):
        found.setdefault((metric, task), {}).setdefault(encoder, []).append(values)
    return found


def _of_encoders(result: Result, key: tuple[str, str], cells: dict, strings: dict[str, int]) -> list:
    """score, without, change (texts), z, z_sd: lists over the pool, 0 where nothing is known; absent: place -> word,
    reason."""
    order = result.pool.encoders
    score, absent = 0, {}
    if key in cells["scores"]:
        own = [cells["scores"][key].get(encoder, []) for encoder in order]
        score = [brief(float(np.mean([row[0] for row in rows]))) if rows else brief(math.nan) for rows in own]
        for place, (_, status, reason) in ((k, row) for k, rows in enumerate(own) for row in rows):
            if status != "ok" or reason:
                word = "" if status == "ok" else WORDS.get(status, status)
                absent[str(place)] = [strings.setdefault(text, len(strings)) for text in (word, reason)]
                score[place] = "" if word else score[place]
    found = []
    for kind, spelled in (("points", lambda value: _digits(value, 3)), ("influence", number)):
        own = cells[kind].get(key, {})
        for column in range(2):
            values = [own[encoder][0][column] if encoder in own else math.nan for encoder in order]
            found.append([spelled(value) for value in values] if any(map(math.isfinite, values)) else 0)
    return [score, *found, absent or 0]


def _series(values, digits: int) -> list:
    return [_digits(value, digits) for value in values]


def _digits(value: float, digits: int):
    """So many significant digits, None without a number."""
    return _plain(float(f"{value:.{digits}g}"))


def _plain(value):
    """A JSON value in its shortest spelling; None without a number."""
    if isinstance(value, str) or value is None:
        return value
    if not math.isfinite(value):
        return None
    return int(value) if float(value).is_integer() else float(value)


def _slug(name: str) -> str:
    clean = re.sub(r"[^A-Za-z0-9_-]+", "-", name).strip("-")
    return clean if clean == name else f"{clean[:40]}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"
