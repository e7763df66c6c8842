"""One submission file: the rows of a metric, and above them one line that says how they came about.

    # {"format": 1, "benchmark": ..., "metric": ..., "source_sha256": ..., "claims": ..., "control": ..., ...}
    task,encoder,metric, ...          the columns of `leaderboard_rows`

claims: task -> tau_w, and "mean".   control: the metric's scores with labels permuted within each case, task ->
encoder -> score (null without one); {} where the metric reads no labels.   beside: published metrics whose rows were
made again on the same machine, so that drift shows.
"""

from __future__ import annotations

import itertools
import json
import re
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from tebench.base.errors import InputError
from tebench.publication import leaderboard_rows

FORMAT = 1
FACTS = {
    "format": int, "benchmark": str, "protocol": str, "metric": str, "source_sha256": str, "beside": list,
    "environment": dict, "claims": dict, "control": dict,
}  # fmt: skip
MOST_BYTES, LONGEST_HEAD, MOST_SUSPECTS = 10_000_000, 1_000_000, 20
# Escaped wherever it is shown; refused all the same, since no sound row needs it.
_MARKUP = re.compile(r"[<>]|javascript:|[\u200e\u200f\u202a-\u202e\u2066-\u2069]", re.IGNORECASE)
_PATH = re.compile(r"\.\.[/\\]|^[/~]|^[A-Za-z]:\\|file:", re.IGNORECASE)


@dataclass
class Submission:
    """A parsed file. problems: what already its form gets wrong; rows is None where they cannot be read."""

    facts: dict = field(default_factory=dict)
    rows: pd.DataFrame | None = None
    problems: list[str] = field(default_factory=list)


def text(facts: dict, rows: pd.DataFrame) -> str:
    """The file. Reasons lose their angle brackets, which error messages of Python have and validation refuses."""
    plain = rows.assign(reason=[str(reason).replace("<", "(").replace(">", ")") for reason in rows["reason"]])
    return f"# {json.dumps(facts, sort_keys=True, allow_nan=False)}\n{leaderboard_rows.text(plain)}"


def read(path: Path) -> str:
    """The text of a plain file of bearable size; a link, a device or a pipe is an InputError."""
    path = Path(path)
    if path.is_symlink() or not path.is_file():
        raise InputError(f"{path} is not a plain file (absent, a link, a folder or a device).")
    if (size := path.stat().st_size) > MOST_BYTES:
        raise InputError(f"{path} has {size} bytes; submissions are refused above {MOST_BYTES}.")
    return leaderboard_rows.read_text(path)


def parse(content: str) -> Submission:
    """Read a file that may come from anyone; nothing it says is acted upon, and all that is wrong is collected."""
    head, _, body = content.partition("\n")
    found = Submission()
    if not head.startswith("# ") or len(head) > LONGEST_HEAD:
        found.problems.append('the first line must be "# " and a JSON object, as job=submit writes it')
        body = content if not head.startswith("#") else body
    else:
        found.facts, found.problems = _facts(head[2:])
    wrong = leaderboard_rows.problems(body)
    found.problems += [f"rows: {what}" for what in wrong]
    lines = enumerate(_cells(body), 1)
    suspects = (f"rows: line {n}: {what}" for n, cells in lines for what in map(_suspect, cells) if what)
    found.problems += itertools.islice(suspects, MOST_SUSPECTS)
    if not wrong:
        found.rows = leaderboard_rows.frame_of(body)
    return found


def _facts(line: str) -> tuple[dict, list[str]]:
    try:
        facts = json.loads(line, parse_constant=_refuse, object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        return {}, [f"the first line is not JSON: {str(error)[:100]}"]
    if not isinstance(facts, dict):
        return {}, ["the first line must hold a JSON object"]
    found = [f"{name} is absent from the first line" for name in FACTS if name not in facts]
    found += [f"the first line holds an unknown entry {name[:40]!r}" for name in facts if name not in FACTS]
    for name, kind in FACTS.items():
        if name in facts and (not isinstance(facts[name], kind) or isinstance(facts[name], bool)):
            found.append(f"{name} must be {kind.__name__}, got {type(facts[name]).__name__}")
    found += [f"first line: {what}" for what in map(_suspect, _words(facts)) if what]
    if found:
        return {}, found
    if facts["format"] != FORMAT:
        found.append(f"format must be {FORMAT}, got {facts['format']}")
    if not re.fullmatch(r"[0-9a-f]{64}", facts["source_sha256"]):
        found.append("source_sha256 must be 64 hex digits: the hash of the file that defines the metric")
    if not all(isinstance(name, str) for name in facts["beside"]):
        found.append("beside must list names of metrics")
    if not all(value is None or _number(value) for value in facts["claims"].values()):
        found.append("claims must map each task, and mean, to a number or null")
    if not all(isinstance(value, str) or _number(value) for value in facts["environment"].values()):
        found.append("environment must map names to words or numbers")
    parts = facts["control"].values()
    if not all(isinstance(part, dict) and all(v is None or _number(v) for v in part.values()) for part in parts):
        found.append("control must map task to encoder to a number or null")
    return ({} if found else facts), found


def _cells(body: str):
    import csv

    try:
        yield from leaderboard_rows._split(body)
    except csv.Error:
        return  # `problems` says so


def _suspect(value: str) -> str:
    """What is wrong with one piece of text, in words; empty when nothing is."""
    if match := _MARKUP.search(value):
        return f"markup or direction marks ({match[0]!r}) in {_brief(value)}"
    if _PATH.search(value):
        return f"a path in {_brief(value)}"
    return ""


def _words(value):
    """Every text inside a JSON value, keys too; without recursion, since depth is the sender's choice."""
    left = [value]
    while left:
        item = left.pop()
        if isinstance(item, str):
            yield item
        elif isinstance(item, dict):
            left += [*item, *item.values()]
        elif isinstance(item, list):
            left += item


def _brief(value: str) -> str:
    return ascii(value[:40]) + ("..." if len(value) > 40 else "")


def _number(value) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) <= 1e300


def _refuse(value):
    raise ValueError(f"{value} is no number of JSON")


def _once(pairs):
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a name occurs twice in one object")
    return found
