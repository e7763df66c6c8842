"""job=plan: how large a benchmark has to be to show a difference between two metrics."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar, Literal

from tebench.benchmark.options import option
from tebench.benchmark.settings import Settings
from tebench.metrics.parameters import Interval


@dataclass(frozen=True)
class Options:
    """Compute how many encoders, tasks and seeds show a difference between two metrics.

    tebench plan difference=0.1 sd=0.5 spread=1
    tebench plan table=benchmark benchmark=starter       spread, agreement and SD of its own ground truth
    """

    READS: ClassVar = ("benchmark", "protocol", "encoders", "tasks", "seed")

    difference: float = option(0.15, "of mean tau_w, that is to be shown")
    power: float = option(0.8, "with this probability")
    level: float = option(0.5, "mean tau_w of the weaker metric")
    table: str | None = option(
        None, "CSV of fine-tuned Dice that gives spread, agreement and the SD of a run; or benchmark: its own"
    )
    unit: Literal["fraction", "percent"] | None = option(None, "of a column dice; null: found from its values")
    without: tuple[str, ...] | None = option(None, "encoders of the table to leave out, names or patterns")
    sd: float | None = option(
        None, "SD of one run in Dice points; null: measured in the table where it has seeds, else 0.5"
    )
    spread: float | None = option(None, "true SD between encoders on a task, Dice points; null: the table's, else 1")
    agreement: float | None = option(
        None, "share of a task's true variance that is common to the tasks; null: the table's, else 0.5"
    )
    errors: float = option(0.5, "share of a metric's error variance that is common to the tasks")
    numbers_of_encoders: tuple[int, ...] = option((5, 7, 10, 12, 16, 21, 30, 40, 60), "to try")
    numbers_of_tasks: tuple[int, ...] = option((3, 6, 9, 12, 16, 20, 30), "to try")
    numbers_of_seeds: tuple[int, ...] = option((1, 2, 4), "to try")
    draws: Annotated[int, Interval(200)] = option(1500, "simulated benchmarks for every number of encoders and seeds")
    folder: str = option("outputs/plan", "where the files go")


def run(settings: Settings, options: Options) -> None:
    """Gather what is assumed, simulate every size, verify the cheapest, write text, CSV, figure and page."""
    import pandas as pd

    from tebench.evaluation import plan
    from tebench.reporting import plan_report
    from tebench.runtime.command import as_given

    assumed, source = _assumed(settings, options)
    model = plan.Model(errors=options.errors, level=options.level, **assumed)
    difference, power, seed = options.difference, options.power, settings.seed
    found = plan.designs(
        model, difference, power=power, n_draws=options.draws, seed=seed, encoders=list(options.numbers_of_encoders),
        tasks=list(options.numbers_of_tasks), seeds=list(options.numbers_of_seeds),
    )  # fmt: skip
    good = plan.cheapest(found)
    checked = pd.DataFrame([
        {"encoders": row.encoders, "tasks": row.tasks, "seeds": row.seeds}
        | plan.verified(model, row, difference, power=power, n_draws=600, seed=seed + 1)
        for row in good.head(2).itertuples()
    ])  # fmt: skip
    folder = Path(options.folder)
    print(plan_report.write(
        folder, found, good, checked, model, difference, power=power, source=source, command=as_given(),
    ))  # fmt: skip


def _assumed(settings: Settings, options: Options) -> tuple[dict, str]:
    """(sd, spread, agreement; where they are from): stated, else the table's, else defaults."""
    from tebench.benchmark.dice import table_of
    from tebench.evaluation import judge, plan

    given = {"sd": options.sd, "spread": options.spread, "agreement": options.agreement}
    stated = {name: value for name, value in given.items() if value is not None}
    if options.table is None:
        default = plan.Model()
        values = {name: stated.get(name, getattr(default, name)) for name in ("sd", "spread", "agreement")}
        return values, "stated, or defaults where nothing was stated"
    table = table_of(settings, options)
    run = stated.get("sd", judge.measured_sds(table) or plan.Model().sd)
    return plan.of_table(table, run) | stated, f"from {table.name}" + (", or stated" if stated else "")
