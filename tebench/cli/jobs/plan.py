"""job=plan: how large a benchmark has to be to show a difference between two metrics."""

from __future__ import annotations

from pathlib import Path

from tebench.base.errors import InputError


def run(config: dict) -> None:
    """Gather what is assumed, simulate every size, verify the cheapest, write text, CSV, figure and page."""
    import pandas as pd

    from tebench.cli.tables import command
    from tebench.evaluation import plan
    from tebench.reporting import plan_report

    job = config["job"]
    if not isinstance(job["draws"], int) or isinstance(job["draws"], bool) or job["draws"] < 200:
        raise InputError(f"job.draws must be a whole number of at least 200, got {job['draws']!r}.")
    assumed, source = _assumed(config)
    model = plan.Model(errors=_number(job["errors"], "errors"), level=_number(job["level"], "level"), **assumed)
    difference, power = _number(job["difference"], "difference"), _number(job["power"], "power")
    sizes = {name: job[f"numbers_of_{name}"] for name in ("encoders", "tasks", "seeds")}
    found = plan.designs(model, difference, power=power, n_draws=job["draws"], seed=config["seed"], **sizes)
    good = plan.cheapest(found)
    checked = pd.DataFrame([
        {"encoders": row.encoders, "tasks": row.tasks, "seeds": row.seeds}
        | plan.verified(model, row, difference, power=power, n_draws=600, seed=config["seed"] + 1)
        for row in good.head(2).itertuples()
    ])  # fmt: skip
    folder = Path(job["folder"] or Path("outputs") / "plan")
    print(plan_report.write(
        folder, found, good, checked, model, difference, power=power, source=source, command=command(),
    ))  # fmt: skip


def _assumed(config: dict) -> tuple[dict, str]:
    """(sd, spread, agreement; where they are from): stated, else the table's, else defaults."""
    from tebench.cli.tables import table_of
    from tebench.evaluation import judge, plan

    job = config["job"]
    stated = {name: _number(job[name], name) for name in ("sd", "spread", "agreement") if job[name] is not None}
    if job["table"] is None:
        default = plan.Model()
        values = {name: stated.get(name, getattr(default, name)) for name in ("sd", "spread", "agreement")}
        return values, "stated, or defaults where nothing was stated"
    table = table_of(config)
    run = stated.get("sd", judge.measured_sds(table) or plan.Model().sd)
    return plan.of_table(table, run) | stated, f"from {table.name}" + (", or stated" if stated else "")


def _number(value, name: str) -> float:
    if type(value) not in (int, float):
        raise InputError(f"job.{name} must be a number, got {value!r}.")
    return float(value)
