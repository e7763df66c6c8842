"""job=collect: the tables of job=score from the cells that are there, and the rows of fine-tuning if asked."""

from __future__ import annotations

from pathlib import Path

from tebench.base.errors import InputError
from tebench.base.storage import atomic_path
from tebench.benchmark import grid_state
from tebench.benchmark.grid_state import State
from tebench.benchmark.scores import over_pool
from tebench.benchmark.spec import World, ground_truth_file, protocol_name, resolve
from tebench.cli.jobs.score import requests_of, write_tables
from tebench.cli.jobs.status import finetuning_folder, listing, seeds_of, write_csv
from tebench.metrics import presets
from tebench.metrics.registry import get
from tebench.scoring.request import direct, with_parts
from tebench.scoring.score import frame, missing

ABSENT = "not there yet"


def run(config: dict) -> None:
    """Write scores.csv (a row for every cell, also for those that are not there), tables and rows; name what lacks."""
    from tebench.reporting import report

    world, job = resolve(config), config["job"]
    requests, preset = requests_of(config), presets.read(config)
    states, headers = grid_state.extraction(world, fresh=0)
    wanted = direct(with_parts(requests, preset))
    scored, found = grid_state.scoring(world, wanted, headers)
    rows, own = _ground_truth(config, world) if job["ground_truth"] else ([], None)
    truth, why = _truth(config, world, own)
    scores = _scores(world, requests, wanted, found, headers, truth, preset)
    text, path = [], world.output / "scores.csv"
    measured = set() if truth is None else set(truth["task"])
    there = scores[(scores["status"] != "missing") & scores["task"].isin(measured)]
    if _rankable(there, world):
        from tebench.evaluation.pools import Pool

        text.append(write_tables(config, world, requests, there.copy(), truth, Pool(world.pool, world.encoders)))
        text += [f"left out of the tables: {why}"] if why else []
    else:
        report.forget(world.output)
        text.append(f"no correlation table: {why or 'no metric has a score of every encoder on any task yet.'}")
    _write_scores(path, scores)
    lacking = [state for state in (*states, *scored, *rows) if state.state != "done"]
    write_csv(world.output / "not_there.csv", lacking)
    n_rows = (scores["status"] != "missing").sum()
    text.append(f"\nscores: {n_rows} of {len(scores)} there: {path}")
    if job["ground_truth"]:
        done = sum(state.state == "done" for state in rows)
        text.append(f"fine-tuning rows: {done} of {len(rows)} there: {own}")
    for state in ("running", "failed", "missing"):
        text.append(listing(state, lacking, shown=job["shown"]).rstrip("\n"))
    text.append(f"every cell that is not there: {world.output / 'not_there.csv'}" if lacking else "nothing is missing")
    print("\n".join(part for part in text if part))


def _ground_truth(config: dict, world: World) -> tuple[list[State], Path]:
    """(states of the runs, CSV of those that are done)."""
    from tebench.finetuning import rows

    folder = finetuning_folder(config, world)
    states, results = grid_state.finetuning(world, config["protocol"], seeds_of(config), folder, fresh=0)
    frames = rows.tabulate([run.path for run, _ in results], [content for _, content in results])
    return states, rows.write_frames(frames, world.output, world.name)[0]


def _truth(config: dict, world: World, own: Path | None):
    """(ground truth of the tasks that lack none of the world's encoders, what the others lack) or (None, why)."""
    from tebench.evaluation import groundtruth

    if own is not None and own.read_text(encoding="utf-8").count("\n") < 2:
        return None, "no fine-tuning run is finished yet."
    if len(world.encoders) < 3:
        return None, f"a ranking needs at least 3 encoders, got {len(world.encoders)}."
    try:
        protocol = config["protocol"]["name"] if own else protocol_name(config)
        truth = groundtruth.read(own or ground_truth_file(config), protocol=protocol)
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
