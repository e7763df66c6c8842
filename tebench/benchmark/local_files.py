"""What of a published benchmark lies on this machine: checkpoints and data sets under the user's folders.

A benchmark that ships nothing lists `encoders` (name -> where to get it) and `datasets` (task -> names of its folder,
where to get it). What is found takes part under the benchmark's own names; what is missing is listed.
"""

from __future__ import annotations

import json
import logging
import os
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from tebench.base.errors import InputError
from tebench.benchmark.settings import Benchmark, Settings

log = logging.getLogger(__name__)


def find_encoders(wanted: Mapping[str, str], root: str | None) -> dict[str, Path]:
    """Pool name -> checkpoint below `root`: the name is a part of its path, or the name of the file.

    Several files under one name: checkpoint_final before others, and a choice that is left is refused.
    """
    from tebench.encoders import checkpoints

    if root is None:
        return {}
    folder = _folder(root, "benchmark.checkpoints")
    by_name: dict[str, list[Path]] = {name: [] for name in wanted}
    # Not `checkpoints.find`: a folder without any is reported as missing encoders, not as an error.
    for path in sorted(p for p in folder.rglob("*") if checkpoints.is_checkpoint(p) and p.is_file()):
        parts = [path.stem, *path.relative_to(folder).parts[:-1], folder.name]
        for name in wanted:
            # A Hugging Face cache calls the folder models--OWNER--NAME.
            if any(part == name or part.endswith(f"--{name}") for part in parts):
                by_name[name].append(path)
    return {name: _one(name, paths) for name, paths in by_name.items() if paths}


def _one(name: str, paths: list[Path]) -> Path:
    final = [path for path in paths if path.stem == "checkpoint_final"] or paths
    if len(final) > 1:
        raise InputError(
            f"encoder {name!r} has several checkpoints: {', '.join(map(str, final[:4]))}. Leave one in the folder."
        )
    return final[0]


def register(found: dict[str, Path]) -> None:
    """Make checkpoints encoders of the catalogue under the benchmark's names, in this process and its workers."""
    from tebench.encoders import checkpoints

    known = {**checkpoints.registered(), **{name: path.absolute() for name, path in found.items()}}
    os.environ[checkpoints.VARIABLE] = json.dumps({name: str(path) for name, path in known.items()})


def find_datasets(listed: Mapping[str, Mapping], wanted, root: str | None) -> dict[str, Path]:
    """Task -> folder of its data set: the one that is given, or one below `root` with one of its names."""
    below = sorted(path for path in _folder(root, "benchmark.data").iterdir() if path.is_dir()) if root else []
    found = {}
    for task in wanted:
        entry = listed[task]
        if entry["folder"]:
            found[task] = _folder(entry["folder"], f"benchmark.datasets.{task}.folder")
            continue
        matches = [path for path in below if plain(path.name) in {plain(name) for name in [task, *entry["names"]]}]
        if len(matches) > 1:
            raise InputError(
                f"task {task!r}: several folders could be its data set: {', '.join(path.name for path in matches)}. "
                f"Name one: benchmark.datasets.{task}.folder=PATH."
            )
        if matches:
            found[task] = matches[0]
    return found


def plain(name: str) -> str:
    """A data set's name without number, case and punctuation.

    >>> plain("Dataset027_ACDC"), plain("HNTS-MRG 2024")
    ('acdc', 'hntsmrg2024')
    """
    return re.sub(r"[^a-z0-9]", "", re.sub(r"^(dataset|task)\d+_", "", name.lower()))


def _folder(path: str, option: str) -> Path:
    folder = Path(path).expanduser()
    if not folder.is_dir():
        raise InputError(f"{option}={path} is no folder.")
    return folder


def open_tasks(found: dict[str, Path], listed: Mapping[str, Mapping], max_cases: int | None, cache: Path) -> None:
    """Check the data sets and make them tasks of this process under the benchmark's names."""
    from tebench.tasks import catalogue
    from tebench.tasks.dataset import open_dataset

    for name, path in found.items():
        task = open_dataset(path, max_cases=max_cases, cache=cache)
        if task.facts["note"]:
            log.warning("data set %s: %s", path, task.facts["note"])
        catalogue.add(replace(task, name=name, title=listed[name]["title"]))


def missing(benchmark: Benchmark, encoders, tasks, there: set[str], has: set[str]) -> list[str]:
    """One line for everything that is not there, with where to get it and which option names its folder."""
    lines = []
    if lacking := [name for name in encoders if name not in there]:
        lines.append(f"checkpoints (benchmark.checkpoints={benchmark.checkpoints or 'FOLDER'}):")
        lines += [f"  {name}: {benchmark.encoders[name]}" for name in lacking]
    if lacking := [name for name in tasks if name not in has]:
        lines.append(f"data sets, as nnU-Net raw or Decathlon folders (benchmark.data={benchmark.data or 'FOLDER'}):")
        sets = benchmark.datasets
        lines += [f"  {name}: {sets[name]['title']}, {sets[name]['where']}" for name in lacking]
    return lines


def resolve(settings: Settings, cache: Path) -> tuple[list[str], list[str], list[str]]:
    """(pool, encoders that are there, tasks that are there), registered under their names; the rest is said."""
    from tebench.base.errors import unknown_name

    benchmark = settings.benchmark
    pool = list(benchmark.encoders)
    wanted_tasks = tasks_of(settings)
    wanted = settings.encoders or pool
    for name in wanted:
        if name not in pool:
            raise unknown_name(f"encoder of benchmark {benchmark.name}", name, pool)
    checkpoints = find_encoders({name: benchmark.encoders[name] for name in wanted}, benchmark.checkpoints)
    datasets = find_datasets(benchmark.datasets, wanted_tasks, benchmark.data)
    lines = missing(benchmark, wanted, wanted_tasks, set(checkpoints), set(datasets))
    listing = "\n".join(lines)
    least = min(3, len(wanted))  # a member of a sweep may be asked for one
    if len(checkpoints) < least or not datasets:
        raise InputError(
            f"benchmark {benchmark.name} needs at least {least} encoders and 1 data set; {len(checkpoints)} and "
            f"{len(datasets)} are there. Missing:\n{listing}\nPublished scores need none of these: scores=FILE.csv."
        )
    if lines:
        log.warning("benchmark %s runs without what is missing:\n%s", benchmark.name, listing)
    register(checkpoints)
    open_tasks(datasets, benchmark.datasets, benchmark.max_cases, cache / "datasets")
    return pool, [name for name in pool if name in checkpoints], list(datasets)


def tasks_of(settings: Settings) -> list[str]:
    """The tasks asked for, checked: the benchmark's, `tasks=[...]`, or all it lists with tasks=[all]."""
    from tebench.base.errors import unknown_name

    benchmark = settings.benchmark
    known = list(benchmark.datasets)
    wanted = settings.tasks or benchmark.tasks
    if list(wanted) == ["all"]:
        return known
    for name in wanted:
        if name not in known:
            raise unknown_name("task", name, [*known, "all"])
    return list(wanted)
