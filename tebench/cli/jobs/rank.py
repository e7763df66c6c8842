"""job=rank: own data and own encoders, no ground truth. Which encoder first, how sure, and by which metric."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar, Literal

from tebench.base import storage
from tebench.base.errors import InputError
from tebench.benchmark.options import option
from tebench.benchmark.own_data.ranking import datasets_of, open_task, rank
from tebench.benchmark.own_data.setting import chosen_metrics
from tebench.benchmark.settings import Settings
from tebench.benchmark.spec import leaderboard_folder
from tebench.metrics.parameters import Interval
from tebench.scoring import budget


@dataclass(frozen=True)
class Options:
    """Rank encoders for your own data, without ground truth.

    tebench rank dataset=Dataset001_Mine encoders=my_checkpoints minutes=10
    tebench rank dataset=FOLDER encoders=[FOLDER,FILE,NAME] metric=[logme,gbc]      the first of the list ranks
    tebench rank dataset=FOLDER encoders=FOLDER max_cases=20 window=[128,128,96] device=cuda
    """

    READS: ClassVar = ("encoders", "metric", "preset", "stages", "seed", "sampling", "protocol")
    # The leaderboard proposes the metric; own data may have small classes, and no published scores to agree with.
    USUAL: ClassVar = {"metric": "proposed", "sampling": "floor"}

    dataset: str | None = option(None, "folder with dataset.json (nnU-Net raw, Decathlon), or a JSON list of files")
    datasets: tuple[str, ...] | None = option(None, "several of them, with one joint table: datasets=[A,B]")
    cases: tuple[str, ...] | None = option(None, "only these cases: cases=[case_001,case_007]")
    exclude: tuple[str, ...] | None = option(None, "leave these cases out: exclude=[case_003]")
    skip_broken: bool = option(False, "true: cases with problems are left out and listed, not refused")
    max_cases: Annotated[int, Interval(1)] | None = option(
        None, "at most so many cases, chosen by a hash of their names"
    )
    geometry: Literal["file", "sform", "qform", "voxels"] = option(
        "file", "sform or qform of NIfTI headers first; voxels: image and label map paired as they are stored"
    )
    outside: bool = option(
        True, "false: refuse a dataset.json that names files outside its folder, for one that you did not write"
    )
    minutes: float | None = option(
        None, "budget: fewer cases and voxels, so that all is done in about this time; intervals get wider"
    )
    draws: Annotated[int, Interval(1)] = option(3, "draws of voxels, sampling seeds seed, seed + 1, ...")
    per_class: tuple[str, ...] | None = option(
        None, "classes ranked by themselves: per_class=[tumour]; null: the first 8; []: none", empty=True
    )
    twins: bool = option(True, "random weights of every architecture beside the encoders: what it gives untrained")
    window: tuple[Annotated[int, Interval(1)], ...] | None = option(
        None, "voxels read in one pass, such as [128,128,96]; null: each encoder's own patch"
    )
    folder: str | None = option(None, "where table, CSV and picture go; null: outputs/rank/<data set>")

    def __post_init__(self):
        budget.check(self.minutes)
        if self.window is not None and len(self.window) != 3:
            raise InputError(f"window must be three whole numbers such as [128,128,96], got {list(self.window)}.")


def run(settings: Settings, options: Options) -> None:
    """Check all that can be checked, keep to the budget, rank, and write the report; several sets also jointly."""
    from tebench.publication import recommend
    from tebench.reporting import ranking_joint

    begin = time.monotonic()
    # Every data set is opened before anything is computed, the leaderboard's statistics included.
    tasks = [open_task(settings, options, path) for path in datasets_of(options)]
    if len({task.name for task in tasks}) < len(tasks):
        raise InputError(f"two data sets have one name: {', '.join(task.name for task in tasks)}. Rename a folder.")
    evidence = recommend.evidence(leaderboard_folder(None), settings.protocol["name"])
    metrics = chosen_metrics(settings, recommend.candidates(evidence))
    root = Path(options.folder or Path("outputs") / "rank")
    found = {}
    for number, task in enumerate(tasks):
        folder = storage.make_folder(root if options.folder and len(tasks) == 1 else root / task.name)
        # Equal parts: a part that depended on the clock would not find its plan again after an interruption.
        seconds = None if options.minutes is None else options.minutes * 60 / len(tasks)
        start = time.monotonic() if number else begin
        found[task.name] = rank(settings, options, task, evidence, metrics, folder, start, seconds)
    if len(tasks) > 1:
        print(ranking_joint.write(storage.make_folder(root), found))
