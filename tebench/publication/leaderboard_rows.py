"""Rows of the leaderboard: one line per (task, encoder, metric, sampling seed), the only source of what is published.

`leaderboard/results/<benchmark>.csv` holds, in this order, the columns of `COLUMNS`:

================ ====================================================================================================
column           what it holds
================ ====================================================================================================
task, encoder    names; every metric has a row for every encoder on every task (and every seed)
metric           registered name, one set of parameters and stages each
title, direction words for tables; "up": a higher score predicts better transfer, "down": a lower one
parameters       JSON, all parameters with their values
stages           stage policy that was read
seed             sampling seed, 0, 1, 2 ..
status           "ok" | "not_applicable" | "failed"
reason           why there is no score; for a pool-level score also who was left out
score            finite where status is ok, else empty
components       JSON: value of each stage; of a fused metric the score of each part, so that it can be fused anew
n_foreground     foreground classes of the task (what a fusion gate reads)
seconds, peak_mb wall time, and resident memory above the process's own; peak_mb is empty where it is not known
*_hash           feature cache, label set and metric source (sha256)
versions         JSON: library versions
pool             id of the pool a pool-level score was made for, else empty
================ ====================================================================================================

Rows are data from anyone: `problems` says everything that is wrong with them before anything reads on. More than
MOST_ROWS rows are refused, unless conf/benchmark/NAME.yaml states `most_rows`: encoders x tasks x metrics x seeds.
"""

from __future__ import annotations

import csv
import io
import itertools
import json
import math
import re
import unicodedata
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

import pandas as pd

from tebench.base.errors import InputError
from tebench.evaluation.arrays import MEAN, STATUSES
from tebench.scoring.score import COLUMNS as SCORE_COLUMNS

# A Score's columns, and behind which of them stands what only rows have.
_BEHIND = {"metric": ("title", "direction"), "components": ("n_foreground",)}
COLUMNS = tuple(name for one in SCORE_COLUMNS for name in (one, *_BEHIND.get(one, ())))
KEY = ["task", "encoder", "metric", "seed"]
JSON = ("parameters", "components", "versions")
HASHES = ("feature_hash", "label_hash", "metric_hash")
MOST_BYTES, MOST_ROWS, LONGEST = 50_000_000, 200_000, 20_000
ROW_BYTES = 1000  # for each row that a benchmark states; those of the starter benchmark have 500
MOST_SAID = 400
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,79}")
_METRIC = re.compile(r"[a-z0-9_]{1,60}")
_HASH = re.compile(r"[0-9a-f]{64}")
_POOL = re.compile(r"([0-9a-f]{12})?")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_SHOWN = 6
_CHECKED = ("title", "direction", "parameters", "stages", "label_hash", "n_foreground")


def from_scores(scores: pd.DataFrame) -> pd.DataFrame:
    """A frame of Scores (see `tebench.scoring.score.frame`) as rows: with titles, directions, classes of each task."""
    from tebench.metrics import registry
    from tebench.tasks import catalogue

    known = registry.load()
    n_foreground = {task: catalogue.load(task).n_foreground for task in dict.fromkeys(scores["task"])}
    return scores.assign(
        title=[known[name].title for name in scores["metric"]],
        direction=[known[name].direction for name in scores["metric"]],
        n_foreground=scores["task"].map(n_foreground),
    )


def most_rows(benchmark: str) -> int:
    """How many rows this benchmark may have: what its conf/benchmark/NAME.yaml states, else MOST_ROWS."""
    from omegaconf import OmegaConf

    path = files("tebench.conf") / "benchmark" / f"{benchmark}.yaml"
    if not (_NAME.fullmatch(benchmark) and path.is_file()):
        return MOST_ROWS
    stated = OmegaConf.create(path.read_text(encoding="utf-8")).get("most_rows")
    if stated is not None and (type(stated) is not int or stated < 1):
        raise InputError(f"conf/benchmark/{benchmark}.yaml: most_rows must be a whole number >= 1, got {stated!r}.")
    return max(MOST_ROWS, stated or 0)


def read(path: Path) -> pd.DataFrame:
    """The checked rows of one file; parameters, components and versions as objects, numbers as numbers."""
    path = Path(path)
    most = most_rows(path.stem)
    text = read_text(path, most)
    if found := problems(text, most):
        more = f"\n  and {len(found) - 20} more" if len(found) > 20 else ""
        raise InputError(f"{path} is not a file of leaderboard rows:\n  " + "\n  ".join(found[:20]) + more)
    return frame_of(text)


