"""What a configuration names, resolved: tasks, encoders, sampling, folders and ground truth."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from importlib.resources import files
from pathlib import Path
from typing import Any

from tebench.base import storage
from tebench.base.errors import InputError, unknown_name
from tebench.benchmark import own
from tebench.benchmark.settings import Benchmark, Settings


@dataclass(frozen=True)
class World:
    """The benchmark a job works on. encoders: the candidate pool, in the pool's order.

    decoder_draws: random decoders over which scores that read decoder stages are averaged.   decoder_seed: of the one
    that feature folders are read with; None: `seed`.
    """

    name: str
    tasks: tuple[str, ...]
    encoders: tuple[str, ...]
    pool: str
    sampling: dict
    interpolation: str
    window: tuple[int, int, int] | None
    seed: int
    cache: Path
    output: Path
    workers: int
    device: str
    progress: bool
    retry: bool = False  # cells again whose recorded failure stands
    windows: dict = field(default_factory=dict)  # of tasks that have one of their own
    decoder_draws: int = 1
    decoder_seed: int | None = None

    def window_of(self, task: str) -> tuple[int, int, int] | None:
        """Voxels read in one pass on this task; None: each encoder's own patch."""
        own = self.windows.get(task)
        return tuple(own) if own else self.window


def facts_of(benchmark: str) -> dict:
    """conf/benchmark/NAME.yaml as a mapping, or what `tebench.benchmark.own` read of a file of the user's."""
    from omegaconf import OmegaConf

    if benchmark in own.OWN:
        return dict(own.OWN[benchmark])
    path = files("tebench.conf") / "benchmark" / f"{benchmark}.yaml"
    if not path.is_file():
        raise InputError(f"there is no benchmark {benchmark!r}: conf/benchmark/{benchmark}.yaml is absent.")
    content: Any = OmegaConf.to_container(OmegaConf.create(path.read_text(encoding="utf-8")))
    return content


def published(settings: Settings) -> Settings:
    """For work on published rows: the whole benchmark in place of a part, which has none of its own."""
    whole = settings.benchmark.part_of
    return replace(settings, benchmark=Benchmark.of(facts_of(whole))) if whole else settings


def resolve(settings: Settings) -> World:
    """Check the names and narrow tasks and encoders as asked."""
    from tebench.benchmark import local_files

    benchmark = settings.benchmark
    if benchmark.datasets:
        pool, chosen, names = local_files.resolve(settings, cache_folder(settings))
        pool_name = benchmark.pool if chosen == pool else f"{benchmark.pool} narrowed to {len(chosen)}"
    else:
        pool_name, chosen, names = _packaged(settings)
    return World(
        name=benchmark.name,
        tasks=tuple(names),
        encoders=tuple(chosen),
        pool=pool_name,
        sampling=recipe_of(settings),
        interpolation=settings.sampling["interpolation"],
        window=benchmark.window,
        seed=settings.seed,
        cache=cache_folder(settings),
        output=storage.make_folder(Path(settings.output or Path("outputs") / benchmark.name)),
        workers=settings.workers,
        device=settings.device,
        progress=settings.progress,
        retry=settings.retry,
        windows=dict(benchmark.windows),
        decoder_draws=settings.decoder_draws,
    )


def _packaged(settings: Settings) -> tuple[str, list[str], list[str]]:
    """(name of the pool, encoders, tasks) of a benchmark whose pool and tasks are in the catalogues."""
    from tebench.encoders import catalogue as encoders
    from tebench.tasks import catalogue as tasks

    benchmark = settings.benchmark
    pools = encoders.pools()
    if benchmark.pool not in pools:
        raise unknown_name("pool", benchmark.pool, pools)
    pool = list(pools[benchmark.pool])
    # Names of the catalogue, checkpoint files, or folders of them.
    chosen = encoders.choose(settings.encoders) if settings.encoders else pool
    inside = [name for name in pool if name in chosen]
    if len(inside) < len(chosen):
        pool_name = f"own: {len(chosen)} encoders"
    else:
        chosen = inside
        pool_name = benchmark.pool if len(chosen) == len(pool) else f"{benchmark.pool} narrowed to {', '.join(chosen)}"
    for name in (*benchmark.tasks, *(settings.tasks or ())):
        if name not in tasks.names():
            raise unknown_name("task", name, tasks.names())
    tasks_of = list(settings.tasks or benchmark.tasks)
    kept = _without_leaked(chosen, tasks_of, settings.leaked)
    return pool_name if kept == chosen else f"{pool_name} without leaked", kept, tasks_of


def _without_leaked(encoders: list[str], tasks: list[str], rule: str) -> list[str]:
    """The encoders that saw no test image of the tasks, nor an average of the same people; all of them for "keep"."""
    if rule == "keep":
        return encoders
    from tebench.benchmark import leakage
    from tebench.encoders import catalogue

    leaked = {name for name, _ in leakage.leaked([name for name in encoders if name in catalogue.names()], tasks)}
    if kept := [name for name in encoders if name not in leaked]:
        return kept
    raise InputError(
        f"leaked=drop leaves no encoder: {', '.join(encoders)} each saw a test image of {', '.join(tasks)}."
    )


def recipe_of(settings: Settings) -> dict:
    """The sizes a sample is drawn with; `interpolation` says how its voxels are read."""
    return {key: value for key, value in settings.sampling.items() if key != "interpolation"}


def cache_folder(settings: Settings) -> Path:
    """`cache=`, or the platform's cache folder; made where missing."""
    return storage.make_folder(Path(settings.cache).expanduser() if settings.cache else storage.cache_root())


def leaderboard_folder(given: str | None) -> Path:
    """`given`, or the leaderboard that comes with tebench: results, ground_truth, submissions, versions."""
    return Path(given).expanduser() if given else Path(str(files("tebench.leaderboard")))


def protocol_name(settings: Settings) -> str:
    """The protocol of the ground truth: a benchmark's with published rows names its own."""
    return settings.benchmark.protocol or settings.protocol["name"]


def ground_truth_file(settings: Settings, target: str | None = None) -> Path:
    """`target`, a path of the user's, or the benchmark's rows: a path, or a file of leaderboard/ground_truth."""
    given = target or settings.benchmark.ground_truth
    if not isinstance(given, str):
        raise InputError(f"the ground truth must be the name or path of a CSV file, got {given!r}.")
    for path in (Path(given).expanduser(), leaderboard_folder(None) / "ground_truth" / given):
        if path.is_file():
            return path
    raise InputError(
        f"ground truth {given!r} does not exist, neither as a path nor in leaderboard/ground_truth. "
        "Measure it with job=finetune, or name a CSV with target=FILE."
    )
