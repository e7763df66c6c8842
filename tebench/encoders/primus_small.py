"""Primus-S8: a small sibling of Primus (0.45 million parameters) that is pre-trained in `tebench.pretraining`.

Six blocks of width 72 with three heads over 8x8x8 patches; the position embedding is that of a 64^3 window and is
resized to others. Four stages of stride 8, after blocks 2, 3, 4 and 6.
"""

from __future__ import annotations

from tebench.encoders import primus
from tebench.encoders.base import EncoderFacts, InputSpec, Stage
from tebench.encoders.initialisation import without_global_draws
from tebench.encoders.primus import Plan, Primus

PLAN = Plan(width=72, depth=6, heads=3, patch=8, grid=(8, 8, 8), order="w h d")


@without_global_draws
def empty(facts: EncoderFacts, spec: InputSpec, stages: tuple[Stage, ...]) -> Primus:
    """The network, its weights still to be filled."""
    return Primus(facts, spec, PLAN)


def random(seed: int, facts: EncoderFacts, spec: InputSpec, stages: tuple[Stage, ...]) -> Primus:
    """The same shape with the public initialisation's scales."""
    return primus.random(seed, facts, spec, PLAN)
