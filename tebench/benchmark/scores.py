"""Scores of a world: from features, through the pool, to one Score for every (metric, task, encoder)."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import replace

from tebench.base.errors import InputError
from tebench.benchmark.extraction import feature_folders
from tebench.benchmark.spec import World
from tebench.metrics.registry import get
from tebench.scoring.decoder_draws import averaged, reads_decoder
from tebench.scoring.engine import score_all
from tebench.scoring.pool import pooled
from tebench.scoring.request import POOL_LEVEL, Request, with_parts
from tebench.scoring.score import Score, folder_of
from tebench.tasks import catalogue as tasks

log = logging.getLogger(__name__)

Pair = tuple[str, str]  # task, encoder


def score_world(world: World, requests: list[Request], truth, plugins=(), preset: dict | None = None) -> list[Score]:
    """Scores of all requested metrics over the world's tasks and encoders; what is on disk is not computed again.

    Those that read decoder stages are means over the world's `decoder_draws` random decoders, whose seeds follow the
    world's; each draw beyond the first reads every encoder once more.
    truth: ground-truth frame, for metrics that read that of other tasks.   preset: see `tebench.metrics.presets`.
    """
    random = [request for request in requests if reads_decoder(request, preset)]
    draws = []
    for draw in range(world.decoder_draws if random else 1):
        own = replace(world, decoder_seed=world.seed + draw)
        asked = random if draw else requests
        draws.append(over_pool(own, asked, direct_scores(own, asked, plugins, preset), truth, preset))
    return averaged(draws)


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
    from tebench.evaluation.pools import Pool

    everything, chosen, encoders = with_parts(requests, preset), [], list(world.encoders)
    # Fewer than three encoders are no pool: job=collect lists their scores, nothing ranks them.
    pool = Pool(world.pool, world.encoders).id if len(encoders) > 2 else ""
    for name in world.tasks:
        scores = [score for encoder in encoders for score in found[name, encoder]]
        for request in everything:
            if request.pool_level:
                scores += pooled(request, scores, encoders, tasks.load(name).n_foreground, truth, preset)
        chosen += [score for score in scores if any(request.matches(score) for request in requests)]
    for line in _failed([score for score in chosen if get(score.metric).reads in POOL_LEVEL]):
        log.warning("%s", line)  # of the others the engine has reported it
    return [replace(score, pool=pool) if get(score.metric).pool_dependent else score for score in chosen]


def refuse_failed(found: Mapping[Pair, Iterable[Score]]) -> list[Score]:
    """All Scores at hand, or an InputError that names every way in which one failed."""
    scores = [score for made in found.values() for score in made]
    if lines := _failed(scores):
        n, listed = sum(score.status == "failed" for score in scores), "".join(f"\n  {line}" for line in lines)
        raise InputError(f"{n} of {len(scores)} scores failed (retry=true tries them again):{listed}")
    return scores


def _failed(scores: Iterable[Score]) -> list[str]:
    """One line for every way a metric failed, with the first (task, encoder) and the number of the others."""
    ways: dict[tuple[str, str], list[Score]] = {}
    for score in scores:
        if score.status == "failed":
            ways.setdefault((score.metric, score.reason), []).append(score)
    return [
        f"{metric} on {alike[0].task} / {alike[0].encoder}"
        + (f" and {len(alike) - 1} more" if len(alike) > 1 else "")
        + f": {reason}"
        for (metric, reason), alike in ways.items()
    ]


def failed_everywhere(scores: Iterable[Score], metrics: Iterable[str]) -> list[str]:
    """Those of the metrics that failed on every task and encoder."""
    states: dict[str, set[str]] = {name: set() for name in metrics}
    for score in scores:
        states.setdefault(score.metric, set()).add(score.status)
    return [name for name in metrics if states[name] == {"failed"}]
