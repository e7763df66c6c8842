"""job=verify: a slice of the published ground truth trained again, from nothing, and compared."""

from __future__ import annotations

import sys
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, ClassVar

from tebench.benchmark.options import option
from tebench.benchmark.settings import Settings
from tebench.benchmark.spec import ground_truth_file, resolve
from tebench.metrics.parameters import Interval


@dataclass(frozen=True)
class Options:
    """Fine-tune a small slice of the published ground truth again and compare; exit code 1 where it does not agree.

    tebench verify
    tebench verify encoders=deepbet tasks=[subcortex,lungs] protocols=starter-v1-frozen
    """

    READS: ClassVar = ("benchmark",)

    protocols: tuple[str, ...] = option(("starter-v1-frozen", "starter-v1"), "names, or YAML files")
    encoders: tuple[str, ...] = option(
        ("deepbet", "deepbet_random"), "about one CPU minute each with one task and one seed"
    )
    tasks: tuple[str, ...] = option(("subcortex",), "of the benchmark")
    seeds: tuple[Annotated[int, Interval(0)], ...] = option((0,), "of fine-tuning")
    target: str | None = option(None, "the rows to check (CSV); null: the benchmark's ground truth")
    tolerance: Annotated[float, Interval(0, 1)] | None = option(
        None, "largest difference of Dice; null: twice the seed spread of the rows, at least .02"
    )
    rows: str = option("outputs/${benchmark.name}/verify", "folder for the table")


def run(settings: Settings, options: Options) -> None:
    """Print one line a run, write verify.csv; exit code 1 where a run fails or does not agree."""
    import pandas as pd

    from tebench.base.storage import atomic_path
    from tebench.evaluation import groundtruth
    from tebench.finetuning import agreement
    from tebench.finetuning.cell import Sources
    from tebench.finetuning.protocol import Protocol
    from tebench.finetuning.runs import plan

    world = resolve(replace(settings, encoders=options.encoders, tasks=options.tasks, output=options.rows))
    path, begun, tables = ground_truth_file(settings, options.target), time.monotonic(), []
    seeds = list(options.seeds)
    slices = []
    # Every row is looked up before the first run: a missing one shall not cost minutes.
    for name in options.protocols:
        protocol = Protocol.load(name)
        truth = groundtruth.read(path, protocol=protocol.name)
        runs = plan(protocol, world.encoders, world.tasks, seeds, folder=Path(), sources=Sources.catalogues())
        rows = agreement.published(truth, runs, path)
        given = options.tolerance
        allowed = {task: agreement.tolerance(truth, task) if given is None else given for task in world.tasks}
        slices.append((protocol, rows, allowed))
    for protocol, rows, allowed in slices:
        again = _train(protocol, world, seeds)
        tables.append(agreement.compare(rows, again, allowed))
    table = pd.concat(tables, ignore_index=True)
    with atomic_path(world.output / "verify.csv") as temporary:
        table.to_csv(temporary, index=False, lineterminator="\n", float_format="%.6g")
    print(table.to_string(index=False, float_format=lambda value: f"{value:.4f}"))
    bad = int((~table["agrees"]).sum())
    print(
        f"{len(table) - bad} of {len(table)} runs agree with {path} ({time.monotonic() - begun:.0f} s); "
        f"table: {world.output / 'verify.csv'}"
    )
    if bad:
        sys.exit(1)


def _train(protocol, world, seeds) -> dict[str, dict]:
    """Run name -> its new row, from a folder that holds no earlier run."""
    from tebench.finetuning import rows
    from tebench.finetuning.runs import run_grid

    with tempfile.TemporaryDirectory(prefix="tebench-verify-") as folder:
        report = run_grid(
            protocol, world.encoders, world.tasks, seeds, folder=folder, workers=world.workers, device=world.device,
            progress=world.progress,
        )  # fmt: skip
        if report.failed:
            for name, error in report.failed.items():
                print(f"failed: {name}: {error}", file=sys.stderr)
            sys.exit(1)
        table, _ = rows.collect(Path(folder))
    return {f"{row['task']}-{row['encoder']}-seed{row['seed']}": row for row in table.to_dict("records")}
