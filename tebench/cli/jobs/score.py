"""job=score: the main job. Features -> scores -> pool -> correlation with ground truth -> table and figures."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import ClassVar, Literal

from tebench.base import storage
from tebench.base.errors import unknown_name
from tebench.benchmark import ground_truth
from tebench.benchmark.options import option
from tebench.benchmark.scores import direct_scores, refuse_failed, score_world
from tebench.benchmark.settings import Settings
from tebench.benchmark.spec import World, ground_truth_file, protocol_name, resolve
from tebench.metrics.registry import get
from tebench.scoring.request import Request
from tebench.scoring.score import folder_of, frame


@dataclass(frozen=True)
class Options:
    """Rank the encoders of a benchmark and correlate with the fine-tuned Dice: table, CSV, LaTeX, figures.

    tebench metric=logme                                   job=score is the default
    tebench metric=[grtd_lbtc,logme] tasks=lungs
    tebench metric=logme metric.max_iter=50 stages=encoder[-2:]
    tebench metric=[knn,gbc] metric.options.knn.k=3
    tebench benchmark=openmind_resenc scores=published.csv
    """

    READS: ClassVar = (
        "benchmark", "metric", "encoders", "leaked", "tasks", "stages", "seed", "decoder_draws",
        "sampling", "protocol", "preset", "retry", "output",
    )  # fmt: skip

    target: str | None = option(None, "correlate with another ground-truth file (CSV) than the benchmark's")
    beside: tuple[str, ...] = option(
        ("random", "n_parameters"), "static baselines that stand in every table", empty=True
    )
    scores: str | None = option(
        None, "evaluate published scores instead of computing any: a CSV of encoder x task (no features needed)"
    )
    direction: Literal["up", "down"] = option("up", "of scores=FILE: up, a higher score predicts better transfer")
    tables: bool = option(
        True, "false: compute the scores only, ground truth is not needed; job=collect makes the tables"
    )


def run(settings: Settings, options: Options) -> None:
    """Check everything that can be checked before computing, then score, correlate and write."""
    from tebench.evaluation.pools import Pool

    if options.scores:
        print(from_table(settings, options))
        return
    world, requests, preset = resolve(settings), requests_of(settings, options.beside), settings.preset
    if not options.tables:
        print(_scores_only(world, requests, settings.plugins, preset))
        return
    pool = Pool(world.pool, world.encoders)
    truth = ground_truth.of_world(world, ground_truth_file(settings, options.target), protocol_name(settings))
    scores = frame(score_world(world, requests, truth, settings.plugins, preset))
    print(write_tables(settings, asdict(options), world, requests, scores, truth, pool))
    if by_pool := _by_pool(world, scores, truth, pool):
        print(f"\n{by_pool}")


def _by_pool(world: World, scores, truth, pool) -> str:
    from tebench.publication import leaderboard_rows, pools_table

    return pools_table.write(world.output, leaderboard_rows.from_scores(scores), truth, pool, seed=world.seed)


def write_tables(settings: Settings, job: dict, world: World, requests: list[Request], scores, truth, pool) -> str:
    """Correlations, tables and figures into the output folder; the text for the terminal."""
    from tebench.reporting import report

    storage.write_json(world.output / "config.json", settings.record(job))
    return report.write(
        world.output, scores, truth, {r.metric.name: r.metric.direction for r in requests}, pool, seed=world.seed,
        titles={r.metric.name: r.metric.title for r in requests},
        heading=f"{world.name}: {settings.benchmark.title}; protocol {protocol_name(settings)}"
        + (f"; preset {settings.preset_name}" if settings.preset else ""),
    )  # fmt: skip


def _scores_only(world: World, requests: list[Request], plugins, preset: dict) -> str:
    """Compute the scores without tables and without ground truth; what failed is named, and exits with 1."""
    found = direct_scores(world, requests, plugins, preset)
    return f"{len(refuse_failed(found))} scores of {len(found)} (task, encoder) pairs are in {folder_of(world.cache)}"


def from_table(settings: Settings, options: Options) -> str:
    """The same evaluation of scores that someone published: no encoder is built and no image read."""
    from pathlib import Path

    from tebench.evaluation import groundtruth
    from tebench.evaluation.pools import Pool
    from tebench.reporting import report
    from tebench.scoring import imported

    given, direction = options.scores, options.direction
    truth = groundtruth.read(ground_truth_file(settings, options.target), protocol=protocol_name(settings))
    table = imported.read(given, set(truth["encoder"]), set(truth["task"]))
    for kind in ("encoders", "tasks"):
        wanted, column = getattr(settings, kind), kind[:-1]
        if wanted and wanted != ("all",):
            for name in wanted:
                if name not in set(table[column]):
                    raise unknown_name(f"{column} of {given}", name, set(table[column]))
            table = table[table[column].isin(wanted)].reset_index(drop=True)
    # The order carries no meaning for the ranking; a fixed one makes equal tables equal files.
    encoders = tuple(sorted(set(table["encoder"])))
    pool = Pool(f"{Path(given).name}: {len(encoders)} encoders", encoders)
    truth = ground_truth.narrowed(truth, set(table["task"]), encoders)
    output = storage.make_folder(Path(settings.output))
    storage.write_json(output / "config.json", settings.record(asdict(options)))
    return report.write(
        output, imported.as_scores(table, str(given)), truth, dict.fromkeys(table["metric"], direction), pool,
        seed=settings.seed, titles={}, heading=f"{settings.benchmark.name}: scores of {given}; protocol "
        f"{protocol_name(settings)}",
    )  # fmt: skip


def requests_of(settings: Settings, beside: tuple[str, ...]) -> list[Request]:
    """The chosen metrics, and the static baselines that stand in every table."""
    names = {metric.name for metric, _ in settings.metrics}
    others = [settings.completed(get(name)) for name in beside if name not in names]
    return [
        Request.make(metric, given, settings.stages, settings.seed) for metric, given in (*settings.metrics, *others)
    ]
