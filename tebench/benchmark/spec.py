"""What a configuration names, resolved: tasks, encoders, sampling, folders and ground truth."""

from __future__ import annotations

from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path

from tebench.base import storage
from tebench.base.errors import InputError, unknown_name


@dataclass(frozen=True)
class World:
    """The benchmark a job works on. encoders: the candidate pool, in the pool's order."""

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

    def window_of(self, task: str) -> tuple[int, int, int] | None:
        """Voxels read in one pass on this task; None: each encoder's own patch."""
        own = self.windows.get(task)
        return tuple(own) if own else self.window


def facts_of(benchmark: str) -> dict:
    """conf/benchmark/NAME.yaml as a mapping."""
    from omegaconf import OmegaConf

    path = files("tebench.conf") / "benchmark" / f"{benchmark}.yaml"
    if not path.is_file():
        raise InputError(f"there is no benchmark {benchmark!r}: conf/benchmark/{benchmark}.yaml is absent.")
    return OmegaConf.to_container(OmegaConf.create(path.read_text(encoding="utf-8")))


def published(config: dict) -> dict:
    """The configuration for work on published rows: the whole in place of a part, which has none of its own."""
    whole = config["benchmark"].get("part_of")
    return config | {"benchmark": facts_of(whole)} if whole else config


def resolve(config: dict) -> World:
    """Check the names and narrow tasks and encoders as asked."""
    from tebench.benchmark import local_files

    benchmark = config["benchmark"]
    if benchmark.get("datasets"):
        pool, chosen, names = local_files.resolve(config, cache_folder(config))
        pool_name = benchmark["pool"] if chosen == pool else f"{benchmark['pool']} narrowed to {len(chosen)}"
    else:
        pool_name, chosen, names = _packaged(config)
    return World(
        name=benchmark["name"],
        tasks=tuple(names),
        encoders=tuple(chosen),
        pool=pool_name,
        sampling=recipe_of(config),
        interpolation=config["sampling"]["interpolation"],
        window=None if benchmark["window"] is None else tuple(benchmark["window"]),
        seed=config["seed"],
        cache=cache_folder(config),
        output=storage.make_folder(Path(config["output"])),
        workers=config["workers"],
        device=config["device"],
        progress=config["progress"],
        retry=config["retry"],
        windows=dict(benchmark.get("windows") or {}),
    )


def _packaged(config: dict) -> tuple[str, list[str], list[str]]:
    """(name of the pool, encoders, tasks) of a benchmark whose pool and tasks are in the catalogues."""
    from tebench.encoders import catalogue as encoders
    from tebench.tasks import catalogue as tasks

    benchmark = config["benchmark"]
    pools = encoders.pools()
    if benchmark["pool"] not in pools:
        raise unknown_name("pool", benchmark["pool"], pools)
    pool = list(pools[benchmark["pool"]])
    # Names of the catalogue, checkpoint files, or folders of them.
    chosen = encoders.choose(config["encoders"]) if config["encoders"] else pool
    inside = [name for name in pool if name in chosen]
    if len(inside) < len(chosen):
        pool_name = f"own: {len(chosen)} encoders"
    else:
        chosen = inside
        pool_name = (
            benchmark["pool"] if len(chosen) == len(pool) else f"{benchmark['pool']} narrowed to {', '.join(chosen)}"
        )
    for name in [*benchmark["tasks"], *(config["tasks"] or [])]:
        if name not in tasks.names():
            raise unknown_name("task", name, tasks.names())
    tasks_of = config["tasks"] or benchmark["tasks"]
    kept = _without_leaked(chosen, tasks_of, config.get("leaked", "keep"))
    return pool_name if kept == chosen else f"{pool_name} without leaked", kept, tasks_of


def _without_leaked(encoders: list[str], tasks: list[str], rule: str) -> list[str]:
    """The encoders that saw no test image of the tasks, nor an average of the same people; all of them for "keep"."""
    if rule not in ("keep", "drop"):
        raise InputError(f"leaked must be keep or drop, got {rule!r}.")
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


def recipe_of(config: dict) -> dict:
    """The sizes a sample is drawn with; `interpolation` says how its voxels are read."""
    return {key: value for key, value in config["sampling"].items() if key != "interpolation"}


def cache_folder(config: dict) -> Path:
    return storage.make_folder(Path(config["cache"]).expanduser() if config["cache"] else storage.cache_root())


def leaderboard_folder(given: str | None) -> Path:
    """`given`, or the leaderboard that comes with tebench: results, ground_truth, submissions, versions."""
    return Path(given).expanduser() if given else Path(str(files("tebench.leaderboard")))


def protocol_name(config: dict) -> str:
    """The protocol of the ground truth: a benchmark's with published rows names its own."""
    return config["benchmark"].get("protocol") or config["protocol"]["name"]


def ground_truth_file(config: dict) -> Path:
    """The benchmark's rows: a path of the user's, or a file of leaderboard/ground_truth."""
    given = config["job"].get("target") or config["benchmark"]["ground_truth"]
    if not isinstance(given, str):
        raise InputError(f"the ground truth must be the name or path of a CSV file, got {given!r}.")
    for path in (Path(given).expanduser(), leaderboard_folder(None) / "ground_truth" / given):
        if path.is_file():
            return path
    raise InputError(
        f"ground truth {given!r} does not exist, neither as a path nor in leaderboard/ground_truth. "
        "Make it with job=finetune, or name a CSV with job.target=FILE."
    )
