"""job=collect: the tables of job=score from the cells that are there, and the rows of fine-tuning if asked."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Annotated, ClassVar

from tebench.benchmark import grid_state
from tebench.benchmark.collected import complete_truth, ground_truth_rows, rankable, scores_at_hand, write_scores
from tebench.benchmark.grid_report import listing, write_csv
from tebench.benchmark.options import option
from tebench.benchmark.requests import requests_of
from tebench.benchmark.settings import Settings
from tebench.benchmark.spec import resolve
from tebench.benchmark.tables import write_tables
from tebench.metrics.parameters import Interval
from tebench.scoring.request import direct, with_parts


@dataclass(frozen=True)
class Options:
    """Build tables from finished scores, of a whole grid or a partial one; list missing ones. Nothing is computed.

    tebench collect encoders=[deepbet,deepbrain] metric=[grtd_lbtc,logme] ground_truth=true
    """

    READS: ClassVar = (
        "benchmark", "metric", "encoders", "leaked", "tasks", "stages", "seed", "sampling", "protocol", "preset",
        "output",
    )  # fmt: skip

    beside: tuple[str, ...] = option(
        ("random", "n_parameters"), "static baselines that stand in every table", empty=True
    )
    target: str | None = option(None, "correlate with another ground-truth file (CSV) than the benchmark's")
    ground_truth: bool = option(
        False, "true: also write the rows of fine-tuning under protocol=, and correlate with these"
    )
    seeds: tuple[Annotated[int, Interval(0)], ...] = option((0, 1, 2), "of fine-tuning")
    folder: str | None = option(None, "results of fine-tuning; null: <cache>/finetuning", how=True)
    shown: Annotated[int, Interval(0)] = option(
        12, "missing scores listed on the terminal; the CSV lists all", how=True
    )


def run(settings: Settings, options: Options) -> None:
    """Write scores.csv (a row for every cell, also for those that are not there), tables and rows; name what lacks."""
    from tebench.reporting import report

    world, preset = resolve(settings), settings.preset
    requests = requests_of(settings, options.beside)
    states, headers = grid_state.extraction(world, fresh=0)
    wanted = direct(with_parts(requests, preset))
    scored, found = grid_state.scoring(world, wanted, headers)
    rows, own = (
        ground_truth_rows(settings, options.folder, list(options.seeds), world) if options.ground_truth else ([], None)
    )
    truth, why = complete_truth(settings, options.target, world, own)
    scores = scores_at_hand(world, requests, wanted, found, headers, truth, preset)
    text, path = [], world.output / "scores.csv"
    measured = set() if truth is None else set(truth["task"])
    there = scores[(scores["status"] != "missing") & scores["task"].isin(measured)]
    if rankable(there, world):
        from tebench.evaluation.pools import Pool

        text.append(
            write_tables(
                settings, asdict(options), world, requests, there.copy(), truth, Pool(world.pool, world.encoders)
            )
        )
        text += [f"left out of the tables: {why}"] if why else []
    else:
        report.forget(world.output)
        text.append(f"no correlation table: {why or 'no metric has a score of every encoder on any task yet.'}")
    write_scores(path, scores)
    lacking = [state for state in (*states, *scored, *rows) if state.state != "done"]
    write_csv(world.output / "not_there.csv", lacking)
    n_rows = (scores["status"] != "missing").sum()
    text.append(f"\nscores: {n_rows} of {len(scores)} there: {path}")
    if options.ground_truth:
        done = sum(state.state == "done" for state in rows)
        text.append(f"fine-tuning rows: {done} of {len(rows)} there: {own}")
    for state in ("running", "failed", "missing"):
        text.append(listing(state, lacking, shown=options.shown).rstrip("\n"))
    text.append(f"every cell that is not there: {world.output / 'not_there.csv'}" if lacking else "nothing is missing")
    print("\n".join(part for part in text if part))
