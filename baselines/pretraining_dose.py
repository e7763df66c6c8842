"""Longer pre-training is better, taken literally: a static baseline."""

from __future__ import annotations

from collections.abc import Mapping

from tebench.base.errors import NotApplicable
from tebench.metrics.registry import metric


@metric(
    name="pretraining_dose",
    title="Pre-training dose",
    paper="none: a static control of this suite",
    direction="up",
    range=(0.0, 1.0),
    reads="facts",
    cost="static",
    invariances=("scale", "rotation", "shift"),
    monotone="reads neither features nor labels",
)
def pretraining_dose(facts: Mapping) -> float:
    """Share of its recipe's whole pre-training that an encoder had: 0 random, 1 whole, between for shortened ones and
    for mixes with random weights; the same for every task, ties between recipes."""
    dose = facts.get("dose")
    if dose is None:
        raise NotApplicable(f"the pre-training dose of encoder {facts['name']} is not on record.")
    return float(dose)