def frame_of(text: str) -> pd.DataFrame:
    """Rows in which `problems` found nothing, as a frame."""
    same: dict[str, str] = {}  # most cells of a column hold the same words: each is kept once
    rows = ([same.setdefault(cell, cell) for cell in line] for line in itertools.islice(_split(text), 1, None))
    frame = pd.DataFrame(rows, columns=list(COLUMNS))
    for name in JSON:
        values = {value: json.loads(value) for value in set(frame[name])} if name != "components" else None
        frame[name] = [values[value] if values else json.loads(value) for value in frame[name]]
    for name in ("score", "seconds", "peak_mb"):
        frame[name] = [float(value) if value else math.nan for value in frame[name]]
    for name in ("seed", "n_foreground"):
        frame[name] = frame[name].astype(int)
    return frame


def read_text(path: Path, most: int | None = None) -> str:
    """The text of a file that may come from anyone; too large, not UTF-8 or absent is an InputError."""
    limit = MOST_BYTES if most is None or most <= MOST_ROWS else most * ROW_BYTES
    try:
        size = path.stat().st_size
        if size > limit:
            raise InputError(
                f"{path} has {size} bytes; rows are refused above {limit}. A benchmark of more than {MOST_ROWS} rows "
                f"states most_rows in conf/benchmark/{path.stem}.yaml."
            )
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}.") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not UTF-8 text: {error}.") from error


def text(frame: pd.DataFrame) -> str:
    """CSV of the rows, sorted, floats in their shortest exact spelling: equal rows are equal bytes."""
    if absent := [name for name in COLUMNS if name not in frame.columns]:
        raise InputError(f"leaderboard rows: column(s) {', '.join(absent)} absent.")
    frame = frame.sort_values(["metric", "task", "encoder", "seed"], kind="stable")
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    for row in frame[list(COLUMNS)].to_dict("records"):
        writer.writerow([_spell(name, row[name]) for name in COLUMNS])
    return out.getvalue()


def _spell(name: str, value) -> str:
    if name in JSON:
        return json.dumps(value, sort_keys=True, allow_nan=False)
    if name in ("score", "seconds", "peak_mb"):
        return "" if value is None or value != value else repr(float(value))
    value = re.sub(r"[\x00-\x1f\x7f]+", " ", str(value)).strip()
    # A spreadsheet must not run what a metric's error message says.
    return "'" + value if value.startswith(_FORMULA) else value


def problems(content: str, most: int | None = None) -> list[str]:
    """Everything that is wrong with the text of a file of rows, in words; empty when it is sound.

    most: rows that are read, see `most_rows`. Of a file with many faults the first MOST_SAID are said.
    """
    try:
        return _problems(_split(content), MOST_ROWS if most is None else most)
    except csv.Error as error:
        return [f"not CSV: {error}"]


def _problems(lines: Iterator[list[str]], most: int) -> list[str]:
    """Row by row: what only the whole shows needs a few short words of each."""
    head = next(lines, None)
    if head is None or tuple(head) != COLUMNS:
        absent = [name for name in COLUMNS if not head or name not in head]
        said = f"absent: {', '.join(absent)}; " if absent else ""
        return [f"the first line must name the columns ({said}expected {','.join(COLUMNS)})"]
    found, kept, same = [], [], {}
    for number, line in enumerate(lines, 2):
        if number - 1 > most:
            return [f"more than {most} rows; at most {most} are read"]
        if len(line) != len(COLUMNS):
            found.append(f"line {number}: {len(line)} cells, expected {len(COLUMNS)}")
        else:
            row = dict(zip(COLUMNS, line, strict=True))
            found += [f"line {number}: {what}" for what in _row_problems(row)]
            kept.append([same.setdefault(row[name], row[name]) for name in (*KEY, *_CHECKED)])
        if len(found) >= MOST_SAID:
            return found[:MOST_SAID]
    if not (kept or found):
        return ["no rows"]
    return found or _table_problems(pd.DataFrame(kept, columns=[*KEY, *_CHECKED]))


