"""nnU-Net raw data sets: imagesTr/{case}_{0000}{ending}, labelsTr/{case}{ending}, dataset.json.

Format: github.com/MIC-DKFZ/nnUNet, documentation/dataset_format.md. An explicit `dataset` listing is read too; a
`training` list (nnU-Net v1) is read by `tebench.tasks.datalist`.
"""

from __future__ import annotations

import re
from pathlib import Path

from tebench.base.errors import InputError
from tebench.tasks.images import PICTURES, ending_of
from tebench.tasks.labels import read_labels, whole
from tebench.tasks.layout import Files, Layout, Problem, channel_names, place, twice


def layout(folder: Path, description: dict, outside: bool = True) -> Layout:
    """What dataset.json and the folder's listing say; no image is opened."""
    where = folder / "dataset.json"
    channels = channel_names(description.get("channel_names") or description.get("modality"), where)
    labels = read_labels(description.get("labels"), where)
    problems: list[Problem] = []
    if description.get("dataset"):
        files = _listed(folder, description["dataset"], problems, outside)
    else:
        files = _found(folder, _ending(description.get("file_ending", ".nii.gz"), where), len(channels), problems)
    return Layout(
        "nnU-Net raw", folder, str(description.get("name") or folder.name), channels, labels, tuple(files),
        (*problems, *twice(files)), tuple(count_note(description, len(files))),
        {key: description[key] for key in ("description", "reference", "licence", "license") if key in description},
    )  # fmt: skip


def count_note(description: dict, found: int) -> list[str]:
    stated = whole(description.get("numTraining"))
    return [] if stated in (None, found) else [f"dataset.json says numTraining {stated}, {found} cases were found"]


def _ending(given, where: Path) -> str:
    ending = given if not isinstance(given, str) or given.startswith(".") else f".{given}"
    if isinstance(ending, str) and ending.lower() in PICTURES:
        raise InputError(f"{where}: file_ending {given!r} is a 2-D picture format; tebench reads 3-D images only.")
    if not isinstance(ending, str) or not re.fullmatch(r"(\.[A-Za-z0-9]+)+", ending) or not ending_of("x" + ending):
        raise InputError(f"{where}: file_ending must be such as .nii.gz, .nii, .nrrd or .mha, got {given!r}.")
    return ending


def _found(folder: Path, ending: str, n_channels: int, problems: list[Problem]) -> list[Files]:
    """Cases by the listing of labelsTr, matched with the channel files of imagesTr."""
    images, labels = folder / "imagesTr", folder / "labelsTr"
    for directory in (images, labels):
        if not directory.is_dir():
            raise InputError(f"{directory} does not exist; an nnU-Net raw data set has imagesTr and labelsTr.")
    names = _stems(labels, ending)
    channels: dict[str, set[int]] = {}
    unnumbered: set[str] = set()
    stems = _stems(images, ending)
    # Equal names on both sides: either the labels carry a channel number, or the images carry none.
    both = [re.fullmatch(r"(.+)_(\d{4})", stem) for stem in stems if stem in names]
    labels_numbered = bool(both) and all(match and int(match[2]) < n_channels for match in both)
    for stem in stems:
        match = re.fullmatch(r"(.+)_(\d{4})", stem)
        if not labels_numbered and stem in names and not (images / f"{stem}_0000{ending}").is_file():
            unnumbered.add(stem)
            read_as = f"; its _{match[2]} would be read as channel {int(match[2])} of {match[1]!r}" if match else ""
            text = f"its name has no channel number; nnU-Net wants {stem}_0000{ending}{read_as}"
            problems.append(Problem(str(images / f"{stem}{ending}"), text, stem, "image names without channel number"))
        elif match is None:
            text = f"its name has no channel number such as _0000: {stem}_0000{ending}"
            problems.append(Problem(str(images / f"{stem}{ending}"), text, stem, "image names without channel number"))
        else:
            channels.setdefault(match[1], set()).add(int(match[2]))
    files = []
    for name in names:
        if name in unnumbered:
            continue
        match = re.fullmatch(r"(.+)_(\d{4})", name)
        if name not in channels and match and match[1] in channels and match[1] not in names:
            text = f"label names carry no channel number; nnU-Net wants {match[1]}{ending}"
            problems.append(
                Problem(str(labels / f"{name}{ending}"), text, match[1], "label names with a channel number")
            )
            channels.pop(match[1])
            continue
        there = channels.pop(name, set())
        paths = [images / f"{name}_{channel:04d}{ending}" for channel in range(n_channels)]
        if there == {0}:
            paths = paths[:1]  # it may hold every channel; checked when it is opened
        files.append(Files(name, tuple(paths), labels / f"{name}{ending}"))
        for extra in sorted(there - set(range(n_channels))):
            text = f"channel {extra}, but dataset.json names {n_channels} (from 0)"
            problems.append(Problem(str(images / f"{name}_{extra:04d}{ending}"), text, name, "unknown channels"))
    for name in channels:
        text = f"the label map of image {name!r} is missing"
        problems.append(Problem(str(labels / f"{name}{ending}"), text, name, "label maps missing"))
    if not names and not problems:
        problems.append(Problem(str(labels), f"no label map ends with {ending}"))
    return files


def _stems(folder: Path, ending: str) -> list[str]:
    """Names of the folder's files with this ending, without it, sorted."""
    found = (path.name for path in folder.iterdir() if not path.name.startswith("."))
    return sorted(name.removesuffix(ending) for name in found if name.endswith(ending))


def _listed(folder: Path, given, problems: list[Problem], outside: bool) -> list[Files]:
    """Cases of an explicit `dataset`: {case: {"images": [...], "label": ...}}."""
    where = folder / "dataset.json"
    if not isinstance(given, dict) or not given:
        raise InputError(f"{where}: dataset must be {{case: {{images, label}}}}, got {given!r}.")
    files = []
    for name, entry in given.items():
        try:
            if not isinstance(entry, dict) or not isinstance(entry.get("images"), list) or not entry["images"]:
                raise InputError("needs `images` (a list) and `label`")
            images = tuple(place(folder, path, outside) for path in entry["images"])
            files.append(Files(str(name), images, place(folder, entry.get("label"), outside)))
        except InputError as error:
            problems.append(Problem(str(where), f"case {name!r}: {error}", str(name), "entries of `dataset`"))
    return files
