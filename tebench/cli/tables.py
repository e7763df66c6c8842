"""Which table of fine-tuned Dice a configuration names: shared by the jobs that judge and that plan."""

from __future__ import annotations

import sys
from pathlib import Path

from tebench.base.errors import InputError


def table_of(config: dict):
    """A file of the user's (job.table), or the benchmark's ground truth with its pool and its tasks."""
    from tebench.benchmark.spec import ground_truth_file, protocol_name, published
    from tebench.evaluation import dice_table

    job, encoders, tasks = config["job"], config["encoders"], config["tasks"]
    without = job["without"]
    if without is not None and not (isinstance(without, list) and all(isinstance(item, str) for item in without)):
        raise InputError(f"job.without must be a list of names or patterns such as [*scratch*], got {without!r}.")
    if job["table"] not in (None, "benchmark"):
        path = Path(str(job["table"])).expanduser()
        rows, notes = dice_table.read(path, unit=job["unit"])
        return dice_table.table(rows, name=path.stem, encoders=encoders, without=without, tasks=tasks, notes=notes)
    config = published(config)
    benchmark, protocol = config["benchmark"], protocol_name(config)
    rows, notes = dice_table.read(ground_truth_file(config), protocol=protocol, unit=job["unit"])
    return dice_table.table(
        rows, name=f"{benchmark['name']}, {protocol}", encoders=encoders or pool_of(benchmark), without=without,
        tasks=tasks or benchmark["tasks"], notes=notes,
    )  # fmt: skip


def pool_of(benchmark: dict) -> list[str]:
    """The benchmark's candidate pool, by names of its own or of the catalogue."""
    if benchmark.get("encoders"):
        return list(benchmark["encoders"])
    from tebench.encoders import catalogue

    return list(catalogue.pools()[benchmark["pool"]])


def command() -> str:
    """The command as it was given, without what changes no number; patterns in quotes."""
    quiet = ("job.folder=", "output=", "progress=", "verbose=")
    given = [argument for argument in sys.argv[1:] if not argument.startswith(quiet)]
    return " ".join(["python -m tebench", *(f"'{a}'" if "*" in a else a for a in given)])
