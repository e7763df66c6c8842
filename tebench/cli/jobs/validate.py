"""job=validate: everything that is wrong with submissions; rows of sound ones into the leaderboard on request."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar

from tebench.base import storage
from tebench.base.errors import InputError
from tebench.benchmark.options import option
from tebench.benchmark.settings import Settings
from tebench.benchmark.spec import leaderboard_folder
from tebench.metrics.parameters import Interval


@dataclass(frozen=True)
class Options:
    """Report everything that is wrong with a submission; exit code 1 when anything is.

    tebench validate submission.csv
    tebench validate submission.csv plugins=mine.py      some scores are computed again
    tebench validate submission.csv accept=true
    """

    READS: ClassVar = ("benchmark", "sampling", "seed", "retry")

    file: str | None = option(None, "null: every file of leaderboard/submissions")
    folder: str | None = option(None, "another folder than leaderboard/")
    accept: bool = option(False, "true: put the rows of a sound file of a new metric into leaderboard/results")
    cells: Annotated[int, Interval(0)] = option(3, "with plugins=: so many scores, chosen by the file's hash, again")


def run(settings: Settings, options: Options) -> None:
    """Print the findings on each file; exit with 1 when one is refused."""
    from tebench.publication import validation
    from tebench.publication.rescoring import accept, again, report

    given = settings.plugins
    folder = leaderboard_folder(options.folder)
    paths = [Path(options.file).expanduser()] if options.file else sorted((folder / "submissions").glob("*.csv"))
    if len(given) > 1 or (given and not options.file):
        raise InputError("plugins= names the one file that defines the metric of file=.")
    digest = storage.sha256_file(Path(given[0]).expanduser()) if given else None
    refused = 0
    for path in paths:
        found = validation.validate(path, folder, source_sha256=digest)
        if found.sound and given:
            found = validation.Verdict(
                *(
                    a + b
                    for a, b in zip((found.problems, found.notes), again(settings, path, options.cells), strict=True)
                )
            )
        refused += not found.sound
        print("\n".join(report(path, found)))
        if found.sound and options.accept:
            print(accept(path, folder))
    if not paths:
        print(f"no submissions in {folder / 'submissions'}")
    if refused:
        sys.exit(1)
