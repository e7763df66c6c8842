"""What a run asks of scoring: the chosen metrics and those that stand beside them."""

from __future__ import annotations

from tebench.benchmark.settings import Settings
from tebench.metrics.registry import get
from tebench.scoring.request import Request


def requests_of(settings: Settings, beside: tuple[str, ...]) -> list[Request]:
    """The chosen metrics, and the static baselines that stand in every table."""
    names = {metric.name for metric, _ in settings.metrics}
    others = [settings.completed(get(name)) for name in beside if name not in names]
    return [
        Request.make(metric, given, settings.stages, settings.seed) for metric, given in (*settings.metrics, *others)
    ]
