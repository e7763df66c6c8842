"""job=judge: what a table of fine-tuned Dice can show, before any feature is read."""

from __future__ import annotations

from pathlib import Path

from tebench.base.errors import InputError


def run(config: dict) -> None:
    """Read the table (and the claims), judge, write text, CSV, figures and page."""
    from tebench.cli.tables import command, table_of
    from tebench.evaluation import claims, judge
    from tebench.reporting import judge_report

    job, settings = config["job"], settings_of(config)
    table = table_of(config)
    claimed = claims.read(Path(str(job["scores"])).expanduser(), table) if job["scores"] else None
    folder = Path(job["folder"] or Path("outputs") / "judge" / table.name.replace(", ", "-"))
    print(judge_report.write(folder, judge.judge(table, claimed, settings), command=command()))


def settings_of(config: dict):
    """How to judge, checked."""
    from tebench.evaluation.judge import Settings

    job = config["job"]
    draws = job["draws"]
    if not isinstance(draws, int) or isinstance(draws, bool) or draws < 200:
        raise InputError(f"job.draws must be a whole number of at least 200, got {draws!r}.")
    return Settings(
        draws=draws, level=_numbers([job["level"]], "level", 0.01, 0.99)[0], seed=config["seed"],
        errors=_numbers(job["errors"], "errors", 0, 1),
        sds=None if job["sds"] is None else _numbers(job["sds"], "sds", 0, 100),
    )  # fmt: skip


def _numbers(given, name: str, low: float, high: float) -> tuple[float, ...]:
    good = isinstance(given, list) and given and all(type(value) in (int, float) for value in given)
    if not good or not all(low <= value <= high for value in given) or len(set(given)) < len(given):
        raise InputError(f"job.{name} must hold different numbers from {low:g} to {high:g}, got {given!r}.")
    return tuple(float(value) for value in given)
