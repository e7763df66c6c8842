"""The grid of fine-tuning runs: encoders x tasks x seeds, several worker processes, resumable."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable
from pathlib import Path

from tebench.base import failures
from tebench.base.errors import InputError, TebenchError
from tebench.base.storage import make_folder
from tebench.finetuning import rows
from tebench.finetuning.cell import Run, Sources
from tebench.finetuning.protocol import Protocol
from tebench.finetuning.workers import Bar, Report, in_process, in_workers

log = logging.getLogger(__name__)

collect = rows.collect


def plan(protocol: Protocol, encoders, tasks, seeds, *, folder: Path, sources: Sources) -> list[Run]:
    """All runs: seed by seed, so that an unfinished grid holds whole blocks."""
    for label, values in (("encoders", encoders), ("tasks", tasks), ("seeds", seeds)):
        if isinstance(values, str) or not list(values) or len(set(values)) < len(list(values)):
            raise InputError(f"{label}: give at least one, each once, got {values!r}.")
    for seed in seeds:
        if not isinstance(seed, int) or isinstance(seed, bool) or seed < 0:
            raise InputError(f"seeds must be whole numbers >= 0, got {seed!r}.")
    task_prints = {name: sources.load_task(name).fingerprint for name in tasks}
    encoder_prints = {name: sources.encoder_fingerprint(name) for name in encoders}
    runs = []
    for seed in seeds:
        for task in tasks:
            for encoder in encoders:
                key, made_from = rows.run_key(protocol.hash, encoder_prints[encoder], task_prints[task], seed)
                runs.append(Run(protocol, encoder, task, seed, key, made_from, Path(folder) / protocol.name))
    return runs


def run_grid(
    protocol,
    encoders,
    tasks,
    seeds,
    *,
    folder,
    workers: int = 1,
    device: str = "cpu",
    every: int = 100,
    progress: bool = True,
    on_result: Callable[[Run], None] = lambda run: None,
    sources: Sources | None = None,
    retry: bool = True,
) -> Report:
    """Fine-tune every encoder on every task with every seed; each result is written as soon as it is there.

    protocol: a `Protocol`, a mapping, a YAML file or a name.   folder: results, one JSON a run; finished runs
    found there are not repeated, interrupted ones continue from their last checkpoint (every `every` steps).
    Results of an older version of this protocol, of an encoder or of a task are set aside in `superseded/`, and
    taken back when that version returns.
    workers: processes, one torch thread each; 1 runs in this process.
    on_result: called after each new result (say to rewrite the CSV).

    A run that fails is written down (`failed-*.json`), reported, and tried again the next time; with retry=False only
    where the machine may have caused it, see `tebench.base.failures`.
    """
    protocol = Protocol.load(protocol)
    if not isinstance(workers, int) or workers < 1:
        raise InputError(f"workers must be a whole number >= 1, got {workers!r}.")
    sources = sources or Sources.catalogues()
    runs = plan(protocol, list(encoders), list(tasks), list(seeds), folder=folder, sources=sources)
    report = Report(make_folder(Path(folder) / protocol.name))
    _set_aside(runs, report.folder)
    todo = []
    for run in runs:
        if run.finished():
            with contextlib.suppress(OSError):
                run.checkpoint.unlink(missing_ok=True)  # of a process killed after it wrote the result
            report.found.append(run.name)
        elif known := failures.standing(run.failure, retry):
            report.failed[run.name] = f"failed on {known['when']}: {known['error']} retry=true tries it again."
        else:
            todo.append(run)
    with Bar(protocol, len(runs), len(report.found), progress) as bar:
        execute = in_process if workers == 1 or len(todo) < 2 else in_workers
        execute(todo, min(workers, len(todo)), device, every, sources, report, bar, on_result)
    return report


def _set_aside(runs: list[Run], folder: Path) -> None:
    """Keep results out of the rows that do not belong with what is run now, and take back those that do."""
    protocol = runs[0].made_from["protocol_hash"]
    encoders = {run.encoder: run.made_from["encoder_fingerprint"] for run in runs}
    tasks = {run.task: run.made_from["task_fingerprint"] for run in runs}
    aside = folder / rows.SUPERSEDED
    for path in sorted(folder.glob("*.json")):
        if path.name.startswith(rows.FAILED):
            continue
        try:
            row = rows.read_result(path)["row"]
        except TebenchError:
            continue  # a damaged file is met again, and repeated, when its run comes up
        now = (protocol, encoders.get(row["encoder"]), tasks.get(row["task"]))
        made = (row["protocol_hash"], row["encoder_fingerprint"], row["task_fingerprint"])
        if any(a is not None and a != b for a, b in zip(now, made, strict=True)):
            log.warning("%s was made from another version of protocol, encoder or task: set aside in %s.", path, aside)
            with contextlib.suppress(FileNotFoundError):  # another process was faster
                path.replace(make_folder(aside) / path.name)
    for run in runs:
        if not run.path.exists() and (aside / run.path.name).exists():
            with contextlib.suppress(FileNotFoundError):
                (aside / run.path.name).replace(run.path)
