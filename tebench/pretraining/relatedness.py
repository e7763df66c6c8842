"""How near a source's label map is to a target's: overlap on the target's training image, no encoder involved.

What a network could know of the target if it had learned the source perfectly, where both label the same image. The
source that is the target itself is the oracle: it is marked, and its encoders belong in no pool of that task.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from tebench.tasks import source_only
from tebench.tasks.base import Task

COLUMNS = ("source", "target", "relation", "dice", "explained")
RELATIONS = ("source is target", "same image", "other image")


def relatedness(sources: Iterable[str], targets: Iterable[str]):
    """One row a pair, as a pandas frame of COLUMNS.

    relation: one of RELATIONS; where the images differ, nothing overlaps and both numbers are 0.
    dice: mean over the target's foreground classes of Dice with the source's map, after every source class (background
    too) became the target class that most of its voxels have. Range 0..1.
    explained: I(T; S) / H(T) = 1 - H(T | S) / H(T), T and S the two labels of a voxel, over the body (voxels that are
    not 0 in the image). Range 0..1; the same number as 1 + NCE / H(T) of a perfect source head.
    """
    import pandas as pd

    opened = {name: source_only.load(name) for name in {*sources, *targets}}
    lines = [(source, target, *_pair(opened[source], opened[target])) for source in sources for target in targets]
    return pd.DataFrame(lines, columns=list(COLUMNS))


def _pair(source: Task, target: Task) -> tuple[str, float, float]:
    if source.name == target.name:
        return RELATIONS[0], 1.0, 1.0
    if source.facts["training_images"] != target.facts["training_images"]:
        return RELATIONS[2], 0.0, 0.0
    case, other = (task.load(task.cases[0]) for task in (target, source))
    # One image, cropped to its body: the same grid, unless the voxels have another size.
    if case.spacing != other.spacing or case.labels.shape != other.labels.shape:
        return RELATIONS[2], 0.0, 0.0
    body = case.image[0] != 0
    joint = np.zeros((len(source.classes), len(target.classes)))
    np.add.at(joint, (other.labels[body], case.labels[body]), 1)
    return RELATIONS[1], overlap(joint), explained(joint)


def overlap(joint: np.ndarray) -> float:
    """Mean Dice of the target's foreground classes from voxel counts (source class, target class)."""
    became = joint.argmax(1)
    dice = []
    for label in range(1, joint.shape[1]):
        found = joint[became == label]
        dice.append(2 * found[:, label].sum() / (found.sum() + joint[:, label].sum()))
    return float(np.mean(dice))


def explained(joint: np.ndarray) -> float:
    """I(T; S) / H(T) from voxel counts (source class, target class)."""

    def entropy(counts: np.ndarray) -> float:
        p = counts[counts > 0] / counts.sum()
        return float(-(p * np.log(p)).sum())

    whole = entropy(joint.sum(0))
    return (whole + entropy(joint.sum(1)) - entropy(joint.ravel())) / whole


def as_markdown(frame) -> str:
    """Sources (rows) x targets (columns): dice / explained, the oracle marked."""
    targets = list(dict.fromkeys(frame["target"]))
    text = f"| source | {' | '.join(targets)} |\n|{' --- |' * (len(targets) + 1)}\n"
    for source, rows in frame.groupby("source", sort=False):
        cells = [
            "**oracle**" if row.relation == RELATIONS[0] else "-" if row.relation == RELATIONS[2]
            else f"{row.dice:.2f} / {row.explained:.2f}"
            for row in rows.itertuples()
        ]  # fmt: skip
        text += f"| {source} | {' | '.join(cells)} |\n"
    return text
