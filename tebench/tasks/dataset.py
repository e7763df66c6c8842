"""A task from a folder of the user's: nnU-Net raw, Decathlon or a datalist, every case checked before any computing."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tebench.base import storage
from tebench.base.errors import InputError
from tebench.tasks import survey as surveys
from tebench.tasks.base import IGNORED, Case, Task
from tebench.tasks.geometry import fit, turned
from tebench.tasks.images import Image
from tebench.tasks.labels import Labels
from tebench.tasks.layout import Files, Problem
from tebench.tasks.reading import read
from tebench.tasks.survey import Survey
from tebench.tasks.validation import ROUND, report


def open_dataset(
    path: str | Path,
    *,
    cases: Sequence[str] | None = None,
    exclude: Sequence[str] | None = None,
    max_cases: int | None = None,
    skip_broken: bool = False,
    geometry: str = "file",
    outside: bool = True,
    cache: Path | None = None,
    on_case: Callable[[str], None] = lambda case: None,
) -> Task:
    """The folder's labelled cases as a task; `test_cases` is empty.

    path: folder with dataset.json, or a JSON file that lists images and labels.
    cases: ids to take, None = all.   exclude: ids to leave out.   max_cases: at most so many of them, chosen by a
    hash of their names, so that a larger number only adds cases.
    skip_broken: cases with problems are left out and listed in `facts["left_out"]`, not refused.
    geometry: "sform" or "qform" of NIfTI headers goes first; "voxels" pairs image and label map as they are stored.
    outside: whether dataset.json may name files outside the folder; False for a description that you did not write.
    cache: where finished checks are remembered.   on_case: called after each checked case.

    Classes that no case holds are no classes of the task. An empty label map gives background only.
    Raises InputError with one report of all problems of the chosen cases, each with its file.
    """
    if not isinstance(skip_broken, bool):
        raise InputError(f"skip_broken must be true or false, got {skip_broken!r}.")
    found = surveys.survey(
        path, cases=cases, exclude=exclude, max_cases=max_cases, geometry=geometry, outside=outside, cache=cache,
        on_case=on_case,
    )  # fmt: skip
    return as_task(found, skip_broken)


def as_task(found: Survey, skip_broken: bool = False) -> Task:
    """The task of a survey's sound cases; InputError where a problem stands in the way."""
    layout, sound = found.layout, found.sound
    if found.general or (found.problems and not skip_broken):
        raise report(layout.folder, found.problems)
    if not sound:
        raise report(layout.folder, found.problems, " No case is left.")
    voxels = found.voxels()
    if not any(voxels[1:]):
        nothing = "no label map holds a foreground voxel: there is nothing to tell apart"
        raise report(layout.folder, [Problem(str(layout.folder), nothing)])
    labels = layout.labels.only(index for index, n in enumerate(voxels) if n)
    notes = found.notes()
    hashes = {files.id: found.hashes[files.id] for files in sound}
    made_from = {
        "version": surveys.VERSION, "channels": list(layout.channels), "labels": surveys.plain(labels), "files": hashes,
    }  # fmt: skip
    if found.geometry != "file":
        made_from["geometry"] = found.geometry
    return Task(
        name=re.sub(r"[^A-Za-z0-9._-]+", "_", layout.folder.name).lstrip(".") or "dataset",
        title=layout.title,
        classes=labels.classes,
        cases=tuple(files.id for files in sound),
        test_cases=(),
        facts=_facts(found, labels, notes),
        fingerprint=storage.hash_json(made_from),
        loader=Loader(sound, labels, len(layout.channels), found.geometry),
    )


def _facts(found: Survey, labels: Labels, notes: list[str]) -> dict:
    layout = found.layout
    return {
        "modality": ", ".join(layout.channels),
        "anatomy": str(layout.words.get("description") or ", ".join(labels.classes[1:])),
        "source": f"{layout.kind}, {layout.folder}",
        "licence": str(layout.words.get("licence") or layout.words.get("license") or "not stated"),
        "label_origin": "not stated",
        "n_cases": f"{len(found.sound)} of {len(layout.files)}",
        "note": "; ".join(notes),
        "left_out": {case: [f"{one.file}: {one.text}" for one in these] for case, these in found.broken.items()},
        "excluded": list(found.excluded),
        "absent": [name for name in layout.labels.classes if name not in labels.classes],
        "per_case": {
            files.id: {**found.checks[files.id].facts, "voxels": _kept(found, files.id, labels)}
            for files in found.sound
        },
    }


def _kept(found: Survey, case_id: str, labels: Labels) -> list[int]:
    """Voxels of each of the task's classes in one case."""
    voxels = dict(zip(found.layout.labels.classes, found.checks[case_id].facts["voxels"], strict=True))
    return [voxels[name] for name in labels.classes]


@dataclass(frozen=True)
class Loader:
    """Reads one case; a plain object, so that a task can be sent to worker processes."""

    files: tuple[Files, ...]
    labels: Labels
    n_channels: int
    geometry: str = "file"

    def __call__(self, case_id: str) -> Case:
        files = next(files for files in self.files if files.id == case_id)
        label = self._read(files.label)
        stored, grid, at = None, None, 0
        for path in files.images:
            one = self._read(path)
            if grid is None:
                # Filled in place: a large case must not stand twice in memory.
                stored = np.empty((self.n_channels, *one.data.shape[:3]), dtype=np.float32)
                grid = Image(stored[0], one.affine, one.placed, one.other, one.form)
                data = one.data
            else:
                data = self._onto(one, grid, path)
            if at + one.channels > self.n_channels:
                raise InputError(f"{path}: more than {self.n_channels} channels; it changed since it was checked.")
            for channel in range(one.channels):
                stored[at + channel] = data if data.ndim == 3 else data[..., channel]
            at += one.channels
            del one, data
        if at < self.n_channels:
            raise InputError(f"{files.images[0]}: {at} of {self.n_channels} channels; it changed since it was checked.")
        labels = class_map(np.ascontiguousarray(self._onto(label, grid, files.label)), self.labels, files.label)
        return Case(case_id, stored, labels, grid.spacing, "subject")

    def _read(self, path: Path) -> Image:
        try:
            return read(path, self.geometry)
        except InputError as error:
            raise InputError(f"{path}: {error}") from error

    def _onto(self, image: Image, grid: Image, path: Path) -> np.ndarray:
        """The array with its axes as the grid's; lossless."""
        how, _, why = fit(image, grid, self.geometry, "file")
        if why:
            raise InputError(f"{path}: {why}; it changed since it was checked.")
        return image.data if how is None else turned(image.data, how)


def class_map(data: np.ndarray, labels: Labels, path: Path) -> np.ndarray:
    """Values of a label file -> class indices, int16; the ignore label -> IGNORED."""
    out = np.empty(data.shape, dtype=np.int16)
    # Slice by slice: what sorting a whole map takes is sixteen times the map.
    for place in range(len(data)):
        values, inverse = np.unique(data[place], return_inverse=True)
        table = np.zeros(len(values), dtype=np.int16)
        for index, value in enumerate(values.tolist()):
            near = round(value) if np.isfinite(value) else None
            if near is None or abs(value - near) > ROUND or (near not in labels.values and near != labels.ignore):
                raise InputError(f"{path}: label value {value!r} has no class; it changed since it was checked.")
            table[index] = IGNORED if near == labels.ignore else labels.values[near]
        out[place] = table[inverse.reshape(-1)].reshape(data[place].shape)
    return out
