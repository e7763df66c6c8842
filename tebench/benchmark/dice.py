"""The table of fine-tuned Dice that job=judge and job=plan read."""

from __future__ import annotations

import csv
from pathlib import Path

from tebench.benchmark.settings import Benchmark, Settings
from tebench.benchmark.spec import ground_truth_file, protocol_name, published
from tebench.evaluation import dice_table
from tebench.evaluation.dice_table import DiceTable


def table_of(settings: Settings, options) -> DiceTable:
    """A file of the user's (options.table), or the benchmark's ground truth with its pool and its tasks."""
    encoders, tasks, without = (
        None if names is None else list(names) for names in (settings.encoders, settings.tasks, options.without)
    )
    if options.table not in (None, "benchmark"):
        path = Path(options.table).expanduser()
        rows, notes = dice_table.read(path, protocol=_of_several(path, settings.protocol["name"]), unit=options.unit)
        return dice_table.table(rows, name=path.stem, encoders=encoders, without=without, tasks=tasks, notes=notes)
    settings = published(settings)
    return published_table(
        settings.benchmark, ground_truth_file(settings), protocol_name(settings), unit=options.unit,
        encoders=encoders, without=without, tasks=tasks,
    )  # fmt: skip


def _of_several(path: Path, chosen: str) -> str | None:
    """The chosen protocol where the file holds rows of it beside others; None: the file's only one, or none."""
    try:
        with open(path, encoding="utf-8", newline="") as file:
            found = {row.get("protocol") for row in csv.DictReader(file)}
    except (OSError, ValueError, csv.Error):
        return None  # said by the reader
    return chosen if len(found) > 1 and chosen in found else None


def published_table(
    benchmark: Benchmark, path: Path, protocol: str, *, unit=None, encoders=None, without=None, tasks=None
) -> DiceTable:
    """A benchmark's ground truth under one protocol; its pool and its tasks where no others are named."""
    rows, notes = dice_table.read(path, protocol=protocol, unit=unit)
    return dice_table.table(
        rows, name=f"{benchmark.name}, {protocol}", encoders=encoders or pool_of(benchmark), without=without,
        tasks=tasks or list(benchmark.tasks), notes=notes,
    )  # fmt: skip


def pool_of(benchmark: Benchmark) -> list[str]:
    """The benchmark's candidate pool, by names of its own or of the catalogue."""
    if benchmark.encoders:
        return list(benchmark.encoders)
    from tebench.encoders import catalogue

    return list(catalogue.pools()[benchmark.pool])
