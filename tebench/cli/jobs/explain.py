"""job=explain: one encoder on one task as a picture of its patches, trees and leaks."""

from __future__ import annotations

from pathlib import Path

from tebench.base.errors import InputError, unknown_name
from tebench.benchmark.extraction import feature_folders
from tebench.benchmark.spec import resolve


def run(config: dict) -> None:
    """Draw from the feature cache (made where missing) and print the files."""
    from tebench.encoders import catalogue as encoders
    from tebench.features import cache
    from tebench.reporting import explain, style
    from tebench.tasks import catalogue as tasks

    job = config["job"]
    for name in ("encoder", "task"):
        if not isinstance(job[name], str):
            raise InputError(f"say which {name}: {name}=NAME, got {job[name]!r}.")
    known = list(config["benchmark"].get("datasets") or tasks.names())
    if job["task"] not in known:
        raise unknown_name("task", job["task"], known)
    folder = Path(job["folder"] or "outputs/explain").expanduser()
    world = resolve({**config, "encoders": [job["encoder"]], "tasks": [job["task"]], "output": str(folder)})
    task, (encoder,) = tasks.load(job["task"]), world.encoders
    case = task.cases[0] if job["case"] is None else str(job["case"])
    if case not in task.cases:
        raise unknown_name(f"training case of task {task.name}", case, task.cases)
    features = cache.read(feature_folders(world)[task.name, encoder])
    title = encoders.facts(encoder).title if encoder in encoders.names() else Path(encoder).name
    figure = explain.draw(features, task, task.load(case), title=title, stage=job["stage"])
    for path in style.save(figure, folder, f"{task.name}-{cache.file_name(Path(encoder).name)}"):
        print(path)
