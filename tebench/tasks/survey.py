"""All chosen cases of a data set checked, each remembered by the sizes and times of its files."""

from __future__ import annotations

import logging
import os
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from tebench.base import storage
from tebench.base.errors import CacheError, InputError, unknown_name
from tebench.tasks import datalist, nnunet
from tebench.tasks.images import GEOMETRIES, companions
from tebench.tasks.labels import Labels
from tebench.tasks.layout import Files, Layout, Problem, elsewhere, read_description
from tebench.tasks.validation import Checked, check_case

log = logging.getLogger(__name__)

VERSION = 2  # raise when the same files would give other cases or other facts


@dataclass(frozen=True)
class Survey:
    """What the files of a data set hold.

    files: of the chosen cases.   checks: case -> what was found.   hashes: case -> [size, sha256] of its files.
    problems: of the chosen cases and of the data set as a whole.   excluded: cases left out by name.
    """

    layout: Layout
    files: tuple[Files, ...]
    checks: dict[str, Checked]
    hashes: dict[str, list]
    problems: tuple[Problem, ...]
    excluded: tuple[str, ...]
    geometry: str

    @property
    def broken(self) -> dict[str, list[Problem]]:
        """Chosen cases with problems, in order."""
        found: dict[str, list[Problem]] = {}
        for problem in self.problems:
            if problem.case is not None:
                found.setdefault(problem.case, []).append(problem)
        return found

    @property
    def general(self) -> list[Problem]:
        """Problems that are of no single case."""
        return [problem for problem in self.problems if problem.case is None]

    @property
    def sound(self) -> tuple[Files, ...]:
        """Chosen cases without problems."""
        broken = self.broken
        return tuple(files for files in self.files if files.id not in broken)

    def voxels(self) -> list[int]:
        """Voxels of each class over the sound cases."""
        counts = [self.checks[files.id].facts["voxels"] for files in self.sound]
        return [sum(column) for column in zip(*counts, strict=True)] or [0] * len(self.layout.labels.classes)

    def notes(self) -> list[str]:
        """What is unusual about the sound cases and harmless, a sentence each, with its count."""
        checks = [self.checks[files.id] for files in self.sound]
        said = list(self.layout.notes)
        if away := elsewhere(self.layout):
            said.append(f"files are read from outside the folder: {', '.join(map(str, away[:4]))}")
        if self.layout.labels.regions:
            said.append("regions: each voxel has the last declared region that holds its value")
        if self.layout.labels.ignore is not None:
            said.append(f"voxels of value {self.layout.labels.ignore} (ignore) are in no sample")
        empty = sum(not any(check.facts["voxels"][1:]) for check in checks)
        if empty:
            said.append(f"{empty} of {len(checks)} label maps are empty: background only is read from them")
        absent = [
            name for name, n in zip(self.layout.labels.classes, self.voxels(), strict=True)
            if not n and name != self.layout.labels.classes[0]
        ]  # fmt: skip
        if absent and checks:
            said.append(f"no case holds a voxel of {', '.join(absent)}: not counted as classes")
        counts = Counter(note for check in checks for note in check.notes)
        said += [f"{note} ({n} of {len(checks)} cases)" for note, n in counts.items()]
        ways = Counter(check.facts["orientation"] for check in checks)
        if len(ways) > 1:
            named = ", ".join(f"{way} {n}" for way, n in ways.most_common())
            said.append(f"orientations differ between cases ({named}) and images are not turned")
        return said


def read_layout(path: Path, outside: bool = True) -> Layout:
    """The layout of a folder with dataset.json, or of a JSON file that lists images and labels."""
    path = Path(os.path.normpath(Path(path).expanduser().absolute()))
    name = "dataset.json"
    if path.is_file() and path.suffix.lower() == ".json":
        path, name = path.parent, path.name
    if not path.is_dir():
        raise InputError(f"data set {path} does not exist, or is no folder.")
    description = read_description(path, name)
    listed = isinstance(description.get("training"), list) and description["training"]
    version_2 = "channel_names" in description and "file_ending" in description and (path / "imagesTr").is_dir()
    return (datalist if listed and not version_2 else nnunet).layout(path, description, outside)


