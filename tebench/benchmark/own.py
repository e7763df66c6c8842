"""A benchmark of the user's own, from one YAML file: own data sets, own checkpoints, own ground truth.

    title: three encoders on two hospital data sets
    data: nnUNet_raw                # folder of data sets
    checkpoints: checkpoints        # folder of checkpoints
    encoders: [mae, voco, scratch]  # names of their files or folders
    tasks: {liver: Dataset003_Liver, spleen: Dataset009_Spleen}
    ground_truth: dice.csv          # encoder,task,dice[,seed][,protocol]

Paths are relative to the file. `benchmark=my.yaml` then stands wherever a benchmark's name does, and so do the files
of FOLDER/benchmark with `--config-dir FOLDER`.
"""

from __future__ import annotations

import re
from pathlib import Path

from tebench.base.errors import InputError, unknown_name

NEEDED = ("encoders", "tasks", "ground_truth")
OPTIONAL = ("title", "data", "checkpoints", "protocol", "window", "windows", "max_cases")
MOST_BYTES = 2**20
OWN: dict[str, dict] = {}  # read in this process, by name


def read(path: str | Path) -> dict:
    """The file as a whole benchmark mapping, checked; every path absolute."""
    path = Path(path).expanduser().absolute()
    given = _mapping(path)
    for name in given:
        if name not in (*NEEDED, *OPTIONAL, "name", "pool"):
            raise unknown_name(f"entry of {path.name}", name, (*NEEDED, *OPTIONAL))
    if absent := [name for name in NEEDED if not given.get(name)]:
        raise InputError(f"{path}: {', '.join(absent)} missing; a benchmark needs {', '.join(NEEDED)}.")
    name = str(given.get("name") or path.stem)
    if not re.fullmatch(r"[A-Za-z0-9_-]+", name):
        raise InputError(f"{path}: the benchmark's name {name!r} must be of letters, digits, - and _.")
    truth = _place(path, given["ground_truth"], "ground_truth")
    if not truth.is_file():
        raise InputError(f"{path}: ground_truth {truth} does not exist; expected a CSV of encoder,task,dice[,seed].")
    tasks, encoders = _named(path, given["tasks"], "tasks"), _named(path, given["encoders"], "encoders")
    data = _place(path, given["data"], "data") if given.get("data") else None
    return {
        "name": name, "title": str(given.get("title") or name), "data": None if data is None else str(data),
        "checkpoints": str(_place(path, given.get("checkpoints") or ".", "checkpoints")),
        "max_cases": given.get("max_cases"), "protocol": _protocol(path, truth, given.get("protocol")),
        "ground_truth": str(truth), "window": given.get("window"), "windows": dict(given.get("windows") or {}),
        "pool": str(given.get("pool") or name), "tasks": list(tasks),
        "encoders": {encoder: words or "your own" for encoder, words in encoders.items()},
        "datasets": {task: _dataset(path, data, task, folder) for task, folder in tasks.items()},
    }  # fmt: skip


def is_short(path: Path) -> bool:
    """Whether a file states a benchmark in this form, and not in the form of conf/benchmark."""
    return path.is_file() and {"encoders", "ground_truth"} <= set(given := _mapping(path)) and "datasets" not in given


def register(path: str | Path) -> str:
    """Let `tebench.benchmark.spec.facts_of` know the benchmark of this file, in this process; its name."""
    from tebench.benchmark.conf import group_options

    facts = read(path)
    if facts["name"] in group_options("benchmark"):
        raise InputError(f"{path}: the name {facts['name']!r} is a benchmark of tebench; choose another `name:`.")
    OWN[facts["name"]] = facts
    return facts["name"]


def _mapping(path: Path) -> dict:
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException
    from yaml import YAMLError

    if not path.is_file():
        raise InputError(f"benchmark file {path} does not exist.")
    try:
        if path.stat().st_size > MOST_BYTES:
            raise ValueError(f"more than {MOST_BYTES} bytes")
        found = OmegaConf.to_container(OmegaConf.create(path.read_text(encoding="utf-8")), resolve=True)
    except (OSError, ValueError, RecursionError, YAMLError, OmegaConfBaseException) as error:
        raise InputError(f"benchmark file {path} is not readable YAML ({error}).") from error
    if not isinstance(found, dict):
        raise InputError(f"benchmark file {path} must hold a mapping such as `title: ...`.")
    return found


def _place(path: Path, given, key: str) -> Path:
    if not isinstance(given, str) or not given:
        raise InputError(f"{path}: {key} must be a path, got {given!r}.")
    return (path.parent / Path(given).expanduser()).absolute()


def _named(path: Path, given, key: str) -> dict[str, str | None]:
    """{name: words} of a mapping, or of a list of names."""
    if isinstance(given, list) and len({str(name) for name in given}) == len(given):
        given = {str(name): None for name in given}
    if not isinstance(given, dict) or not all(isinstance(value, str | None) for value in given.values()):
        raise InputError(f"{path}: {key} must be a list of names, each once, or {{name: folder}}; got {given!r}.")
    return {str(name): value for name, value in given.items()}


def _dataset(path: Path, data: Path | None, task: str, folder: str | None) -> dict:
    """What a benchmark lists of a task: its folder, or the names that a folder below `data` may have."""
    found = None
    if folder is not None:
        places = [root / Path(folder).expanduser() for root in (data, path.parent) if root is not None]
        found = next((place for place in places if place.is_dir()), None)
        if found is None:
            raise InputError(f"{path}: data set of task {task!r}: {' and '.join(map(str, places))} are no folders.")
    elif data is None:
        raise InputError(f"{path}: task {task!r} has no folder; write tasks: {{{task}: FOLDER}}, or data: FOLDER.")
    return {"title": task, "names": [task], "where": "your own", "folder": None if found is None else str(found)}


def _protocol(path: Path, truth: Path, given) -> str:
    """The protocol whose rows count: the one that is named, or the only one of the file."""
    from tebench.evaluation.groundtruth import protocols

    known = protocols(truth)
    if given is None and len(known) > 1:
        raise InputError(
            f"{path}: {truth.name} holds protocols {', '.join(known)}; choose one: `protocol: {known[0]}`."
        )
    if given is not None and str(given) not in known:
        raise unknown_name(f"protocol of {truth.name}", str(given), known)
    return str(given or known[0])
