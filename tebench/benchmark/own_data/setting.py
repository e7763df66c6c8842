"""All that a ranking needs beside the task, the voxels' recipe and the encoders."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tebench.base.errors import InputError
from tebench.benchmark.settings import Requested, Settings
from tebench.benchmark.spec import cache_folder
from tebench.metrics.registry import get
from tebench.scoring.request import Request


@dataclass(frozen=True)
class Setting:
    """All that a ranking needs beside the task, the voxels' recipe and the encoders."""

    requests: list[Request]
    preset: dict
    seeds: list[int]
    cache: Path
    window: tuple[int, int, int] | None
    workers: int
    device: str
    progress: bool
    decoder_seed: int
    interpolation: str
    plugins: tuple[str, ...]
    per_class: tuple[int, ...] = ()  # classes that are told from all others besides


def setting_of(settings: Settings, draws: int, window, metrics: tuple[Requested, ...]) -> Setting:
    seed = settings.seed
    return Setting(
        requests=[Request.make(metric, given, settings.stages, seed) for metric, given in metrics],
        preset=dict(settings.preset), seeds=[seed + number for number in range(draws)], cache=cache_folder(settings),
        window=window, workers=settings.workers, device=settings.device, progress=settings.progress, decoder_seed=seed,
        interpolation=settings.sampling["interpolation"], plugins=settings.plugins,
    )  # fmt: skip


def chosen_metrics(settings: Settings, proposed: list[str]) -> tuple[Requested, ...]:
    """The metrics to compute; the first is what the user or the leaderboard ranks by."""
    if settings.metrics is None:
        return tuple(settings.completed(get(name)) for name in proposed)
    for metric, _ in settings.metrics:
        if metric.reads == "elsewhere":
            raise InputError(f"metric {metric.name} reads ground truth of other tasks, which own data do not have.")
    return settings.metrics