def survey(
    path: str | Path,
    *,
    cases: Sequence[str] | None = None,
    exclude: Sequence[str] | None = None,
    max_cases: int | None = None,
    geometry: str = "file",
    outside: bool = True,
    cache: Path | None = None,
    on_case: Callable[[str], None] = lambda case: None,
) -> Survey:
    """Every chosen case checked. Arguments as `tebench.tasks.dataset.open_dataset` takes them."""
    if geometry not in GEOMETRIES:
        raise InputError(f"geometry must be one of {', '.join(GEOMETRIES)}, got {geometry!r}.")
    layout = read_layout(Path(path), outside)
    taken = choose(layout, cases, max_cases, exclude)
    files = tuple(one for one in layout.files if one.id in taken)
    wanted = None if cases is None else set(cases)
    excluded = set(exclude or ())
    problems = [
        problem for problem in layout.problems
        if problem.case is None or (problem.case not in excluded and (wanted is None or problem.case in wanted))
    ]  # fmt: skip
    if not files and not problems:
        problems = [Problem(str(layout.folder), "no cases found")]
    checks, hashes = {}, {}
    for one in files:
        checks[one.id], hashes[one.id] = _checked(one, layout, geometry, cache)
        problems += checks[one.id].problems
        on_case(one.id)
    return Survey(layout, files, checks, hashes, tuple(problems), tuple(sorted(excluded)), geometry)


def choose(
    layout: Layout, cases: Sequence[str] | None, max_cases: int | None, exclude: Sequence[str] | None = None
) -> list[str]:
    """Ids of the chosen cases, sorted."""
    ids = sorted(files.id for files in layout.files)
    named = {*ids, *(problem.case for problem in layout.problems if problem.case is not None)}
    for option, given in (("cases", cases), ("exclude", exclude)):
        if given is None:
            continue
        if isinstance(given, str) or len(set(given)) < len(given) or (option == "cases" and not given):
            raise InputError(f"{option} must list case names, each once, got {given!r}.")
        for name in given:
            if name not in named:
                raise unknown_name(f"case of {layout.folder.name}", name, named)
    if cases is not None:
        ids = [name for name in ids if name in set(cases)]
    ids = [name for name in ids if name not in set(exclude or ())]
    if max_cases is not None:
        if not isinstance(max_cases, int) or isinstance(max_cases, bool) or max_cases < 1:
            raise InputError(f"max_cases must be a whole number >= 1, got {max_cases!r}.")
        ids = sorted(sorted(ids, key=lambda name: storage.sha256_bytes(name.encode()))[:max_cases])
    return ids


def plain(labels: Labels) -> dict:
    """Labels as plain values, for hashes."""
    values = {str(value): index for value, index in labels.values.items()}
    return {"classes": list(labels.classes), "values": values, "ignore": labels.ignore}


def paths_of(files: Files) -> list[Path]:
    """Every file that reading the case opens."""
    return list(dict.fromkeys(p for path in (*files.images, files.label) for p in (path, *companions(path))))


def _checked(files: Files, layout: Layout, geometry: str, cache: Path | None) -> tuple[Checked, list]:
    """(what was found, [size, sha256] of every file); a sound case is remembered."""
    stamp = _stamp(files, layout, geometry, cache)
    kept = _remembered(stamp)
    if kept is not None:
        return Checked([], kept["notes"], kept["facts"]), kept["hashes"]
    made = check_case(files, layout, geometry)
    if made.problems:
        return made, []
    hashes = [[path.stat().st_size, storage.sha256_file(path)] for path in paths_of(files)]
    storage.write_sealed(stamp, {**{key: asdict(made)[key] for key in ("notes", "facts")}, "hashes": hashes})
    return made, hashes


def _stamp(files: Files, layout: Layout, geometry: str, cache: Path | None) -> Path:
    """Where the check of this case in this state is remembered."""
    state = {}
    for path in paths_of(files):
        stat = path.stat() if path.is_file() else None
        state[str(path)] = [stat.st_size, stat.st_mtime_ns] if stat else None
    key = storage.hash_json(
        {
            "version": VERSION, "files": state, "labels": plain(layout.labels), "channels": list(layout.channels),
            "geometry": geometry,
        }
    )  # fmt: skip
    return Path(cache or storage.cache_root() / "datasets") / key[:2] / f"{key[:32]}.json"


def _remembered(path: Path) -> dict | None:
    if not path.exists():
        return None
    try:
        found = storage.read_sealed(path)
    except CacheError as error:
        log.warning("%s The case is checked again.", error)
        return None
    return found if {"notes", "facts", "hashes"} <= set(found) else None
