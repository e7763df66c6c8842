"""Every case of a data set looked at before anything is computed: problems by kind, and what the case holds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from tebench.base.errors import InputError
from tebench.tasks.geometry import fit, orientation
from tebench.tasks.images import Image
from tebench.tasks.labels import Labels
from tebench.tasks.layout import Files, Layout, Problem
from tebench.tasks.reading import read

ROUND = 1e-3  # label values that a header's scaling moved this far from whole numbers are rounded [choice]
MOST_VALUES = 4096  # different values of a map; one with more is an image
SHOWN = 3  # files of one kind of problem that a report names with their text
MOST_NAMES = 20
SAMPLED = 2**20  # voxels that percentiles are taken of


@dataclass
class Checked:
    """One case. notes: what is unusual and harmless, a phrase each.   facts: plain values, see `check_case`."""

    problems: list[Problem] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    facts: dict = field(default_factory=dict)


def check_case(files: Files, layout: Layout, geometry: str = "file") -> Checked:
    """What is wrong with one case, and what it holds; the rest is looked at though one file fails.

    facts: shape, spacing (mm), orientation; intensities, one {min, max, mean, sd, p0.5, p50, p99.5} a channel;
    constant, the channels that have one value everywhere; voxels, one count a class; ignored, a count.
    """
    made = Checked()

    def problem(path: Path, text: str, kind: str = "") -> None:
        made.problems.append(Problem(str(path), text, files.id, kind or text))

    def opened(path: Path, what: str) -> Image | None:
        try:
            image = read(path, geometry)
        except InputError as error:
            problem(path, str(error), _kind(str(error)))
            return None
        made.notes += [f"{what}: {note}" for note in image.notes]
        return image

    label = opened(files.label, "label map")
    if label is not None and label.data.ndim != 3:
        shape = label.data.shape
        problem(
            files.label, f"a label map has three axes, this has shape {shape}; overlapping segments or one-hot classes "
            "must be merged into one map", "label maps with more than three axes"
        )  # fmt: skip
        label = None
    if label is not None:
        _check_label(label, layout.labels, files.label, problem, made)
    _check_images(files, layout, geometry, label, opened, problem, made)
    made.notes = list(dict.fromkeys(made.notes))
    return made


def _check_images(files: Files, layout: Layout, geometry: str, label, opened, problem, made: Checked) -> None:
    first, n_channels, intensities = None, 0, []
    for path in files.images:
        image = opened(path, "image")
        if image is None:
            n_channels += 1
            continue
        n_channels += image.channels
        if first is None:
            first = Image(_stub(image.data), image.affine, image.placed, image.other, image.form)
            made.facts |= {
                "shape": list(image.data.shape[:3]), "spacing": [round(mm, 6) for mm in image.spacing],
                "orientation": orientation(image.affine) if image.placed else "not stated",
            }  # fmt: skip
            other, what = label, "label map"
        else:
            other, what = image, "channel"
        if other is not None:
            _, note, why = fit(other, first, geometry, what)
            if why:
                problem(path, why, f"{what} and image on different grids")
            if note:
                made.notes.append(f"{what}: {note}")
        finite = np.isfinite(image.data)
        if not finite.all():
            problem(path, f"{int((~finite).sum())} voxels are NaN or infinite", "voxels that are NaN or infinite")
        volumes = image.data[..., None] if image.data.ndim == 3 else image.data
        intensities += [intensity(volumes[..., channel]) for channel in range(volumes.shape[3])]
        del image, volumes, finite  # one file in memory at a time
    wanted = len(layout.channels)
    if n_channels != wanted:
        if len(files.images) == 1 and n_channels == 1 and files.images[0].stem.split(".")[0].endswith("_0000"):
            missing = files.images[0].name.replace("_0000.", "_0001.")
            problem(files.images[0].parent / missing, "the file is missing")
        else:
            text = f"{n_channels} channels, dataset.json names {wanted} ({', '.join(layout.channels)})"
            problem(Path(", ".join(map(str, files.images))), text)
    constant = [index for index, one in enumerate(intensities) if one["min"] == one["max"]]
    if constant and len(constant) == len(intensities):
        values = ", ".join(f"{intensities[index]['min']:g}" for index in constant)
        problem(
            files.images[0], f"has the same value everywhere ({values}): nothing to read, perhaps a failed export",
            "images with one value everywhere"
        )  # fmt: skip
    elif constant:
        names = ", ".join(layout.channels[index] for index in constant if index < wanted)
        made.notes.append(f"channel {names} has one value everywhere, as a missing channel that was filled in")
    made.facts |= {"intensities": intensities, "constant": constant}


def _stub(data: np.ndarray) -> np.ndarray:
    """An array of the same shape that takes no memory: a grid is compared, not its values."""
    return np.broadcast_to(np.float32(0), data.shape[:3])


def intensity(volume: np.ndarray) -> dict:
    """{min, max, mean, sd, p0.5, p50, p99.5} of one channel's finite voxels; percentiles of every k-th voxel."""
    flat = volume.reshape(-1)
    finite = flat if np.isfinite(volume).all() else flat[np.isfinite(flat)]
    if not finite.size:
        return dict.fromkeys(("min", "max", "mean", "sd", "p0.5", "p50", "p99.5"), 0.0)
    part = finite[:: max(1, finite.size // SAMPLED)]
    low, middle, high = (float(value) for value in np.percentile(part, (0.5, 50, 99.5)))
    mean = float(finite.mean(dtype=np.float64))
    found = {
        "min": float(finite.min()), "max": float(finite.max()), "mean": mean,
        "sd": float(finite.std(dtype=np.float64)) if finite.size < SAMPLED * 8 else float(part.std(dtype=np.float64)),
        "p0.5": low, "p50": middle, "p99.5": high,
    }  # fmt: skip
    return {key: float(f"{value:.6g}") if key not in ("min", "max") else value for key, value in found.items()}


def _check_label(label: Image, labels: Labels, path: Path, problem, made: Checked) -> None:
    if not np.isfinite(label.data).all():
        problem(path, "the label map holds NaN or infinite values")
        return
    counts: dict[float, int] = {}
    for part in label.data:  # sorting a whole map takes sixteen times its memory
        values, times = np.unique(part, return_counts=True)
        for value, number in zip(values.tolist(), times.tolist(), strict=True):
            counts[value] = counts.get(value, 0) + number
        if len(counts) > MOST_VALUES:
            problem(path, f"more than {MOST_VALUES} different values; this is an image, no label map", "no label map")
            return
    known, strange, whole = set(labels.known), [], {}
    for value, number in counts.items():
        near = round(value)
        if abs(value - near) > ROUND or near not in known:
            strange.append(value)
        else:
            whole[near] = whole.get(near, 0) + number
    if strange:
        shown = ", ".join(_digits(value) for value in sorted(strange)[:8]) + (" ..." if len(strange) > 8 else "")
        problem(
            path, f"label values {shown} are not in dataset.json (known: {', '.join(map(str, labels.known))})",
            "label values that are not in dataset.json"
        )  # fmt: skip
        return
    if any(value != round(value) for value in counts):
        made.notes.append(f"label values within {ROUND:g} of whole numbers are rounded")
    voxels = [0] * len(labels.classes)
    for value, number in whole.items():
        if value in labels.values:
            voxels[labels.values[value]] += number
    ignored = whole.get(labels.ignore, 0) if labels.ignore is not None else 0
    made.facts |= {"voxels": voxels, "ignored": ignored}
    if not sum(voxels):
        problem(path, "every voxel is to be ignored; nothing can be read")


def _digits(value: float) -> str:
    """Enough digits that a value differs from the whole number beside it."""
    return f"{value:g}" if float(f"{value:g}") == value else repr(value)


def _kind(text: str) -> str:
    return text.split(" (")[0].split(";")[0] if "corrupt or not readable" in text else text


def report(folder: Path, problems: Sequence[Problem], hint: str = "") -> InputError:
    """One error for all problems, those of one kind together."""
    kinds: dict[str, list[Problem]] = {}
    for problem in problems:
        kinds.setdefault(problem.kind or problem.text, []).append(problem)
    lines = [line for kind, alike in kinds.items() for line in collapsed(kind, alike)]
    cases = list(dict.fromkeys(problem.case for problem in problems if problem.case))
    named = ",".join(cases[:MOST_NAMES]) + (",..." if len(cases) > MOST_NAMES else "")
    ways = f" or leave the cases out: exclude=[{named}], or all that are broken: skip_broken=true" if cases else ""
    return InputError(
        f"data set {folder} has {len(problems)} problem{'s' * (len(problems) > 1)}:\n" + "\n".join(lines)
        + f"\nMend these files{ways}.{hint}"
    )  # fmt: skip


def collapsed(kind: str, alike: Sequence[Problem]) -> list[str]:
    """Lines for problems of one kind: each of a few; of many the first ones and the others' cases."""
    lines = [f"  {problem.file}: {problem.text}" for problem in alike[:SHOWN]]
    rest = alike[SHOWN:]
    if len(rest) == 1:
        lines.append(f"  {rest[0].file}: {rest[0].text}")
    elif rest:
        names = list(dict.fromkeys(problem.case or problem.file for problem in rest))
        shown = ", ".join(names[:MOST_NAMES]) + (" ..." if len(names) > MOST_NAMES else "")
        lines.append(f"    and {len(rest)} more of the kind '{kind}': {shown}")
    return lines
