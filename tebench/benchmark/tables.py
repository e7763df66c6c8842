"""The tables of a world: which metrics stand in them, and their files."""

from __future__ import annotations

from tebench.base import storage
from tebench.benchmark.settings import Settings
from tebench.benchmark.spec import World, protocol_name
from tebench.metrics.registry import get
from tebench.scoring.request import Request


def requests_of(settings: Settings, beside: tuple[str, ...]) -> list[Request]:
    """The chosen metrics, and the static baselines that stand in every table."""
    chosen = settings.metrics or ()
    names = {metric.name for metric, _ in chosen}
    others = [settings.completed(get(name)) for name in beside if name not in names]
    return [Request.make(metric, given, settings.stages, settings.seed) for metric, given in (*chosen, *others)]


def write_tables(settings: Settings, job: dict, world: World, requests: list[Request], scores, truth, pool) -> str:
    """Correlations, tables and figures into the output folder; the text for the terminal."""
    from tebench.reporting import report

    storage.write_json(world.output / "config.json", settings.record(job))
    return report.write(
        world.output, scores, truth, {r.metric.name: r.metric.direction for r in requests}, pool, seed=world.seed,
        titles={r.metric.name: r.metric.title for r in requests},
        heading=f"{world.name}: {settings.benchmark.title}; protocol {protocol_name(settings)}"
        + (f"; preset {settings.preset_name}" if settings.preset else ""),
    )  # fmt: skip
