"""The table of fine-tuned Dice that a configuration or a benchmark names."""

from __future__ import annotations

from pathlib import Path

from tebench.base.errors import InputError
from tebench.benchmark.spec import ground_truth_file, protocol_name, published
from tebench.evaluation import dice_table
from tebench.evaluation.dice_table import DiceTable


def table_of(config: dict) -> DiceTable:
    """A file of the user's (job.table), or the benchmark's ground truth with its pool and its tasks."""
    job = config["job"]
    without = job["without"]
    if without is not None and not (isinstance(without, list) and all(isinstance(item, str) for item in without)):
        raise InputError(f"job.without must be a list of names or patterns such as [*scratch*], got {without!r}.")
    options = {"without": without, "tasks": config["tasks"]}
    if job["table"] not in (None, "benchmark"):
        path = Path(str(job["table"])).expanduser()
        rows, notes = dice_table.read(path, unit=job["unit"])
        return dice_table.table(rows, name=path.stem, encoders=config["encoders"], notes=notes, **options)
    config = published(config)
    return published_table(
        config["benchmark"], ground_truth_file(config), protocol_name(config), encoders=config["encoders"], **options
    )


def published_table(facts: dict, path: Path, protocol: str, *, encoders=None, without=None, tasks=None) -> DiceTable:
    """A benchmark's ground truth under one protocol; its pool and its tasks where no others are named."""
    rows, notes = dice_table.read(path, protocol=protocol)
    return dice_table.table(
        rows, name=f"{facts['name']}, {protocol}", encoders=encoders or pool_of(facts), without=without,
        tasks=tasks or facts["tasks"], notes=notes,
    )  # fmt: skip


def pool_of(facts: dict) -> list[str]:
    """The benchmark's candidate pool, by names of its own or of the catalogue."""
    if facts.get("encoders"):
        return list(facts["encoders"])
    from tebench.encoders import catalogue

    return list(catalogue.pools()[facts["pool"]])
