"""job=judge: what a table of fine-tuned Dice can show, before any feature is read."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar, Literal

from tebench.benchmark.options import option
from tebench.benchmark.settings import Settings
from tebench.metrics.parameters import Interval


@dataclass(frozen=True)
class Options:
    """Show what a table of fine-tuned Dice can reveal about any metric; no feature is read.

    tebench judge table=dice.csv                         columns encoder,task,dice[,seed]
    tebench judge table=dice.csv scores=claims.csv       what a paper claims, judged
    tebench judge benchmark=starter encoders=[deep*]     the benchmark's own ground truth
    """

    READS: ClassVar = ("benchmark", "protocol", "encoders", "tasks", "seed")

    table: str | None = option(
        None,
        "CSV: encoder,task,dice[,seed], the layout of leaderboard/ground_truth, or architecture,pretraining,dataset,"
        "metric,value; null: the benchmark's ground truth, its pool and its tasks",
    )
    unit: Literal["fraction", "percent"] | None = option(None, "of a column dice; null: found from its values")
    without: tuple[str, ...] | None = option(None, "encoders to leave out, names or patterns: without=[*scratch*]")
    scores: str | None = option(
        None, "CSV of what a paper claims: metric,tau_w[,task] or metric,encoder,task,score[,direction]"
    )
    sds: tuple[Annotated[float, Interval(0, 100)], ...] | None = option(
        None, "SDs of one run in Dice points, such as [0.25,0.5,1]; null: measured where there are seeds, else a curve"
    )
    level: Annotated[float, Interval(0.01, 0.99)] = option(
        0.5, "mean tau_w about which two metrics are to be told apart"
    )
    errors: tuple[Annotated[float, Interval(0, 1)], ...] = option(
        (0.0, 0.5), "shares of a metric's error that are common to the tasks"
    )
    draws: Annotated[int, Interval(200)] = option(2000, "simulated draws of everything that is simulated")
    folder: str | None = option(None, "where the files go; null: outputs/judge/<table or benchmark>")
    docs: str | None = option(
        None, "write the committed pages on published tables (findings_openmind.md, judge_starter.md) into this folder"
    )


def run(settings: Settings, options: Options) -> None:
    """Read the table (and the claims), judge, write text, CSV, figures and page; or the committed pages."""
    from tebench.benchmark.dice import table_of
    from tebench.benchmark.spec import leaderboard_folder
    from tebench.evaluation import claims, judge
    from tebench.reporting import judge_report
    from tebench.runtime.command import as_given

    how = judge.Settings(
        draws=options.draws, level=options.level, seed=settings.seed, errors=options.errors, sds=options.sds
    )
    if options.docs:
        from tebench.research.findings import tables

        print("\n".join(map(str, tables.write(Path(options.docs), leaderboard_folder(None), how))))
        return
    table = table_of(settings, options)
    claimed = claims.read(Path(options.scores).expanduser(), table) if options.scores else None
    folder = Path(options.folder or Path("outputs") / "judge" / table.name.replace(", ", "-"))
    print(judge_report.write(folder, judge.judge(table, claimed, how), command=as_given()))
