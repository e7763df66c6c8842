"""job=score: the main job. Features -> scores -> pool -> correlation with ground truth -> table and figures."""

from __future__ import annotations

import sys
from dataclasses import asdict, dataclass
from typing import ClassVar, Literal

from tebench.benchmark import ground_truth
from tebench.benchmark.options import option
from tebench.benchmark.requests import requests_of
from tebench.benchmark.scores import direct_scores, failed_everywhere, refuse_failed, score_world
from tebench.benchmark.settings import Settings
from tebench.benchmark.spec import World, ground_truth_file, protocol_name, resolve
from tebench.benchmark.tables import evaluate_published, write_tables
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
        True, "false: compute the scores only, ground truth is not needed; job=collect makes the tables", how=True
    )


def run(settings: Settings, options: Options) -> None:
    """Check everything that can be checked before computing, then score, correlate and write."""
    from tebench.evaluation.pools import Pool

    if options.scores:
        print(evaluate_published(settings, asdict(options)))
        return
    world, requests, preset = resolve(settings), requests_of(settings, options.beside), settings.preset
    if not options.tables:
        print(_scores_only(world, requests, settings.plugins, preset))
        return
    pool = Pool(world.pool, world.encoders)
    truth = ground_truth.of_world(world, ground_truth_file(settings, options.target), protocol_name(settings))
    found = score_world(world, requests, truth, settings.plugins, preset)
    scores = frame(found)
    print(write_tables(settings, asdict(options), world, requests, scores, truth, pool))
    if by_pool := _by_pool(world, scores, truth, pool):
        print(f"\n{by_pool}")
    if lost := failed_everywhere(found, [metric.name for metric, _ in settings.metrics]):
        print(f"\nno score: {', '.join(lost)} failed on every task and encoder (reasons above)", file=sys.stderr)
        sys.exit(1)


def _by_pool(world: World, scores, truth, pool) -> str:
    from tebench.publication import leaderboard_rows, pools_table

    return pools_table.write(world.output, leaderboard_rows.from_scores(scores), truth, pool, seed=world.seed)


def _scores_only(world: World, requests: list[Request], plugins, preset: dict) -> str:
    """Compute the scores without tables and without ground truth; what failed is named, and exits with 1."""
    found = direct_scores(world, requests, plugins, preset)
    return f"{len(refuse_failed(found))} scores of {len(found)} (task, encoder) pairs are in {folder_of(world.cache)}"
