"""A score that knows nothing: the floor that every metric must clear."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Annotated

from tebench.metrics.parameters import Interval
from tebench.metrics.registry import metric


@metric(
    name="random",
    title="Random",
    paper="none: a control",
    direction="up",
    range=(0.0, 1.0),
    reads="facts",
    cost="static",
    invariances=("scale", "rotation", "shift"),
    not_monotone="reads neither features nor labels",
)
def random(facts: Mapping, *, seed: Annotated[int, Interval(0)] = 0) -> float:
    """Uniform number in [0, 1) drawn from (encoder, task, seed) alone.

    A hash instead of a generator, so that the value of one encoder does not depend on which others
    are scored or in what order.
    """
    digest = hashlib.sha256(f"{facts['name']}|{facts['task']}|{seed}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64
