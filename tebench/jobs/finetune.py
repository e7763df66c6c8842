"""job=finetune: measured ground truth, the only job that trains."""

from __future__ import annotations

import sys
from pathlib import Path

from tebench.errors import InputError
from tebench.finetuning import rows
from tebench.finetuning.runs import run_grid
from tebench.world import World, resolve


def run(config: dict) -> None:
    """Run encoders x tasks x seeds under `protocol`, then write the rows of all finished runs as CSV."""
    world, job = resolve(config), config["job"]
    seeds = job["seeds"]
    if not isinstance(seeds, list) or not seeds or not all(type(s) is int and s >= 0 for s in seeds):
        raise InputError(f"job.seeds must be a list of whole numbers >= 0 such as [0,1,2], got {seeds!r}.")
    _check_name(config["protocol"])
    _check_test_cases(world)
    folder = Path(job["folder"]).expanduser() if job["folder"] else world.cache / "finetuning"
    out = Path(job["rows"]).expanduser() if job["rows"] else world.output
    report = run_grid(
        config["protocol"], world.encoders, world.tasks, seeds, folder=folder, workers=world.workers,
        device=world.device, progress=world.progress, retry=world.retry,
        on_result=lambda _: rows.write_csvs(folder, out, world.name),
    )  # fmt: skip
    for path in rows.write_csvs(folder, out, world.name):
        print(path)
    if report.failed:
        for name, error in report.failed.items():
            print(f"failed: {name}: {error}", file=sys.stderr)
        sys.exit(1)


def _check_test_cases(world: World) -> None:
    """Dice is measured on cases that no score reads; a data set opened from a folder has none."""
    from tebench.tasks import catalogue

    lacking = [name for name in world.tasks if not catalogue.load(name).test_cases]
    if lacking:
        raise InputError(
            f"job=finetune measures Dice on test cases, and {', '.join(lacking)} of benchmark {world.name} have none: "
            "the labelled cases of a data set opened from a folder are all read by the scores. Rows that were measured "
            "elsewhere serve as ground truth: job=score job.target=FILE.csv (columns protocol, encoder, task, seed, "
            "metric, value)."
        )


def _check_name(given: dict) -> None:
    """A protocol's name stands for its values: changed values need a name of their own."""
    from tebench.finetuning.protocol import Protocol
    from tebench.options import group_options

    protocol = Protocol.load(given)
    if protocol.name in group_options("protocol") and protocol.hash != Protocol.load(protocol.name).hash:
        raise InputError(
            f"protocol {protocol.name!r} was changed on the command line, and its rows would mix with the published "
            "ones. Give the changed protocol a name: protocol.name=mine."
        )
