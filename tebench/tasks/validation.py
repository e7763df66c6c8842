"""Every case of a data set looked at before anything is computed: all problems in one report, each with its file."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np

from tebench.base.errors import InputError
from tebench.tasks.images import Image, apart, read
from tebench.tasks.layout import Files, Labels, Layout

FARTHEST = 0.1  # voxels that the corners of image and label map may lie apart [choice]
Problem = tuple[str, str]


def check(layout: Layout, ids: Iterable[str], on_case: Callable[[str], None] = lambda case: None) -> list[Problem]:
    """Problems of the chosen cases, in order."""
    chosen, problems = set(ids), []
    for files in layout.files:
        if files.id in chosen:
            problems += check_case(files, layout)
            on_case(files.id)
    return problems


def report(folder: Path, problems: list[Problem]) -> InputError:
    lines = "\n".join(f"  {file}: {text}" for file, text in problems)
    return InputError(
        f"data set {folder} has {len(problems)} problem{'s' * (len(problems) > 1)}:\n{lines}\n"
        "Mend these files, or leave their cases out with cases=[...]."
    )


def check_case(files: Files, layout: Layout) -> list[Problem]:
    """What is wrong with one case; the rest is looked at though one file fails."""
    problems: list[Problem] = []

    def opened(path: Path) -> Image | None:
        try:
            return read(path)
        except InputError as error:
            problems.append((str(path), str(error)))
            return None

    label = opened(files.label)
    if label is not None:
        problems += [(str(files.label), text) for text in label_problems(label, layout.labels)]
    n_channels = 0
    for path in files.images:
        image = opened(path)
        n_channels += 1 if image is None or image.data.ndim == 3 else image.data.shape[3]
        if image is not None:
            problems += [(str(path), text) for text in image_problems(image, label)]
            del image  # one file in memory at a time
    if n_channels != len(layout.channels):
        named = ", ".join(map(str, files.images))
        text = f"{n_channels} channels, dataset.json names {len(layout.channels)} ({', '.join(layout.channels)})"
        problems.append((named or files.id, text))
    return problems


def image_problems(image: Image, label: Image | None) -> list[str]:
    found = []
    finite = np.isfinite(image.data)
    if not finite.all():
        found.append(f"{int((~finite).sum())} voxels are NaN or infinite")
    volumes = image.data[..., None] if image.data.ndim == 3 else image.data
    empty = [channel for channel in range(volumes.shape[3]) if not volumes[..., channel].any()]
    if empty:
        found.append("is zero everywhere" + (f" in channel {empty}" if volumes.shape[3] > 1 else ""))
    if label is None or label.data.ndim != 3:
        return found
    shape = image.data.shape[:3]
    if shape != label.data.shape:
        found.append(f"image {shape} and label map {label.data.shape} differ in shape")
    elif (distance := apart(shape, image.affine, label.affine)) > FARTHEST:
        found.append(
            f"image and label map lie {distance:.2g} voxels apart at a corner (spacing {_mm(image)} against "
            f"{_mm(label)} mm, or another origin or direction)"
        )
    return found


def _mm(image: Image) -> str:
    return "x".join(f"{mm:.4g}" for mm in image.spacing)


def label_problems(label: Image, labels: Labels) -> list[str]:
    if label.data.ndim != 3:
        return [f"a label map has three axes, this has {label.data.shape}"]
    if not np.isfinite(label.data).all():
        return ["the label map holds NaN or infinite values"]
    present = np.unique(label.data)
    found = []
    known = {*labels.values, *([] if labels.ignore is None else [labels.ignore])}
    strange = [value for value in present.tolist() if value not in known]
    if strange:
        shown = ", ".join(f"{value:g}" for value in strange[:8]) + (" ..." if len(strange) > 8 else "")
        found.append(f"label values {shown} are not in dataset.json (known: {', '.join(map(str, sorted(known)))})")
    if not any(labels.values.get(value, 0) for value in present.tolist()) and not strange:
        others = "background and ignored voxels" if labels.ignore in present.tolist() else "background"
        found.append(f"the label map is empty ({others} only)")
    return found
