"""Data sets whose dataset.json lists its cases under `training`: Decathlon, nnU-Net v1, MONAI.

Decathlon: Antonelli et al. 2022, doi:10.1038/s41467-022-30695-9; several modalities are the last axis of one file.
nnU-Net v1: the entry names the image without _0000, the files on disk have it. MONAI: `image` may be a list of files,
and `modality` and `labels` must be added, since a datalist has neither.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from tebench.base.errors import InputError
from tebench.tasks.images import ending_of
from tebench.tasks.labels import read_labels
from tebench.tasks.layout import Files, Layout, Problem, channel_names, place, twice
from tebench.tasks.nnunet import count_note


def layout(folder: Path, description: dict, outside: bool = True) -> Layout:
    """What dataset.json says; no image is opened, but files are looked for."""
    where = folder / "dataset.json"
    training = description.get("training")
    if not isinstance(training, list) or not training:
        raise InputError(f"{where}: training must list images and labels, got {training!r}.")
    given = description.get("channel_names") or description.get("modality")
    if given is None or description.get("labels") is None:
        raise InputError(
            f"{where}: a list of images and labels (a MONAI datalist?) that names neither channels nor classes. Add "
            '"channel_names": {"0": "T1", ...} and "labels": {"background": 0, "tumour": 1, ...} to it.'
        )
    channels = channel_names(given, where)
    problems: list[Problem] = []
    entries: list[tuple[tuple[Path, ...], Path]] = []
    numbered = 0
    for number, entry in enumerate(training):
        try:
            if not isinstance(entry, dict) or not entry.get("image") or not entry.get("label"):
                raise InputError("needs `image` and `label`")
            names = entry["image"] if isinstance(entry["image"], list) else [entry["image"]]
            images = tuple(place(folder, name, outside) for name in names)
            if len(images) == 1 and (first_version := _numbered(images[0], len(channels))):
                images, numbered = first_version, numbered + 1
            entries.append((images, place(folder, entry["label"], outside)))
        except InputError as error:
            name = f"training[{number}]"  # it has no name of its own to be left out by
            problems.append(Problem(str(where), f"{name}: {error}", name, "entries of `training`"))
    files = _named(folder, entries)
    kind = "nnU-Net raw, version 1" if numbered else "Decathlon"
    return Layout(
        kind, folder, str(description.get("name") or folder.name), channels,
        read_labels(description["labels"], where), tuple(files), (*problems, *twice(files)),
        tuple(count_note(description, len(training))),
        {key: description[key] for key in ("description", "reference", "licence", "license") if key in description},
    )  # fmt: skip


def _numbered(image: Path, n_channels: int) -> tuple[Path, ...] | None:
    """The channel files of an entry of nnU-Net v1, whose name lacks the number; None where the file itself is there."""
    stem, ending = _stem(image), ending_of(image)
    if image.is_file() or not (image.parent / f"{stem}_0000{ending}").is_file():
        return None
    return tuple(image.parent / f"{stem}_{channel:04d}{ending}" for channel in range(n_channels))


def _named(folder: Path, entries: list[tuple[tuple[Path, ...], Path]]) -> list[Files]:
    """Cases named by their label file; by its folder where a folder a patient holds files of equal names."""
    stems = Counter(_stem(label).casefold() for _, label in entries)
    parents = Counter(label.parent for _, label in entries)
    files = []
    for images, label in entries:
        name = _stem(label)
        if stems[name.casefold()] > 1:
            try:
                parts = label.parent.relative_to(folder).parts
            except ValueError:
                parts = label.parent.parts[-1:]
            name = "_".join([*parts, *([name] if parents[label.parent] > 1 else [])]) or name
        files.append(Files(name, images, label))
    return files


def _stem(path: Path) -> str:
    ending = ending_of(path)
    return path.name[: -len(ending)] if ending else path.stem
