"""A task from a folder of the user's: nnU-Net raw or Decathlon, every case checked before any computing.

A checked data set is remembered by the sizes and times of its files, so that it is checked and hashed once.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tebench.base import storage
from tebench.base.errors import CacheError, InputError, unknown_name
from tebench.tasks import validation
from tebench.tasks.base import IGNORED, Case, Task
from tebench.tasks.images import read
from tebench.tasks.layout import Files, Labels, Layout, read_description

log = logging.getLogger(__name__)

VERSION = 1  # raise when the same files would give other cases
REGION_RULE = "each voxel has the last declared region that holds its value"


def read_layout(folder: Path) -> Layout:
    """The layout of either kind of data set, told apart by its dataset.json."""
    from tebench.tasks import decathlon, nnunet

    folder = Path(folder).expanduser().absolute()
    if not folder.is_dir():
        raise InputError(f"data set {folder} does not exist, or is no folder.")
    description = read_description(folder)
    kind = decathlon if isinstance(description.get("training"), list) else nnunet
    return kind.layout(folder, description)


def open_dataset(
    path: str | Path,
    *,
    cases: Sequence[str] | None = None,
    max_cases: int | None = None,
    cache: Path | None = None,
    on_case: Callable[[str], None] = lambda case: None,
) -> Task:
    """The folder's labelled cases as a task; `test_cases` is empty.

    cases: ids to take, None = all.   max_cases: at most so many of them, chosen by a hash of their names, so
    that a larger number only adds cases.   cache: where finished checks are remembered.   on_case: called after
    each checked case.
    Raises InputError with one report of all problems of the chosen cases, each with its file.
    """
    layout = read_layout(Path(path))
    taken = choose(layout, cases, max_cases)
    chosen = [files for files in layout.files if files.id in taken]
    problems = [problem for problem in layout.problems if not cases or _concerns(problem, taken)]
    if not chosen and not problems:
        problems = [(str(layout.folder), "no cases found")]
    hashes = _remembered(layout, chosen, cache)
    if hashes is None:
        problems += validation.check(layout, taken, on_case)
        if not problems:
            hashes = _remember(layout, chosen, cache)
    if problems:
        raise validation.report(layout.folder, problems)
    for note in layout.notes:
        log.warning("data set %s: %s", layout.folder, note)
    return Task(
        name=re.sub(r"[^A-Za-z0-9._-]+", "_", layout.folder.name).lstrip(".") or "dataset",
        title=layout.title,
        classes=layout.labels.classes,
        cases=tuple(files.id for files in chosen),
        test_cases=(),
        facts=_facts(layout, len(chosen)),
        fingerprint=storage.hash_json(
            {"version": VERSION, "channels": list(layout.channels), "labels": _plain(layout.labels), "files": hashes}
        ),
        loader=Loader(tuple(chosen), layout.labels),
    )


def choose(layout: Layout, cases: Sequence[str] | None, max_cases: int | None) -> list[str]:
    """Ids of the chosen cases, sorted."""
    ids = sorted(files.id for files in layout.files)
    if cases is not None:
        if isinstance(cases, str) or not cases or len(set(cases)) < len(cases):
            raise InputError(f"cases must list case names, each once, got {cases!r}.")
        for name in cases:
            if name not in ids:
                raise unknown_name(f"case of {layout.folder.name}", name, ids)
        ids = sorted(cases)
    if max_cases is not None:
        if not isinstance(max_cases, int) or isinstance(max_cases, bool) or max_cases < 1:
            raise InputError(f"max_cases must be a whole number >= 1, got {max_cases!r}.")
        ids = sorted(sorted(ids, key=lambda name: storage.sha256_bytes(name.encode()))[:max_cases])
    return ids


def _concerns(problem: tuple[str, str], ids: list[str]) -> bool:
    """Whether a problem of the listing is about one of these cases; others were left out on purpose."""
    return any(f"{name!r}" in problem[1] or Path(problem[0]).name.startswith(name) for name in ids)


@dataclass(frozen=True)
class Loader:
    """Reads one case; a plain object, so that a task can be sent to worker processes."""

    files: tuple[Files, ...]
    labels: Labels

    def __call__(self, case_id: str) -> Case:
        files = next(files for files in self.files if files.id == case_id)
        image, spacing, at = None, None, 0
        for path in files.images:
            one = _read(path)
            data = one.data[..., None] if one.data.ndim == 3 else one.data
            if image is None:
                # Filled in place: a large case must not stand twice in memory.
                image = np.empty((data.shape[3] * len(files.images), *data.shape[:3]), dtype=np.float32)
                spacing = one.spacing
            if data.shape[:3] != image.shape[1:] or at + data.shape[3] > len(image):
                raise InputError(f"{path}: has shape {data.shape}, another channel of the case {image.shape[1:]}.")
            for channel in range(data.shape[3]):
                image[at + channel] = data[..., channel]
            at += data.shape[3]
            del one, data
        if at < len(image):
            raise InputError(f"{files.images[0]}: {at} channels in {len(files.images)} files; each must hold as many.")
        label = _read(files.label)
        return Case(case_id, image, class_map(label.data, self.labels, files.label), spacing, "subject")


def _read(path: Path):
    try:
        return read(path)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error


def class_map(data: np.ndarray, labels: Labels, path: Path) -> np.ndarray:
    """Values of a label file -> class indices, int16; the ignore label -> IGNORED."""
    out = np.empty(data.shape, dtype=np.int16)
    # Slice by slice: what sorting a whole map takes is sixteen times the map.
    for place in range(len(data)):
        values, inverse = np.unique(data[place], return_inverse=True)
        table = np.zeros(len(values), dtype=np.int16)
        for index, value in enumerate(values.tolist()):
            if labels.ignore is not None and value == labels.ignore:
                table[index] = IGNORED
                continue
            if value not in labels.values:
                raise InputError(f"{path}: label value {value:g} has no class; it changed since it was checked.")
            table[index] = labels.values[value]
        out[place] = table[inverse.reshape(-1)].reshape(data[place].shape)
    return out


def _facts(layout: Layout, n_cases: int) -> dict:
    return {
        "modality": ", ".join(layout.channels),
        "anatomy": str(layout.words.get("description") or ", ".join(layout.labels.classes[1:])),
        "source": f"{layout.kind}, {layout.folder}",
        "licence": str(layout.words.get("licence") or layout.words.get("license") or "not stated"),
        "label_origin": "not stated",
        "n_cases": f"{n_cases} of {len(layout.files)}",
        "note": "; ".join([*layout.notes, *_label_notes(layout.labels)]),
    }


def _label_notes(labels: Labels) -> list[str]:
    ignored = [] if labels.ignore is None else [f"voxels of value {labels.ignore} (ignore) are in no sample"]
    return [*([f"regions: {REGION_RULE}"] if labels.regions else []), *ignored]


def _plain(labels: Labels) -> dict:
    values = {str(value): index for value, index in labels.values.items()}
    return {"classes": list(labels.classes), "values": values, "ignore": labels.ignore}


def _stamp(layout: Layout, chosen: list[Files], cache: Path | None) -> Path:
    """Where the check of these files in this state is remembered."""
    state = {}
    for files in chosen:
        for path in (*files.images, files.label):
            stat = path.stat() if path.is_file() else None
            state[str(path)] = [stat.st_size, stat.st_mtime_ns] if stat else None
    key = storage.hash_json(
        {"version": VERSION, "files": state, "labels": _plain(layout.labels), "channels": list(layout.channels)}
    )
    return Path(cache or storage.cache_root() / "datasets") / f"{key[:32]}.json"


def _remembered(layout: Layout, chosen: list[Files], cache: Path | None) -> dict | None:
    path = _stamp(layout, chosen, cache)
    if not path.exists():
        return None
    try:
        found = storage.read_signed(path)
    except CacheError as error:
        log.warning("%s The data set is checked again.", error)
        return None
    return found if set(found) == {files.id for files in chosen} else None


def _remember(layout: Layout, chosen: list[Files], cache: Path | None) -> dict:
    """Size and sha256 of every file by case, written down."""
    hashes = {
        files.id: [[path.stat().st_size, storage.sha256_file(path)] for path in (*files.images, files.label)]
        for files in chosen
    }
    storage.write_signed(_stamp(layout, chosen, cache), hashes)
    return hashes
