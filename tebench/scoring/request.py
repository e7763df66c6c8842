"""What is asked for: one metric, all its parameters, the stages it reads, and the parts a fused metric is made of."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from tebench.metrics.registry import Metric, get

POOL_LEVEL = ("parts", "elsewhere")


@dataclass(frozen=True)
class Request:
    """One metric with all its parameters, and the stages it is to read (None: its own policy)."""

    metric: Metric
    parameters: dict
    stages: str | None = None
    seed: int = 0

    @classmethod
    def make(cls, metric: Metric, given: dict, stages: str | None, seed: int) -> Request:
        """All parameters checked; the run's seed reaches a metric's own `seed` unless that was given."""
        parameters = metric.complete(given)
        if "seed" in parameters and "seed" not in given:
            parameters["seed"] = seed
        return cls(metric, parameters, stages, seed)

    @property
    def spelled(self) -> tuple:
        """As plain values, for another process: functions of plugins do not pickle."""
        return self.metric.name, self.parameters, self.stages, self.seed

    @classmethod
    def read(cls, spelled: tuple) -> Request:
        """From `spelled`; the plugins are loaded."""
        name, *rest = spelled
        return cls(get(name), *rest)

    @property
    def policy(self) -> str:
        return self.stages or self.metric.stages

    @property
    def pool_level(self) -> bool:
        """Whether its scores exist only over a candidate pool."""
        return self.metric.reads in POOL_LEVEL

    def matches(self, score) -> bool:
        """Whether a `Score` holds this request's value."""
        return (
            score.metric == self.metric.name
            and score.parameters == self.parameters
            and (self.pool_level or score.stages == self.policy)
        )


def direct(requests: Iterable[Request]) -> list[Request]:
    """Those that have scores of their own: not defined over a pool."""
    return [request for request in requests if not request.pool_level]


def with_parts(requests: list[Request], preset: dict | None = None) -> list[Request]:
    """`requests` with the parts they are fused from before them, each request once."""
    wanted = []
    for request in requests:
        for one in (*part_requests(request, preset).values(), request):
            if one not in wanted:
                wanted.append(one)
    return wanted


def part_requests(request: Request, preset: dict | None = None) -> dict[str, Request]:
    """The metrics a fused metric is made of, under the run's preset. A parameter that a part shares by name is
    passed on."""
    found = {}
    for argument, name in request.metric.parts.items():
        part = get(name)
        shared = {key: value for key, value in request.parameters.items() if key in part.parameters}
        settings = (preset or {}).get(name, {})
        found[argument] = Request.make(part, {**settings, **shared}, request.stages, request.seed)
    return found
