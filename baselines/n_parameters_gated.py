"""Bigger is better above two foreground classes and worse below: a static baseline that knows the gate's threshold."""

from __future__ import annotations

from collections.abc import Mapping

from tebench.baselines.n_parameters import n_parameters
from tebench.metrics.registry import metric


@metric(
    name="n_parameters_gated",
    title="Parameters, gate's sign",
    paper="none: a control for the gate of arXiv:2602.23916",
    direction="up",
    range=(-float("inf"), float("inf")),
    reads="facts",
    cost="static",
    invariances=("scale", "rotation", "shift"),
    monotone="reads neither features nor labels",
)
def n_parameters_gated(facts: Mapping) -> float:
    """Number of parameters, its sign flipped on tasks with at most two foreground classes: S = P if |C| > 2 else -P.

    The control for fused metrics whose gate reads |C|: what the order of shapes and the number of classes give without
    any feature. The threshold was chosen with ground truth at hand, so that it is a bar, not a finding.
    """
    value = n_parameters(facts)
    return value if facts["n_foreground"] > 2 else -value
