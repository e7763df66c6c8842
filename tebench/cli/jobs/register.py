"""job=register: write down scores before the ground truth that will judge them exists, or check what was written."""

from __future__ import annotations

import datetime
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from tebench.base.errors import InputError
from tebench.benchmark.options import option
from tebench.benchmark.settings import Settings
from tebench.benchmark.spec import leaderboard_folder

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Options:
    """Write scores down before the ground truth that will judge them exists (leaderboard/registrations).

    tebench register registration=starter-v2 benchmark=starter
    tebench register check=true                            unchanged, and older than their ground truth?
    """

    READS: ClassVar = ("benchmark", "encoders", "tasks", "seed", "sampling", "preset", "retry")

    registration: str | None = option(None, "its name, such as starter-v2")
    check: bool = option(False, "true: hold every registration against git's order of commits")
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
    folder = leaderboard_folder(options.leaderboard)
    if options.check:
        found = check(folder)
        print("\n".join(found["wrong"] + found["sound"]) or f"{folder / 'registrations'} holds no registration")
        if found["wrong"]:
            sys.exit(1)
        return
    print(register(settings, options, folder))


def check(folder: Path) -> dict[str, list[str]]:
    """{"wrong": [...], "sound": [...]}, one line each."""
    from tebench.research.registration import history, record

    found: dict[str, list[str]] = {"wrong": [], "sound": []}
    for path in record.paths(folder / "registrations"):
        try:
            registration = record.read(path)
            reasons = history.problems(path, registration, folder / "ground_truth")
        except InputError as error:
            reasons = [str(error)]
        found["wrong"] += [f"{path.stem}: {reason}" for reason in reasons]
        if not reasons:
            pairs = sum(len(encoders) for rows in registration.pairs.values() for encoders in rows.values())
            found["sound"].append(
                f"{path.stem}: sound; {len(registration.judged)} forms, {pairs} pairs of "
                f"{', '.join(registration.pairs)}, registered {registration.date}"
            )
    return found


def register(settings: Settings, options: Options, folder: Path) -> str:
    """Score the forms on every pair without ground truth and write the registration."""
    from tebench.benchmark.scores import direct_scores, over_pool
    from tebench.benchmark.spec import resolve
    from tebench.evaluation.pools import Pool
    from tebench.finetuning.protocol import Protocol
    from tebench.research.registration import forms, record
    from tebench.scoring.score import versions

    if not options.registration:
        raise InputError("registration must be a name, such as registration=starter-v2.")
    world, preset = resolve(settings), settings.preset
    wanted = forms.with_parts(forms.requests_of(options.forms, world.seed, preset), preset)
    protocols = {name: Protocol.load(name).hash for name in options.protocols}
    pairs = record.open_pairs(_truth(folder), protocols, world.tasks, world.encoders)
    requests = [request for _, request, _ in wanted]
    if any(request.metric.reads == "elsewhere" for request in requests):
        raise InputError("job.forms: a metric that reads the ground truth of other tasks cannot be registered.")
    found = over_pool(world, requests, direct_scores(world, requests, settings.plugins, preset), None, preset)
    pool = Pool(world.pool, world.encoders)
    made, scores = forms.collected(wanted, found)
    registration = record.make(
        options.registration, benchmark=world.name, ground_truth=settings.benchmark.ground_truth,
        pool={"name": pool.name, "id": pool.id, "encoders": list(pool.encoders)}, protocols=protocols,
        endpoint=options.endpoint, forms=made, pairs=pairs, versions=versions(), scores=scores,
        today=datetime.datetime.now(datetime.UTC).date(),
    )  # fmt: skip
    path = record.write(folder / "registrations", registration)
    counted = ", ".join(f"{name}: {sum(map(len, rows.values()))} pairs" for name, rows in pairs.items())
    return (
        f"{path}: {len(registration.judged)} forms; {counted}\n"
        "Commit both files before the first run of any of these pairs; job=register check=true holds their order."
    )


def _truth(folder: Path) -> pd.DataFrame:
    """(protocol, task, encoder) of all rows of ground truth that there are."""
    import pandas as pd

    columns = ["protocol", "task", "encoder"]
    found = [
        pd.read_csv(path, dtype=str, keep_default_na=False) for path in sorted((folder / "ground_truth").glob("*.csv"))
    ]
    found = [frame[columns] for frame in found if set(columns) <= set(frame.columns)]
    return pd.concat(found, ignore_index=True) if found else pd.DataFrame(columns=columns)
