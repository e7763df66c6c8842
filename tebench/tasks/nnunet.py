"""nnU-Net raw data sets: imagesTr/{case}_{0000}{ending}, labelsTr/{case}{ending}, dataset.json.

Format: github.com/MIC-DKFZ/nnUNet, documentation/dataset_format.md. An explicit `dataset` listing is read too.
"""

from __future__ import annotations

import re
from pathlib import Path

from tebench.base.errors import InputError
from tebench.tasks.images import ending_of
from tebench.tasks.layout import Files, Labels, Layout, channel_names, inside, plain_labels, region_labels, twice, whole


def layout(folder: Path, description: dict) -> Layout:
    """What dataset.json and the folder's listing say; no image is opened."""
    where = folder / "dataset.json"
    channels = channel_names(description.get("channel_names") or description.get("modality"), where)
    labels = read_labels(description.get("labels"), where)
    problems: list[tuple[str, str]] = []
    if "dataset" in description:
        files = _listed(folder, description["dataset"], problems)
    else:
        files = _found(folder, _ending(description.get("file_ending", ".nii.gz"), where), len(channels), problems)
    stated, notes = description.get("numTraining"), []
    if whole(stated) and stated != len(files):
        notes.append(f"dataset.json says numTraining {stated}, {len(files)} cases were found")
    return Layout(
        "nnU-Net raw", folder, str(description.get("name") or folder.name), channels, labels, tuple(files),
        (*problems, *twice(files)), tuple(notes),
        {key: description[key] for key in ("description", "reference", "licence", "license") if key in description},
    )  # fmt: skip


def read_labels(given, where: Path) -> Labels:
    """`labels` of dataset.json: {name: value}, or {name: [values]} for regions; `ignore` apart."""
    if not isinstance(given, dict) or not given:
        raise InputError(f"{where}: labels must be {{name: value}}, got {given!r}.")
    if all(str(key).isdigit() for key in given):
        raise InputError(f"{where}: labels must be {{name: value}}; these are {{value: name}}, the Decathlon's order.")
    names = dict(given)
    ignore = names.pop("ignore", None)
    if ignore is not None and not whole(ignore):
        raise InputError(f"{where}: label 'ignore' must be one whole number, got {ignore!r}.")
    if any(isinstance(value, list) for value in names.values()):
        labels = region_labels(names, where, ignore)
    else:
        labels = plain_labels(names, where, ignore)
    if ignore in labels.values:
        raise InputError(f"{where}: label 'ignore' shares its value {ignore} with another.")
    return labels


def _ending(given, where: Path) -> str:
    if not isinstance(given, str) or not re.fullmatch(r"(\.[A-Za-z0-9]+)+", given) or ending_of("x" + given) == "":
        raise InputError(f"{where}: file_ending must be such as .nii.gz, .nii, .nrrd or .mha, got {given!r}.")
    return given


def _found(folder: Path, ending: str, n_channels: int, problems: list) -> list[Files]:
    """Cases by the listing of labelsTr, matched with the channel files of imagesTr."""
    images, labels = folder / "imagesTr", folder / "labelsTr"
    for place in (images, labels):
        if not place.is_dir():
            raise InputError(f"{place} does not exist; an nnU-Net raw data set has imagesTr and labelsTr.")
    channels: dict[str, set[int]] = {}
    for path in sorted(images.iterdir()):
        if path.name.startswith(".") or not path.name.endswith(ending):
            continue
        match = re.fullmatch(r"(.+)_(\d{4})", path.name.removesuffix(ending))
        if match is None:
            problems.append((str(path), "its name has no channel number such as _0000"))
        else:
            channels.setdefault(match[1], set()).add(int(match[2]))
    names = sorted(
        path.name.removesuffix(ending)
        for path in labels.iterdir()
        if path.name.endswith(ending) and not path.name.startswith(".")
    )
    files = []
    for name in names:
        paths = tuple(images / f"{name}_{channel:04d}{ending}" for channel in range(n_channels))
        files.append(Files(name, paths, labels / f"{name}{ending}"))
        for extra in sorted(channels.pop(name, set()) - set(range(n_channels))):
            path = images / f"{name}_{extra:04d}{ending}"
            problems.append((str(path), f"channel {extra}, but dataset.json names {n_channels} (from 0)"))
    for name in channels:
        problems.append((str(labels / f"{name}{ending}"), f"the label map of image {name!r} is missing"))
    if not names and not problems:
        problems.append((str(labels), f"no label map ends with {ending}"))
    return files


def _listed(folder: Path, given, problems: list) -> list[Files]:
    """Cases of an explicit `dataset`: {case: {"images": [...], "label": ...}}."""
    if not isinstance(given, dict) or not given:
        raise InputError(f"{folder / 'dataset.json'}: dataset must be {{case: {{images, label}}}}, got {given!r}.")
    files = []
    for name, entry in given.items():
        try:
            if not isinstance(entry, dict) or not isinstance(entry.get("images"), list):
                raise InputError("needs `images` (a list) and `label`")
            images = tuple(inside(folder, path) for path in entry["images"])
            files.append(Files(str(name), images, inside(folder, entry.get("label"))))
        except InputError as error:
            problems.append((str(folder / "dataset.json"), f"case {name!r}: {error}"))
    return files
