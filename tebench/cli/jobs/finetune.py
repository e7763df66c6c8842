"""job=finetune: measured ground truth, the only job that trains."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, ClassVar

from tebench.base import storage
from tebench.base.errors import InputError
from tebench.benchmark.options import option
from tebench.benchmark.settings import Settings
from tebench.benchmark.spec import World, resolve
from tebench.finetuning import rows, spread
from tebench.finetuning.runs import run_grid
from tebench.metrics.parameters import Interval


@dataclass(frozen=True)
class Options:
    """Fine-tune every encoder on every task and write test Dice rows (resumable).

    tebench finetune benchmark=starter seeds=[0,1,2,3]
    tebench finetune encoders=deepbet tasks=lungs protocol=starter-v1-frozen
    """

    READS: ClassVar = ("benchmark", "encoders", "leaked", "tasks", "protocol", "retry")

    seeds: tuple[Annotated[int, Interval(0)], ...] = option((0, 1, 2), "one run each")
    folder: str | None = option(None, "finished runs, one file each; null: <cache>/finetuning")
    rows: str = option("outputs/${benchmark.name}/finetuning", "folder of the CSV rows and of the spread over seeds")


def run(settings: Settings, options: Options) -> None:
    """Run encoders x tasks x seeds under `protocol`; rows of all finished runs and the spread of their tasks as CSV."""
    world = resolve(replace(settings, output=options.rows))
    _check_name(settings.protocol)
    _check_test_cases(world)
    folder = Path(options.folder).expanduser() if options.folder else world.cache / "finetuning"
    out = world.output
    report = run_grid(
        settings.protocol, world.encoders, world.tasks, list(options.seeds), folder=folder, workers=world.workers,
        device=world.device, progress=world.progress, retry=world.retry,
        on_result=_now_and_then(lambda: rows.write_csvs(folder, out, world.name)),
    )  # fmt: skip
    paths = rows.write_csvs(folder, out, world.name)
    table = spread.spread(*rows.collect(folder))
    paths = [*paths, out / f"{world.name}_spread.csv"]
    with storage.atomic_path(paths[-1]) as temporary:
        table.to_csv(temporary, index=False, lineterminator="\n", float_format="%.6g")
    print(spread.as_text(table))
    for path in paths:
        print(path)
    if report.failed:
        for name, error in report.failed.items():
            print(f"failed: {name}: {error}", file=sys.stderr)
        sys.exit(1)


def _now_and_then(write):
    """At most every two minutes: all results are read for it, which costs seconds once there are hundreds."""
    last = time.monotonic()

    def on_result(_) -> None:
        nonlocal last
        if time.monotonic() - last > 120:
            write()
            last = time.monotonic()

    return on_result


def _check_test_cases(world: World) -> None:
    """Dice is measured on cases that no score reads; a data set opened from a folder has none."""
    from tebench.tasks import catalogue

    lacking = [name for name in world.tasks if not catalogue.load(name).test_cases]
    if lacking:
        raise InputError(
            f"job=finetune measures Dice on test cases, and {', '.join(lacking)} of benchmark {world.name} have none: "
            "the labelled cases of a data set opened from a folder are all read by the scores. Rows that were measured "
            "elsewhere serve as ground truth: job=score target=FILE.csv (columns protocol, encoder, task, seed, "
            "metric, value)."
        )


def _check_name(given: Mapping) -> None:
    """A protocol's name stands for its values: changed values need a name of their own."""
    from tebench.benchmark.conf import group_options
    from tebench.finetuning.protocol import Protocol

    protocol = Protocol.load(given)
    if protocol.name in group_options("protocol") and protocol.hash != Protocol.load(protocol.name).hash:
        raise InputError(
            f"protocol {protocol.name!r} was changed on the command line, and its rows would mix with the published "
            "ones. Give the changed protocol a name: protocol.name=mine."
        )
