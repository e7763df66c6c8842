"""job=collect: the tables of job=score from the cells that are there, and the rows of fine-tuning if asked."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, ClassVar

from tebench.base.errors import InputError
from tebench.base.storage import atomic_path
from tebench.benchmark import grid_state
from tebench.benchmark.grid_state import State
from tebench.benchmark.options import option
from tebench.benchmark.scores import over_pool
from tebench.benchmark.settings import Settings
from tebench.benchmark.spec import World, ground_truth_file, protocol_name, resolve
from tebench.cli.jobs.score import requests_of, write_tables
from tebench.cli.jobs.status import finetuning_folder, listing, write_csv
from tebench.metrics.parameters import Interval
from tebench.metrics.registry import get
from tebench.scoring.request import direct, with_parts
from tebench.scoring.score import frame, missing

ABSENT = "not there yet"


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
    folder: str | None = option(None, "results of fine-tuning; null: <cache>/finetuning")
    shown: Annotated[int, Interval(0)] = option(12, "missing scores listed on the terminal; the CSV lists all")


def run(settings: Settings, options: Options) -> None:
    """Write scores.csv (a row for every cell, also for those that are not there), tables and rows; name what lacks."""
    from tebench.reporting import report

    world, preset = resolve(settings), settings.preset
    requests = requests_of(settings, options.beside)
    states, headers = grid_state.extraction(world, fresh=0)
    wanted = direct(with_parts(requests, preset))
    scored, found = grid_state.scoring(world, wanted, headers)
    rows, own = _ground_truth(settings, options, world) if options.ground_truth else ([], None)
    truth, why = _truth(settings, options.target, world, own)
    scores = _scores(world, requests, wanted, found, headers, truth, preset)
    text, path = [], world.output / "scores.csv"
    measured = set() if truth is None else set(truth["task"])
    there = scores[(scores["status"] != "missing") & scores["task"].isin(measured)]
    if _rankable(there, world):
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
    _write_scores(path, scores)
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


def _ground_truth(settings: Settings, options: Options, world: World) -> tuple[list[State], Path]:
    """(states of the runs, CSV of those that are done)."""
    from tebench.finetuning import rows

    folder = finetuning_folder(options.folder, world)
    states, results = grid_state.finetuning(world, settings.protocol, list(options.seeds), folder, fresh=0)
    frames = rows.tabulate([run.path for run, _ in results], [content for _, content in results])
    return states, rows.write_frames(frames, world.output, world.name)[0]


def _truth(settings: Settings, target: str | None, world: World, own: Path | None):
    """(ground truth of the tasks that lack none of the world's encoders, what the others lack) or (None, why)."""
    from tebench.evaluation import groundtruth

    if own is not None and own.read_text(encoding="utf-8").count("\n") < 2:
        return None, "no fine-tuning run is finished yet."
    if len(world.encoders) < 3:
        return None, f"a ranking needs at least 3 encoders, got {len(world.encoders)}."
    try:
        protocol = settings.protocol["name"] if own else protocol_name(settings)
        truth = groundtruth.read(own or ground_truth_file(settings, target), protocol=protocol)
    except InputError as error:
        return None, str(error)
    gaps = groundtruth.missing(truth, world.encoders, world.tasks)
    why = groundtruth.spelled(gaps) if len(gaps) else ""
    tasks = [task for task in world.tasks if task not in set(gaps["task"])]
    if not tasks:
        return None, why
    return truth[truth["task"].isin(tasks) & truth["encoder"].isin(world.encoders)].reset_index(drop=True), why


def _scores(world: World, requests, wanted, found, headers, truth, preset):
    """The frame of job=score, in which a cell that is not there is a row of status "missing"."""
    whole = {}
    for (task, encoder), made in found.items():
        header = headers.get((task, encoder))
        reason = ABSENT if header else f"{ABSENT}: its features are not there"
        whole[task, encoder] = [
            next((score for score in made if request.matches(score)), None)
            or missing(request, task, encoder, header, reason)
            for request in wanted
        ]
    if truth is None:
        requests = [request for request in requests if request.metric.reads != "elsewhere"]
    return frame(over_pool(world, requests, whole, truth, preset))


def _rankable(scores, world: World) -> bool:
    """Whether some metric has a score of the whole pool on some task."""
    ok = scores[scores["status"] == "ok"].groupby(["metric", "task"])["encoder"].nunique()
    return bool((ok == len(world.encoders)).any()) and any(get(name).reads != "facts" for name, _ in ok.index)


def _write_scores(path: Path, scores) -> None:
    from tebench.reporting import formats, report

    with atomic_path(path) as temporary:
        temporary.write_text(formats.csv_text(report.plain(scores)), encoding="utf-8", newline="\n")
