"""job=submit: one metric on the whole benchmark, with all that validation wants to see, in one file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from tebench.base import storage
from tebench.base.errors import InputError, unknown_name
from tebench.benchmark import ground_truth
from tebench.benchmark.options import option
from tebench.benchmark.scores import score_world
from tebench.benchmark.settings import Settings
from tebench.benchmark.spec import ground_truth_file, protocol_name, published, resolve
from tebench.scoring.request import Request
from tebench.scoring.score import frame


@dataclass(frozen=True)
class Options:
    """Write one submission file for the leaderboard: rows, environment, claims, control.

    tebench submit benchmark=starter metric=mine plugins=mine.py file=leaderboard/submissions/mine.csv
    tebench validate leaderboard/submissions/mine.csv plugins=mine.py
    """

    READS: ClassVar = (
        "benchmark", "metric", "protocol", "seed", "sampling", "retry", "output", "encoders", "tasks", "stages",
        "preset",
    )  # fmt: skip

    file: str | None = option(
        None, "where it goes; null: <output>/<metric>.csv; a submission belongs into leaderboard/submissions/", how=True
    )
    beside: tuple[str, ...] = option(
        ("gbc",), "published metrics that are scored again with it, so that drift shows", empty=True
    )


def run(settings: Settings, options: Options) -> None:
    """Score, control, claim, write; print where."""
    from tebench.evaluation.pools import Pool
    from tebench.metrics import registry
    from tebench.publication import leaderboard_rows, submission
    from tebench.publication.control import control, environment
    from tebench.publication.validation import claims

    settings = published(settings)
    chosen, known = settings.metrics, registry.load()
    if len(chosen) != 1:
        raise InputError(f"one file holds one metric: metric=NAME, got {len(chosen)} metrics.")
    if settings.encoders or settings.tasks or settings.stages or settings.preset:
        raise InputError("a submission covers the whole benchmark: without encoders=, tasks=, stages= and preset=.")
    metric, parameters = chosen[0]
    beside = [name for name in options.beside if name != metric.name]
    for name in beside:
        if name not in known:
            raise unknown_name("metric", name, known)
    world = resolve(settings)
    request = Request.make(metric, parameters, None, world.seed)
    truth = ground_truth.of_world(world, ground_truth_file(settings), protocol_name(settings))
    pool = Pool(world.pool, world.encoders)
    requests = [request, *(Request.make(known[name], {}, None, world.seed) for name in beside)]
    rows = leaderboard_rows.from_scores(frame(score_world(world, requests, truth, settings.plugins)))
    facts = {
        "format": submission.FORMAT, "benchmark": world.name, "protocol": protocol_name(settings),
        "metric": metric.name,
        "source_sha256": storage.sha256_file(Path(metric.source)), "beside": beside, "environment": environment(),
        "claims": claims(rows[rows["metric"] == metric.name], truth, pool)[metric.name],
        "control": control(world, request),
    }  # fmt: skip
    path = Path(options.file or world.output / f"{metric.name}.csv").expanduser()
    storage.write_text(path, submission.text(facts, rows))
    print(f"{path}\nLook it over with: tebench validate {path}")
