"""Bigger is better, taken literally: a static baseline."""

from __future__ import annotations

from collections.abc import Mapping

from tebench.metrics.registry import metric


@metric(
    name="n_parameters",
    title="Parameters",
    paper="arXiv:2510.06448 (static rankings as baselines)",
    direction="up",
    range=(0.0, float("inf")),
    reads="facts",
    cost="static",
    invariances=("scale", "rotation", "shift"),
    not_monotone="reads neither features nor labels",
)
def n_parameters(facts: Mapping) -> float:
    """Number of parameters of the encoder; the same for every task, ties for equal shapes."""
    return float(facts["n_parameters"])
