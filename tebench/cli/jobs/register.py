"""job=register: write down scores before the ground truth that will judge them exists, or check what was written."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import ClassVar

from tebench.benchmark.options import option
from tebench.benchmark.settings import Settings
from tebench.benchmark.spec import leaderboard_folder


@dataclass(frozen=True)
class Options:
    """Write scores down before the ground truth that will judge them exists (leaderboard/registrations).

    tebench register registration=starter-v2 benchmark=starter
    tebench register check=true                            unchanged, and older than their ground truth?
    tebench register outcome=true                          held against the ground truth that has come since
    """

    READS: ClassVar = ("benchmark", "encoders", "tasks", "seed", "sampling", "preset", "retry")

    registration: str | None = option(None, "its name, such as starter-v2")
    check: bool = option(False, "true: hold every registration against git's order of commits")
    outcome: bool = option(False, "true: hold every registration against the ground truth that has come since")
    protocols: tuple[str, ...] = option(
        ("starter-v1", "starter-v1-frozen"), "of the ground truth to come; conf/protocol/NAME.yaml must exist"
    )
    forms: tuple[str, ...] = option(
        ("grtd_lbtc", "grtd_relative_lbtc", "boundary_flow", "gated_flow", "knn@encoder"),
        "at most five metrics, each by name or as name@stages",
    )
    endpoint: str = option("mean weighted Kendall tau over the tasks within encoder shapes", "what will be judged")
    leaderboard: str | None = option(None, "another folder than leaderboard/")


def run(settings: Settings, options: Options) -> None:
    """With check every registration is held against git's order of commits; else a new one is made."""
    from tebench.research.registration.registering import check, outcome, register

    folder = leaderboard_folder(options.leaderboard)
    if options.check:
        found = check(folder)
        print("\n".join(found["wrong"] + found["sound"]) or f"{folder / 'registrations'} holds no registration")
        if found["wrong"]:
            sys.exit(1)
        return
    print(outcome(settings, folder) if options.outcome else register(settings, options, folder))
