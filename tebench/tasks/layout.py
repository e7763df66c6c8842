"""What a data set's dataset.json says, before any image is opened: cases, files, channels, labels."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from tebench.base.errors import InputError


@dataclass(frozen=True)
class Files:
    """One case. images: one file a channel, or a single file that holds all channels."""

    id: str
    images: tuple[Path, ...]
    label: Path


@dataclass(frozen=True)
class Labels:
    """classes: names, background first.   values: value in the files -> class index.   ignore: value, or None.

    regions: whether the classes were made from regions.
    """

    classes: tuple[str, ...]
    values: dict[int, int]
    ignore: int | None = None
    regions: bool = False


@dataclass(frozen=True)
class Layout:
    """problems: (file, what is wrong) found in dataset.json and in the folder's listing."""

    kind: str
    folder: Path
    title: str
    channels: tuple[str, ...]
    labels: Labels
    files: tuple[Files, ...]
    problems: tuple[tuple[str, str], ...] = ()
    notes: tuple[str, ...] = ()
    words: dict = field(default_factory=dict)


def read_description(folder: Path) -> dict:
    """dataset.json as plain values; a name that stands twice in one object is an error, not overwritten."""
    path = Path(folder) / "dataset.json"
    if not path.is_file():
        raise InputError(f"{folder} has no dataset.json; expected an nnU-Net raw or a Decathlon data set folder.")
    try:
        found = json.loads(path.read_text(encoding="utf-8"), object_pairs_hook=_once)
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


def inside(folder: Path, given) -> Path:
    """A path of dataset.json as a path below the folder; one that leaves it is refused."""
    text = str(given).replace("\\", "/")
    path = PurePosixPath(text)
    if not isinstance(given, str) or not text or path.is_absolute() or ":" in path.parts[0] or ".." in path.parts:
        raise InputError(f"path {given!r} leads out of the data set's folder, or is none; refused")
    return Path(folder) / path


def channel_names(given, where: Path) -> tuple[str, ...]:
    """{"0": "T1", "1": "T2"} -> ("T1", "T2"); numbers must run from 0."""
    if isinstance(given, list):
        given = {str(index): name for index, name in enumerate(given)}
    if not isinstance(given, dict) or not given or set(map(str, given)) != {str(n) for n in range(len(given))}:
        raise InputError(f"{where}: channels must be numbered from 0, such as {{'0': 'T1'}}, got {given!r}.")
    return tuple(str(given[key]) for key in sorted(given, key=int))


def twice(files: Iterable[Files]) -> list[tuple[str, str]]:
    """Cases that share a name, also where only capitals tell them apart (some file systems do not)."""
    seen: dict[str, Files] = {}
    problems = []
    for one in files:
        other = seen.setdefault(one.id.casefold(), one)
        if other is not one:
            problems.append((str(one.label), f"case name {one.id!r} is used twice; also by {other.label}"))
    return problems


def whole(value) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def plain_labels(names: dict[str, int], where: Path, ignore: int | None = None) -> Labels:
    """{name: value} -> classes in the order of values; background must be 0."""
    for name, value in names.items():
        if not whole(value) or value < 0:
            raise InputError(f"{where}: label {name!r} must be a whole number >= 0, got {value!r}.")
    if len(set(names.values())) < len(names):
        raise InputError(f"{where}: two labels share one value: {names}.")
    if 0 not in names.values():
        raise InputError(f"{where}: no label is 0, the background: {names}.")
    ordered = sorted(names.items(), key=lambda item: item[1])
    if len(ordered) < 2:
        raise InputError(f"{where}: there is no label beside the background.")
    return Labels(
        tuple(name for name, _ in ordered), {value: index for index, (_, value) in enumerate(ordered)}, ignore
    )


def region_labels(regions: dict, where: Path, ignore: int | None = None) -> Labels:
    """Regions -> one class a voxel: each value goes to the *last* declared region that holds it.

    That is how nnU-Net writes regions into one map: later ones over earlier ones. With whole = [1, 2, 3],
    core = [2, 3], enhancing = 3, the class "whole" is the voxels of whole without core. A region that later
    ones cover wholly would be empty by construction, and is refused.
    """
    classes, values = ["background"], {0: 0}
    for name, given in regions.items():
        members = given if isinstance(given, list) else [given]
        if not members or not all(whole(value) and value >= 0 for value in members):
            raise InputError(f"{where}: region {name!r} must list whole numbers >= 0, got {given!r}.")
        if set(members) == {0}:
            classes[0] = name
            continue
        if 0 in members:
            raise InputError(f"{where}: region {name!r} holds 0, the background.")
        classes.append(name)
        values |= dict.fromkeys(members, len(classes) - 1)
    hidden = [name for index, name in enumerate(classes) if index not in values.values()]
    if hidden:
        raise InputError(
            f"{where}: region {hidden[0]!r} is wholly covered by regions declared after it, and one voxel has one "
            "class here. Declare regions from the outermost to the innermost."
        )
    if len(classes) < 2:
        raise InputError(f"{where}: there is no region beside the background.")
    return Labels(tuple(classes), values, ignore, regions=True)
