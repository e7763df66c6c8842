"""job=judge: what a table of fine-tuned Dice can show, before any feature is read."""

from __future__ import annotations

import sys
from pathlib import Path

from tebench.base.errors import InputError


def run(config: dict) -> None:
    """Read the table (and the claims), judge, write text, CSV, figures and page."""
    from tebench.evaluation import claims, judge
    from tebench.reporting import judge_report

    job = config["job"]
    settings = settings_of(config)
    table = table_of(config)
    claimed = claims.read(Path(job["scores"]), table) if job["scores"] else None
    folder = Path(job["folder"] or Path("outputs") / "judge" / table.name)
    print(judge_report.write(folder, judge.judge(table, claimed, settings), command=command()))


def table_of(config: dict):
    """The table that a configuration names: a file of the user's, or the benchmark's ground truth, pool and tasks."""
    from tebench.benchmark.spec import ground_truth_file, protocol_name, published
    from tebench.evaluation import dice_table

    job, encoders, tasks = config["job"], config["encoders"], config["tasks"]
    _names(job["without"], "without")
    if job["table"] is not None:
        path = Path(str(job["table"])).expanduser()
        rows, notes = dice_table.read(path, unit=job["unit"])
        return dice_table.table(
            rows, name=path.stem, encoders=encoders, without=job["without"], tasks=tasks, notes=notes
        )
    config = published(config)
    benchmark = config["benchmark"]
    rows, notes = dice_table.read(ground_truth_file(config), protocol=protocol_name(config), unit=job["unit"])
    name = f"{benchmark['name']}, {protocol_name(config)}"
    return dice_table.table(
        rows, name=name, encoders=encoders or _pool(benchmark), without=job["without"],
        tasks=tasks or benchmark["tasks"], notes=notes,
    )  # fmt: skip


def settings_of(config: dict):
    """How to judge, checked."""
    from tebench.evaluation.judge import Settings

    job = config["job"]
    draws = job["draws"]
    if not isinstance(draws, int) or isinstance(draws, bool) or draws < 200:
        raise InputError(f"job.draws must be a whole number of at least 200, got {draws!r}.")
    sds = None if job["sds"] is None else numbers(job["sds"], "sds", 0.0, 100.0)
    errors = numbers(job["errors"], "errors", 0.0, 1.0)
    level = numbers([job["level"]], "level", 0.01, 0.99)[0]
    return Settings(draws=draws, level=level, errors=errors, sds=sds, seed=config["seed"])


def numbers(given, name: str, low: float, high: float) -> tuple[float, ...]:
    """A list of different numbers within bounds, as a tuple of floats."""
    good = isinstance(given, list) and given and all(type(value) in (int, float) for value in given)
    if not good or not all(low <= value <= high for value in given) or len(set(given)) < len(given):
        raise InputError(f"job.{name} must list different numbers from {low:g} to {high:g}, got {given!r}.")
    return tuple(float(value) for value in given)


def command() -> str:
    """The command as it was given, without where its files go."""
    given = [a for a in sys.argv[1:] if not a.startswith(("job.folder=", "output=", "progress=", "verbose="))]
    return " ".join(["python -m tebench", *(f"'{a}'" if "*" in a else a for a in given)])


def _names(given, name: str) -> None:
    if given is not None and not (isinstance(given, list) and all(isinstance(item, str) for item in given)):
        raise InputError(f"job.{name} must be a list of names or patterns such as [*scratch*], got {given!r}.")


def _pool(benchmark: dict) -> list[str]:
    """The benchmark's candidate pool, by names of its own or of the catalogue."""
    if benchmark.get("encoders"):
        return list(benchmark["encoders"])
    from tebench.encoders import catalogue

    return list(catalogue.pools()[benchmark["pool"]])
