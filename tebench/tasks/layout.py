"""What a data set's dataset.json says, before any image is opened: cases, files, channels, labels."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from tebench.base.errors import InputError
from tebench.tasks.labels import Labels

LONGEST_NAME, LONGEST_PATH = 240, 4000  # bytes, with room for a channel number; the system fails on longer ones
MOST_JSON = 2**26  # bytes of a dataset.json; the listing of 100,000 cases is below it


@dataclass(frozen=True)
class Files:
    """One case. images: one file a channel, or files that hold several channels; checked against the channels."""

    id: str
    images: tuple[Path, ...]
    label: Path


@dataclass(frozen=True)
class Problem:
    """What is wrong with a file.

    case: the case that it belongs to, None for the data set as a whole.   kind: what problems of one kind share, so
    that a report can name them together; the text itself where that is the same for every case.
    """

    file: str
    text: str
    case: str | None = None
    kind: str = ""


@dataclass(frozen=True)
class Layout:
    """problems: found in dataset.json and in the folder's listing.   notes: what is unusual and harmless."""

    kind: str
    folder: Path
    title: str
    channels: tuple[str, ...]
    labels: Labels
    files: tuple[Files, ...]
    problems: tuple[Problem, ...] = ()
    notes: tuple[str, ...] = ()
    words: dict = field(default_factory=dict)


def read_description(folder: Path, name: str = "dataset.json") -> dict:
    """dataset.json as plain values; a name that stands twice in one object is an error, not overwritten."""
    path = Path(folder) / name
    if not path.is_file():
        raise InputError(f"{folder} has no {name}; expected an nnU-Net raw or a Decathlon data set folder.")
    try:
        if path.stat().st_size > MOST_JSON:
            raise InputError(f"{path} has {path.stat().st_size} bytes; a description has at most {MOST_JSON}.")
        # Bytes: the module tells UTF-8, with or without a byte order mark, from UTF-16, which editors write.
        found = json.loads(path.read_bytes(), object_pairs_hook=_once)
    except InputError:
        raise
    except (ValueError, OSError, RecursionError) as error:
        raise InputError(f"{path} is not readable JSON ({error}).") from error
    if not isinstance(found, dict):
        raise InputError(f"{path} must hold an object, got a {type(found).__name__}.")
    return found


def _once(pairs: list) -> dict:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = sorted({name for name in names if names.count(name) > 1})
        raise ValueError(f"{', '.join(map(repr, twice))} stands twice in one object")
    return found


def place(folder: Path, given, outside: bool = True) -> Path:
    """A path of dataset.json: absolute, or below the folder, `$VARIABLES` filled in as nnU-Net does.

    outside: whether it may leave the folder, which is how several data sets share images.
    """
    if not isinstance(given, str) or not given or "\0" in given:
        raise InputError(f"path {given!r} is none; expected the name of a file")
    text = os.path.expandvars(given.replace("\\", "/"))
    try:
        longest = max(len(part.encode()) for part in text.split("/"))
    except UnicodeEncodeError as error:
        raise InputError(f"path {given!a} is none; it holds half a character") from error
    if longest > LONGEST_NAME or len(text.encode()) > LONGEST_PATH:
        raise InputError(f"path {given[:60]!r}... is longer than file systems allow")
    folder = Path(folder)
    path = Path(os.path.normpath(folder / text))
    drive = bool(re.match(r"[A-Za-z]:/", text)) and os.name != "nt"
    if not outside and (drive or not path.is_relative_to(os.path.normpath(folder))):
        raise InputError(
            f"path {given!r} leads out of the data set's folder; refused, since job.outside=false was asked for"
        )
    return path


def elsewhere(layout: Layout) -> list[Path]:
    """Folders of the listed files that are not below the data set's own, in order."""
    home = os.path.normpath(layout.folder)
    paths = [path for files in layout.files for path in (*files.images, files.label)]
    return sorted({path.parent for path in paths if not path.is_relative_to(home)})


def channel_names(given, where: Path) -> tuple[str, ...]:
    """{"0": "T1", "1": "T2"} or ["T1", "T2"] -> ("T1", "T2"); numbers must run from 0."""
    from tebench.tasks.labels import whole

    if isinstance(given, list):
        given = {str(index): name for index, name in enumerate(given)}
    numbers = [whole(key) for key in given] if isinstance(given, dict) else []
    if not numbers or None in numbers or sorted(numbers) != list(range(len(numbers))):
        raise InputError(f"{where}: channels must be numbered from 0, such as {{'0': 'T1'}}, got {given!r}.")
    return tuple(str(name) for _, name in sorted(zip(numbers, given.values(), strict=True), key=lambda pair: pair[0]))


def twice(files: Iterable[Files]) -> list[Problem]:
    """Cases that share a name, also where only capitals tell them apart (some file systems do not)."""
    seen: dict[str, Files] = {}
    problems = []
    for one in files:
        other = seen.setdefault(one.id.casefold(), one)
        if other is not one:
            text = f"case name {one.id!r} is used twice; also by {other.label}"
            problems.append(Problem(str(one.label), text, one.id, "case names used twice"))
    return problems
