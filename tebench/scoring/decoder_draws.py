"""Several random decoders instead of one: scores of metrics that read decoder stages, averaged over draws.

A decoder with random weights is part of what such a metric reads, and two draws order encoders differently. Each draw
has feature folders of its own (the decoder's seed is in their key); everything else, voxels included, stays the same.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from tebench.base.errors import InputError
from tebench.scoring.request import Request, part_requests
from tebench.scoring.score import Score

DRAW = "draw."  # components `draw.0`, `draw.1` .. are the values of single draws


def reads_decoder(request: Request, preset: dict | None = None) -> bool:
    """Whether the value depends on decoder stages, its own or a part's."""
    if request.metric.parts:
        return any(reads_decoder(part, preset) for part in part_requests(request, preset).values())
    reads_stages = request.metric.reads not in ("facts", "elsewhere", "probabilities")
    return reads_stages and request.policy.split("[")[0] in ("decoder", "all")


def averaged(draws: list[list[Score]]) -> list[Score]:
    """One Score for each of the first draw: the mean over all draws that hold it, in the order of the first.

    A metric that reads no decoder is in the first draw only, and stays as it is. components: means over draws, and the
    single draws' values as `draw.0`, `draw.1` ...; seconds: of all draws; peak_mb: the largest. One draw without a
    value leaves the whole without, with its reason.
    """
    if not draws:
        raise InputError("averaged: there are no draws.")
    later = [{_key(score): score for score in draw} for draw in draws[1:]]
    return [_mean([score, *(draw[_key(score)] for draw in later if _key(score) in draw)]) for score in draws[0]]


def _key(score: Score) -> tuple:
    return score.task, score.encoder, score.metric, score.stages, repr(sorted(score.parameters.items()))


def _mean(scores: list[Score]) -> Score:
    if len(scores) == 1:
        return scores[0]
    bad = next((score for score in scores if not score.ok), None)
    memory = [score.peak_mb for score in scores if score.peak_mb is not None]
    whole: dict[str, Any] = {
        "seconds": round(sum(score.seconds for score in scores), 4),
        "peak_mb": max(memory) if len(memory) == len(scores) else None,
    }
    if bad is not None:
        return replace(scores[0], status=bad.status, reason=bad.reason, score=None, components={}, **whole)
    components = {name: float(np.mean([score.components[name] for score in scores])) for name in scores[0].components}
    values = [score.score for score in scores if score.score is not None]
    components |= {f"{DRAW}{k}": value for k, value in enumerate(values)}
    return replace(scores[0], score=float(np.mean(values)), components=components, **whole)
