"""The ground truth of a world: read, complete, narrowed to its tasks and encoders."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING

from tebench.benchmark.spec import World

if TYPE_CHECKING:
    import pandas as pd


def of_world(world: World, source: Path, protocol: str) -> pd.DataFrame:
    """Ground-truth rows of this protocol for every encoder and task of the world; an absent one is an InputError."""
    from tebench.evaluation import groundtruth

    truth = groundtruth.read(source, protocol=protocol)
    groundtruth.require(truth, world.encoders, world.tasks)
    return narrowed(truth, world.tasks, world.encoders)


def narrowed(truth: pd.DataFrame, tasks: Collection[str], encoders: Collection[str]) -> pd.DataFrame:
    """The rows of these tasks and encoders."""
    return truth[truth["task"].isin(tasks) & truth["encoder"].isin(encoders)].reset_index(drop=True)
