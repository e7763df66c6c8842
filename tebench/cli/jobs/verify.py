"""job=verify: a slice of the published ground truth trained again, from nothing, and compared."""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

from tebench.base.errors import InputError
from tebench.benchmark.spec import ground_truth_file, resolve


def run(config: dict) -> None:
    """Print one line a run, write verify.csv; exit code 1 where a run fails or does not agree."""
    import pandas as pd

    from tebench.base.storage import atomic_path
    from tebench.evaluation import groundtruth
    from tebench.finetuning import agreement
    from tebench.finetuning.cell import Sources
    from tebench.finetuning.protocol import Protocol
    from tebench.finetuning.runs import plan

    job = config["job"]
    _check(job)
    world = resolve(config | {"encoders": job["encoders"], "tasks": job["tasks"], "output": job["rows"]})
    path, begun, tables = ground_truth_file(config), time.monotonic(), []
    slices = []
    # Every row is looked up before the first run: a missing one shall not cost minutes.
    for name in job["protocols"]:
        protocol = Protocol.load(name)
        truth = groundtruth.read(path, protocol=protocol.name)
        runs = plan(protocol, world.encoders, world.tasks, job["seeds"], folder=Path(), sources=Sources.catalogues())
        rows = agreement.published(truth, runs, path)
        given = job["tolerance"]
        allowed = {task: agreement.tolerance(truth, task) if given is None else given for task in world.tasks}
        slices.append((protocol, rows, allowed))
    for protocol, rows, allowed in slices:
        again = _train(protocol, world, job["seeds"])
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


def _check(job: dict) -> None:
    for key in ("protocols", "encoders", "tasks"):
        value = job[key]
        if not isinstance(value, list) or not value or not all(isinstance(item, str) for item in value):
            raise InputError(f"job.{key} must be a list of names such as {key}=[a,b], got {value!r}.")
    given = job["tolerance"]
    if given is not None and (not isinstance(given, int | float) or isinstance(given, bool) or not 0 <= given <= 1):
        raise InputError(f"job.tolerance must be a fraction of Dice, 0..1, or null, got {given!r}.")
