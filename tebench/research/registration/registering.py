"""From a world without ground truth to a registration, its check and its outcome."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from tebench.base.errors import InputError
from tebench.benchmark.settings import Settings

if TYPE_CHECKING:
    import pandas as pd
from typing import Any


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


def outcome(settings: Settings, folder: Path) -> str:
    """Every registration beside the ground truth that has come since: one table each."""
    from tebench.benchmark.spec import resolve
    from tebench.encoders import catalogue as encoders
    from tebench.evaluation import groundtruth
    from tebench.research.registration import outcome as judged
    from tebench.research.registration import record
    from tebench.tasks import catalogue as tasks

    world, found = resolve(settings), []
    for path in record.paths(folder / "registrations"):
        registration = record.read(path)
        source = folder / "ground_truth" / registration.ground_truth
        there = [name for name in registration.pairs if name in groundtruth.protocols(source)]
        truths = {name: groundtruth.read(source, protocol=name) for name in there}
        pools = {world.pool: list(world.encoders), **encoders.pools()}
        covered = {task for rows in registration.pairs.values() for task in rows}
        table = judged.results(
            registration, truths, pools, {task: tasks.load(task).n_foreground for task in covered}, seed=world.seed
        )  # fmt: skip
        shown = table.to_string(index=False, float_format="{:.3f}".format) if len(table) else "no ground truth yet"
        found.append(f"{registration.name}, registered {registration.date}; {registration.endpoint}\n{shown}")
    return "\n\n".join(found) or f"{folder / 'registrations'} holds no registration"


def register(settings: Settings, options: Any, folder: Path) -> str:
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