def _split(content: str) -> Iterator[list[str]]:
    csv.field_size_limit(LONGEST * 10)
    # A pass over the text itself: io.StringIO would copy it at four bytes a character.
    lines = (found.group() for found in re.finditer(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+", content))
    return (line for line in csv.reader(lines, strict=True) if line)


def _row_problems(row: dict) -> list[str]:
    found = []
    for name in COLUMNS:
        if len(row[name]) > LONGEST:
            return [f"{name} has {len(row[name])} characters; at most {LONGEST}"]
        if any(unicodedata.category(c) in ("Cc", "Cf") for c in row[name] if not c.isalnum()):
            found.append(f"{name} holds control characters or invisible ones")
        if row[name].startswith(_FORMULA) and not _is_number(row[name]):
            found.append(f"{name} starts like a spreadsheet formula: {row[name][:30]!r}")
    for name, pattern in (("task", _NAME), ("encoder", _NAME), ("metric", _METRIC), ("pool", _POOL),
                          *((name, _HASH) for name in HASHES)):  # fmt: skip
        if not pattern.fullmatch(row[name]):
            found.append(f"{name} {row[name][:40]!r} does not match {pattern.pattern}")
    if row["task"] == MEAN:
        found.append(f"no task may be called {MEAN!r}")
    if row["direction"] not in ("up", "down"):
        found.append(f"direction must be up or down, got {row['direction'][:20]!r}")
    if row["status"] not in STATUSES:
        found.append(f"status must be one of {', '.join(STATUSES)}, got {row['status'][:20]!r}")
    if not re.fullmatch(r"\d{1,9}", row["seed"]):
        found.append(f"seed must be a whole number >= 0, got {row['seed'][:20]!r}")
    if not re.fullmatch(r"\d{1,6}", row["n_foreground"]) or int(row["n_foreground"]) < 1:
        found.append(f"n_foreground must be a whole number >= 1, got {row['n_foreground'][:20]!r}")
    for name in JSON:
        try:
            if not isinstance(json.loads(row[name], parse_constant=_refuse_constant), dict):
                found.append(f"{name} must be a JSON object")
        except (ValueError, RecursionError):
            found.append(f"{name} is not JSON: {row[name][:40]!r}")
    if not (_is_number(row["seconds"]) and float(row["seconds"]) >= 0):
        found.append(f"seconds must be a number >= 0, got {row['seconds'][:20]!r}")
    if row["peak_mb"] and not _is_number(row["peak_mb"]):
        found.append(f"peak_mb must be a number or empty, got {row['peak_mb'][:20]!r}")
    if row["status"] == "ok" and not _is_number(row["score"]):
        found.append(f"score must be a finite number where status is ok, got {row['score'][:20]!r}")
    if row["status"] != "ok" and row["score"]:
        found.append(f"score must be empty where status is {row['status'][:20]!r}")
    if row["status"] != "ok" and not row["reason"].strip():
        found.append(f"status {row['status'][:20]!r} without a reason")
    return found


def _table_problems(frame: pd.DataFrame) -> list[str]:
    """What only the whole shows: duplicates, gaps, metrics with two settings, hashes that disagree."""
    found = []
    twice = frame[frame.duplicated(KEY, keep="first")]
    if len(twice):
        found.append(f"{len(twice)} duplicate row(s): {_name(twice)}")
    for name in ("title", "direction", "parameters", "stages"):
        for metric, values in frame.groupby("metric")[name]:
            if values.nunique() > 1 and not (name == "stages" and "" in set(values)):
                found.append(f"metric {metric}: {values.nunique()} different {name}; one setting per metric")
    for what, by in (
        ("label_hash", ["task"]),
        ("n_foreground", ["task"]),
    ):
        counts = frame.groupby(by)[what].nunique()
        found += [f"{' x '.join(map(str, key if isinstance(key, tuple) else (key,)))}: {n} different {what}"
                  for key, n in counts[counts > 1].items()]  # fmt: skip
    tasks, encoders = sorted(set(frame["task"])), sorted(set(frame["encoder"]))
    have = set(frame[KEY].itertuples(index=False, name=None))
    for metric, part in frame.groupby("metric"):
        wanted = itertools.product(tasks, encoders, [metric], sorted(set(part["seed"])))
        if gaps := [cell for cell in wanted if cell not in have]:
            found.append(
                f"metric {metric}: {len(gaps)} missing cell(s): {_name(pd.DataFrame(gaps, columns=KEY))}; "
                "a cell without a value needs a row with its status and reason"
            )
    return found


def _name(rows: pd.DataFrame) -> str:
    names = [f"{row.metric} / {row.task} / {row.encoder} seed {row.seed}" for row in rows.head(_SHOWN).itertuples()]
    return "; ".join(names) + (f"; and {len(rows) - _SHOWN} more" if len(rows) > _SHOWN else "")


def _is_number(value: str) -> bool:
    try:
        return math.isfinite(float(value)) and "_" not in value
    except ValueError:
        return False


def _refuse_constant(value):
    raise ValueError(f"{value} is not JSON")
