"""Which reading of the stages is a metric's primary one: the joint, or its own where that is impossible."""

from __future__ import annotations

from tebench.features.joint import JOINT
from tebench.metrics.registry import Metric, get

READABLE = ("matrix", "moments", "cases", "patches", "roles")
_WHY = {
    "probabilities": "reads the class probabilities of a source head",
    "facts": "reads no features",
    "elsewhere": "reads no features",
}


def primary(metric: Metric) -> tuple[str | None, str]:
    """(stages to ask for, why it is not the joint reading): ("joint", "") or (None, reason), None: the metric's own.

    A fused metric is read jointly if all its parts can be.
    """
    if metric.reads in READABLE:
        return JOINT, ""
    if metric.reads == "parts":
        kept = [why for name in metric.parts.values() if (why := primary(get(name))[1])]
        return (None, "; ".join(dict.fromkeys(kept))) if kept else (JOINT, "")
    return None, _WHY[metric.reads]
