"""What is there of a grid: rows of finished runs, ground truth that is complete, scores with gaps said."""

from __future__ import annotations

from pathlib import Path

from tebench.base.errors import InputError
from tebench.base.storage import atomic_path
from tebench.benchmark import grid_state
from tebench.benchmark.grid_report import finetuning_folder
from tebench.benchmark.grid_state import State
from tebench.benchmark.ground_truth import narrowed
from tebench.benchmark.scores import over_pool
from tebench.benchmark.settings import Settings
from tebench.benchmark.spec import World, ground_truth_file, protocol_name
from tebench.metrics.registry import get
from tebench.scoring.score import frame, missing

ABSENT = "not there yet"


def ground_truth_rows(
    settings: Settings, folder: str | None, seeds: list[int], world: World
) -> tuple[list[State], Path]:
    """(states of the runs, CSV of those that are done)."""
    from tebench.finetuning import rows

    place = finetuning_folder(folder, world)
    states, results = grid_state.finetuning(world, settings.protocol, seeds, place, fresh=0)
    frames = rows.tabulate([run.path for run, _ in results], [content for _, content in results])
    return states, rows.write_frames(frames, world.output, world.name)[0]


def complete_truth(settings: Settings, target: str | None, world: World, own: Path | None):
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
    return narrowed(truth, tasks, world.encoders), why


def scores_at_hand(world: World, requests, wanted, found, headers, truth, preset):
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


def rankable(scores, world: World) -> bool:
    """Whether some metric has a score of the whole pool on some task."""
    ok = scores[scores["status"] == "ok"].groupby(["metric", "task"])["encoder"].nunique()
    return bool((ok == len(world.encoders)).any()) and any(get(name).reads != "facts" for name, _ in ok.index)


def write_scores(path: Path, scores) -> None:
    from tebench.reporting import formats, report

    with atomic_path(path) as temporary:
        temporary.write_text(formats.csv_text(report.plain(scores)), encoding="utf-8", newline="\n")
