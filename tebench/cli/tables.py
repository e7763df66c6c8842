"""Which table of fine-tuned Dice a configuration names: shared by the jobs that judge and that plan."""

from __future__ import annotations

import sys
from pathlib import Path

from tebench.benchmark.settings import Benchmark, Settings


def table_of(settings: Settings, options):
    """A file of the user's (options.table), or the benchmark's ground truth with its pool and its tasks."""
    from tebench.benchmark.spec import ground_truth_file, protocol_name, published
    from tebench.evaluation import dice_table

    encoders, tasks, without = (
        None if names is None else list(names) for names in (settings.encoders, settings.tasks, options.without)
    )
    if options.table not in (None, "benchmark"):
        path = Path(options.table).expanduser()
        rows, notes = dice_table.read(path, unit=options.unit)
        return dice_table.table(rows, name=path.stem, encoders=encoders, without=without, tasks=tasks, notes=notes)
    settings = published(settings)
    benchmark, protocol = settings.benchmark, protocol_name(settings)
    rows, notes = dice_table.read(ground_truth_file(settings), protocol=protocol, unit=options.unit)
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


def command() -> str:
    """The command as it was given, without what changes no number; patterns in quotes."""
    quiet = ("job.folder=", "output=", "progress=", "verbose=")
    given = [argument for argument in sys.argv[1:] if not argument.startswith(quiet)]
    return " ".join(["python -m tebench", *(f"'{a}'" if "*" in a else a for a in given)])
