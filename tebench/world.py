"""What a configuration names, resolved: tasks, encoders, sampling, folders and ground truth."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from tebench import storage
from tebench.errors import InputError, unknown_name


@dataclass(frozen=True)
class World:
    """The benchmark a job works on. encoders: the candidate pool, in the pool's order."""

    name: str
    tasks: tuple[str, ...]
    encoders: tuple[str, ...]
    pool: str
    sampling: dict
    window: tuple[int, int, int] | None
    seed: int
    cache: Path
    output: Path
    workers: int
    device: str
    progress: bool


def resolve(config: dict) -> World:
    """Check the names and narrow tasks and encoders as asked."""
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
        pool_name = benchmark["pool"] if len(chosen) == len(pool) else f"{benchmark['pool']} narrowed to {len(chosen)}"
    all_tasks = benchmark["tasks"]
    for name in [*all_tasks, *(config["tasks"] or [])]:
        if name not in tasks.names():
            raise unknown_name("task", name, tasks.names())
    return World(
        name=benchmark["name"],
        tasks=tuple(config["tasks"] or all_tasks),
        encoders=tuple(chosen),
        pool=pool_name,
        sampling=dict(config["sampling"]),
        window=None if benchmark["window"] is None else tuple(benchmark["window"]),
        seed=config["seed"],
        cache=cache_folder(config),
        output=storage.make_folder(Path(config["output"])),
        workers=config["workers"],
        device=config["device"],
        progress=config["progress"],
    )


def cache_folder(config: dict) -> Path:
    return storage.make_folder(Path(config["cache"]).expanduser() if config["cache"] else storage.cache_root())


def ground_truth_file(config: dict) -> Path:
    """The benchmark's rows: a path of the user's, or a file of leaderboard/ground_truth."""
    given = config["job"].get("target") or config["benchmark"]["ground_truth"]
    for path in (Path(given).expanduser(), Path(str(files("tebench.leaderboard"))) / "ground_truth" / given):
        if path.is_file():
            return path
    raise InputError(
        f"ground truth {given!r} does not exist, neither as a path nor in leaderboard/ground_truth. "
        "Make it with job=finetune, or name a CSV with job.target=FILE."
    )
