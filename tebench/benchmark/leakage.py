"""Which encoder saw which task's images in pre-training: a matrix of encoders x tasks.

An encoder names the packaged images it was trained on (`EncoderFacts.images`), a built-in task names its
own (facts `training_images`, `test_images`). Averages of the same people are not independent: they share
a group. Of images outside the packages (a network's own published training data) nothing can be computed.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tebench.base.errors import InputError, unknown_name
from tebench.tasks.image_registry import IMAGES

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pandas

    from tebench.encoders.base import EncoderFacts
    from tebench.tasks.base import Task

# From harmless to disqualifying. An encoder that saw a training image has seen what fine-tuning sees too.
LEVELS = ("none", "training image", "same group", "test image")
LEAKED = ("same group", "test image")


def level(encoder: EncoderFacts, task: Task) -> str:
    """The worst of LEVELS that holds for one encoder and one task."""
    saw = set(encoder.images)
    unknown = sorted(saw - set(IMAGES))
    if unknown:
        raise unknown_name(f"image (field images of encoder {encoder.name!r})", unknown[0], sorted(IMAGES))
    test = set(task.facts.get("test_images", ()))
    if saw & test:
        return "test image"
    if {_group(i) for i in saw} & {_group(i) for i in test}:
        return "same group"
    return "training image" if saw & set(task.facts.get("training_images", ())) else "none"


def _group(image: str) -> str:
    return IMAGES[image].group if image in IMAGES else image


def matrix(encoders: Iterable[str | EncoderFacts], tasks: Iterable[str | Task]) -> pandas.DataFrame:
    """Encoders (rows) x tasks (columns) of LEVELS; names are looked up in the catalogues, nothing is loaded."""
    import pandas as pd

    from tebench.encoders import catalogue as zoo
    from tebench.tasks import catalogue

    known = [zoo.facts(encoder) if isinstance(encoder, str) else encoder for encoder in encoders]
    opened = [catalogue.load(task) if isinstance(task, str) else task for task in tasks]
    if not known or not opened:
        raise InputError("a leakage matrix needs at least one encoder and one task.")
    rows = [[level(encoder, task) for task in opened] for encoder in known]
    names = pd.Index([encoder.name for encoder in known], name="encoder")
    return pd.DataFrame(rows, names, pd.Index([task.name for task in opened], name="task"))


def leaked(encoders: Iterable[str | EncoderFacts], tasks: Iterable[str | Task]) -> list[tuple[str, str]]:
    """(encoder, task) pairs for a pool to leave out: the test image, or an average of the same people, was seen."""
    frame = matrix(encoders, tasks)
    return [(e, t) for e in frame.index for t in frame.columns if frame.loc[e, t] in LEAKED]


def as_markdown(frame: pandas.DataFrame) -> str:
    """The matrix as a Markdown table."""
    rows = [["encoder", *frame.columns], ["---"] * (1 + len(frame.columns)), *frame.reset_index().to_numpy()]
    return "".join(f"| {' | '.join(map(str, row))} |\n" for row in rows)


def write(frame: pandas.DataFrame, path: Path) -> Path:
    """The matrix as a table, Markdown (.md) or CSV (.csv)."""
    from tebench.base import storage

    path = Path(path)
    if path.suffix == ".csv":
        text = frame.to_csv(lineterminator="\n")
    elif path.suffix == ".md":
        text = as_markdown(frame)
    else:
        raise InputError(f"a leakage matrix is written as .md or .csv, not as {path.name!r}.")
    storage.write_text(path, text)
    return path
