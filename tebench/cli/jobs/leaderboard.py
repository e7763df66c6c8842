"""job=leaderboard: everything published, remade from rows; rows of results scored anew on request."""

from __future__ import annotations

import logging
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from tebench.base import storage
from tebench.base.errors import InputError, unknown_name
from tebench.benchmark.options import option
from tebench.benchmark.settings import Benchmark, Settings
from tebench.benchmark.spec import leaderboard_folder

if TYPE_CHECKING:
    import pandas as pd

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Options:
    """Regenerate the published page, tables and figures from the rows in leaderboard/.

    tebench leaderboard
    tebench leaderboard check=true                                   exit code 1 where a file is not what the rows give
    tebench leaderboard benchmark=starter update=true metric=mine plugins=mine.py
    """

    READS: ClassVar = (
        "benchmark", "protocol", "encoders", "tasks", "stages", "leaked", "seed", "sampling", "retry"
    )  # fmt: skip

    folder: str | None = option(None, "another folder than leaderboard/, with results/ and ground_truth/ in it")
    check: bool = option(
        False, "true: write nothing, name every published file that the rows do not give, exit with 1 if there is one"
    )
    update: bool = option(False, "true: score the benchmark's whole pool and write its rows first")
    metrics: tuple[str, ...] | None = option(None, "with update: only these; the rows of the others stay")
    freeze: str | None = option(None, "keep the state as a version for good: freeze=v1.0 makes leaderboard/v1.0, once")

    def __post_init__(self):
        if (self.update or self.freeze is not None) and self.check:
            raise InputError("check=true only looks: it goes neither with update nor with freeze.")
        if self.metrics is not None and not self.update:
            raise InputError(f"metrics={','.join(self.metrics)} narrows an update: add update=true.")


def run(settings: Settings, options: Options) -> None:
    """Update the rows if asked, then write what they give, or check that it is what lies there."""
    from tebench.publication import publish, versions

    folder, protocol = leaderboard_folder(options.folder), settings.protocol["name"]
    if options.freeze is not None:
        versions.check_name(options.freeze)
    if options.update:
        print(update(settings, options, folder))
    elif settings.encoders or settings.tasks or settings.stages:
        raise InputError("the page shows whole boards: without encoders=, tasks= and stages=.")
    if options.freeze is not None:
        print(versions.freeze(folder, options.freeze, protocol=protocol, workers=settings.workers))
        return
    made = publish.build(folder, protocol=protocol, workers=settings.workers)
    if not made:
        raise InputError(f"{folder / 'results'} holds no rows. Score them with job=leaderboard update=true.")
    if options.check:
        found, kept = publish.differences(folder, made), versions.altered(folder)
        print("\n".join(found + kept) or f"{len(made)} files in {folder} are what the rows give")
        if found:
            print(f"{len(found)} differences; job=leaderboard regenerates the files.")
        if kept:
            print("A frozen version was altered: restore it from the commit that froze it.")
        if found or kept:
            sys.exit(1)
        return
    for path in publish.write(folder, made):
        print(path)


def update(settings: Settings, options: Options, folder: Path) -> Path:
    """Score every registered metric (or those of `metrics`) on the benchmark's whole pool and write its rows."""
    from tebench.benchmark import ground_truth
    from tebench.benchmark.scores import score_world
    from tebench.benchmark.spec import protocol_name, published, resolve
    from tebench.metrics import registry
    from tebench.publication import leaderboard_rows
    from tebench.scoring.request import Request
    from tebench.scoring.score import frame

    settings = published(settings)
    if settings.encoders or settings.tasks or settings.stages:
        raise InputError("rows cover the whole benchmark: update goes without encoders=, tasks= and stages=.")
    known, wanted = registry.load(), options.metrics
    for name in wanted or ():
        if name not in known:
            raise unknown_name("metric", name, known)
    world = resolve(settings)
    _check_whole(settings.benchmark, world)
    requests = [Request.make(known[name], {}, None, world.seed) for name in wanted or known]
    source = folder / "ground_truth" / settings.benchmark.ground_truth
    truth = ground_truth.of_world(world, source, protocol_name(settings))
    rows = leaderboard_rows.from_scores(frame(score_world(world, requests, truth, settings.plugins)))
    path = folder / "results" / f"{world.name}.csv"
    if path.exists():
        import pandas as pd

        rows = pd.concat([_kept(leaderboard_rows.read(path), wanted, known, folder), rows], ignore_index=True)
    text = leaderboard_rows.text(rows)
    if found := leaderboard_rows.problems(text, leaderboard_rows.most_rows(world.name)):
        raise InputError("the scores are not fit for the leaderboard:\n  " + "\n  ".join(found[:20]))
    storage.write_text(path, text)
    return path


def _kept(old: pd.DataFrame, wanted: tuple[str, ...] | None, known, folder: Path) -> pd.DataFrame:
    """Rows that stay: those of other metrics than the wanted ones; of submitted metrics, which cannot be scored here.

    Should the features have changed since a submission, its rows contradict the new ones and the update is refused.
    """
    if wanted:
        return old[~old["metric"].isin(wanted)]
    submitted = [name for name in sorted(set(old["metric"]) - set(known))
                 if (folder / "submissions" / f"{name}.csv").is_file()]  # fmt: skip
    for name in submitted:
        log.warning("rows of %s stay as they were submitted: its file is not given with plugins=", name)
    return old[old["metric"].isin(submitted)]


def _check_whole(benchmark: Benchmark, world) -> None:
    """Rows of a benchmark that ships nothing need all of it: a part would stand under the whole one's name."""
    if not benchmark.datasets:
        return
    lacking = [name for name in benchmark.encoders if name not in world.encoders]
    lacking += [name for name in benchmark.tasks if name not in world.tasks]
    lacking += [] if benchmark.max_cases is None else [f"cases beyond benchmark.max_cases={benchmark.max_cases}"]
    if lacking:
        raise InputError(
            f"rows cover the whole benchmark, and of {benchmark.name} these are missing: {', '.join(lacking)}. "
            "job=score evaluates what is there."
        )
