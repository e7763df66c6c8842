"""Scores of a world: from features, through the pool, to one Score for every (metric, task, encoder)."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import replace

from tebench.base.errors import InputError
from tebench.benchmark.extraction import feature_folders
from tebench.benchmark.spec import World
from tebench.evaluation.pools import Pool
from tebench.metrics.registry import get
from tebench.scoring.engine import score_all
from tebench.scoring.pool import pooled
from tebench.scoring.request import Request, with_parts
from tebench.scoring.score import Score, folder_of
from tebench.tasks import catalogue as tasks

log = logging.getLogger(__name__)

Pair = tuple[str, str]  # task, encoder


def score_world(world: World, requests: list[Request], truth, plugins=(), preset: dict | None = None) -> list[Score]:
    """Scores of all requested metrics over the world's tasks and encoders; what is on disk is not computed again.

    truth: ground-truth frame, for metrics that read that of other tasks.   preset: see `tebench.metrics.presets`.
    """
    return over_pool(world, requests, direct_scores(world, requests, plugins, preset), truth, preset)


def direct_scores(
    world: World, requests: list[Request], plugins=(), preset: dict | None = None
) -> dict[Pair, list[Score]]:
    """The Scores of everything that is not defined over a pool, the parts of fused metrics among them."""
    return score_all(
        with_parts(requests, preset), feature_folders(world), folder_of(world.cache), workers=world.workers,
        plugins=plugins, progress=world.progress, retry=world.retry,
    )  # fmt: skip


def over_pool(
    world: World, requests: list[Request], found: Mapping[Pair, Iterable[Score]], truth, preset: dict | None = None
) -> list[Score]:
    """The requested Scores from those at hand: pool-level ones are added, parts that nobody asked for are left out."""
    everything, chosen, encoders = with_parts(requests, preset), [], list(world.encoders)
    # Fewer than three encoders are no pool: job=collect lists their scores, nothing ranks them.
    pool = Pool(world.pool, world.encoders).id if len(encoders) > 2 else ""
    for name in world.tasks:
        scores = [score for encoder in encoders for score in found[name, encoder]]
        for request in everything:
            if request.pool_level:
                scores += pooled(request, scores, encoders, tasks.load(name).n_foreground, truth, preset)
        chosen += [score for score in scores if any(request.matches(score) for request in requests)]
    for score in chosen:
        if score.status == "failed":
            log.warning("%s failed on %s / %s: %s", score.metric, score.task, score.encoder, score.reason)
    return [replace(score, pool=pool) if get(score.metric).pool_dependent else score for score in chosen]


def refuse_failed(found: Mapping[Pair, Iterable[Score]]) -> list[Score]:
    """All Scores at hand, or an InputError that names every one that failed."""
    scores = [score for made in found.values() for score in made]
    failed = [score for score in scores if score.status == "failed"]
    if failed:
        names = "\n".join(f"  {s.metric} on {s.task} / {s.encoder}: {s.reason}" for s in failed)
        raise InputError(f"{len(failed)} of {len(scores)} scores failed (retry=true tries them again):\n{names}")
    return scores
