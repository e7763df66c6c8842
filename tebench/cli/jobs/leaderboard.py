"""job=leaderboard: everything published, remade from rows; rows of results scored anew on request."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import ClassVar

from tebench.base.errors import InputError
from tebench.benchmark.options import option
from tebench.benchmark.settings import Settings
from tebench.benchmark.spec import leaderboard_folder


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
    from tebench.publication.renewal import update

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
