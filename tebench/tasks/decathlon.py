"""Data sets of the Medical Segmentation Decathlon: dataset.json with `training`, `modality`, `labels`.

Antonelli et al. 2022, doi:10.1038/s41467-022-30695-9. Several modalities are the last axis of one file.
"""

from __future__ import annotations

from pathlib import Path

from tebench.base.errors import InputError
from tebench.tasks.images import ending_of
from tebench.tasks.layout import Files, Layout, channel_names, inside, plain_labels, twice, whole


def layout(folder: Path, description: dict) -> Layout:
    """What dataset.json says; no image is opened."""
    where = folder / "dataset.json"
    training = description.get("training")
    if not isinstance(training, list) or not training:
        raise InputError(f"{where}: training must list images and labels, got {training!r}.")
    problems: list[tuple[str, str]] = []
    files = []
    for number, entry in enumerate(training):
        try:
            if not isinstance(entry, dict) or "image" not in entry or "label" not in entry:
                raise InputError("needs `image` and `label`")
            label = inside(folder, entry["label"])
            name = label.name.removesuffix(ending_of(label)) if ending_of(label) else label.stem
            files.append(Files(name, (inside(folder, entry["image"]),), label))
        except InputError as error:
            problems.append((str(where), f"training entry {number}: {error}"))
    stated, notes = description.get("numTraining"), []
    if whole(stated) and stated != len(training):
        notes.append(f"dataset.json says numTraining {stated}, lists {len(training)}")
    return Layout(
        "Decathlon", folder, str(description.get("name") or folder.name),
        channel_names(description.get("modality"), where), _labels(description.get("labels"), where), tuple(files),
        (*problems, *twice(files)), tuple(notes),
        {key: description[key] for key in ("description", "reference", "licence", "license") if key in description},
    )  # fmt: skip


def _labels(given, where: Path):
    """{"0": "background", "1": "liver"} -> classes."""
    if not isinstance(given, dict) or not given or not all(str(key).isdigit() for key in given):
        raise InputError(f"{where}: labels must be {{value: name}} such as {{'0': 'background'}}, got {given!r}.")
    names: dict[str, int] = {}
    for value, name in given.items():
        if str(name) in names:
            raise InputError(f"{where}: two labels are called {name!r}.")
        names[str(name)] = int(value)
    return plain_labels(names, where)
