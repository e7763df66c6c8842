"""job=explain: one encoder on one task as a picture of its patches, trees and leaks."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

from tebench.base.errors import InputError, unknown_name
from tebench.benchmark.extraction import feature_folders
from tebench.benchmark.options import option
from tebench.benchmark.settings import Settings
from tebench.benchmark.spec import resolve


@dataclass(frozen=True)
class Options:
    """Draw why an encoder scores as it does: patches, trees and leaks, as PDF, SVG and PNG.

    tebench explain encoder=deepbet task=lungs
    """

    READS: ClassVar = ("benchmark", "sampling", "seed", "retry")

    encoder: str | None = option(None, "a name of the catalogue, or a checkpoint of your own")
    task: str | None = option(None, "a task of the benchmark")
    case: str | None = option(None, "whose slice is shown; null: the task's first case")
    stage: str | None = option(
        None, "whose trees are drawn over the patches, such as encoder[0]; null: the finest that LBTC reads"
    )
    folder: str = option("outputs/explain", "where the figure goes")


def run(settings: Settings, options: Options) -> None:
    """Draw from the feature cache (made where missing) and print the files."""
    from tebench.encoders import catalogue as encoders
    from tebench.features import cache
    from tebench.reporting import explain, style
    from tebench.tasks import catalogue as tasks

    for name in ("encoder", "task"):
        if getattr(options, name) is None:
            raise InputError(f"job=explain needs one {name}: {name}=NAME.")
    known = list(settings.benchmark.datasets or tasks.names())
    if options.task not in known:
        raise unknown_name("task", options.task, known)
    folder = Path(options.folder).expanduser()
    world = resolve(replace(settings, encoders=(options.encoder,), tasks=(options.task,), output=str(folder)))
    task, (encoder,) = tasks.load(options.task), world.encoders
    case = options.case or task.cases[0]
    if case not in task.cases:
        raise unknown_name(f"training case of task {task.name}", case, task.cases)
    features = cache.read(feature_folders(world)[task.name, encoder])
    title = encoders.facts(encoder).title if encoder in encoders.names() else Path(encoder).name
    figure = explain.draw(features, task, task.load(case), title=title, stage=options.stage)
    for path in style.save(figure, folder, f"{task.name}-{cache.file_name(Path(encoder).name)}"):
        print(path)
