"""Many extractions at once: a pool of worker processes with one torch thread each."""

from __future__ import annotations

import contextlib
import logging
import multiprocessing
import pickle
import queue
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, wait
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

from tebench.errors import InputError
from tebench.features.progress import bar
from tebench.features.sample import Sample
from tebench.heap import freed_memory_kept, keep_freed_memory
from tebench.interrupts import begin_worker, deaf_children, killed_worker_named
from tebench.tasks.base import Task
from tebench.workers import pool

log = logging.getLogger(__name__)

_reports = None  # set in each worker by `_begin_worker`: the queue that progress goes to


def extract_all(
    pairs: Sequence[tuple[Task | str, object, Sample]],
    *,
    cache: Path,
    workers: int = 2,
    progress: bool = True,
    **options,
) -> list[Path]:
    """`extract` for every (task, encoder, sample); the feature folders in the same order.

    task: a Task, or the name of one in the catalogue.   encoder: a name, or an encoder object.
    workers: processes, one torch thread each; 1 computes in this process.
    options: as `tebench.features.extraction.extract` takes them.

    A failed pair does not stop the others; the first error is raised at the end.
    Ctrl-C ends the workers at once; finished cases are kept and a rerun goes on from them.
    """
    if workers < 1:
        raise InputError(f"workers must be at least 1, got {workers}.")
    jobs = [(task, encoder, sample, Path(cache), options) for task, encoder, sample in pairs]
    workers = min(workers, len(jobs))
    if workers <= 1:
        return _run_here(jobs, progress)
    return _run([_portable(job) for job in jobs], workers, progress)


def _run_here(jobs: list, progress: bool) -> list[Path]:
    folders, errors = [], []
    with freed_memory_kept():
        for job in jobs:
            try:
                folders.append(_extract(*job, progress))
            except Exception as error:
                log.error("extraction failed: %s", error)
                errors.append(error)
    if errors:
        raise errors[0]
    return folders


def _extract(task, encoder, sample, cache, options, progress) -> Path:
    from tebench.features.extraction import extract

    if isinstance(task, str):
        from tebench.tasks import catalogue

        task = catalogue.load(task)
    return extract(task, encoder, sample, cache=cache, progress=progress, **options)


def _portable(job: tuple) -> tuple:
    """The job in a form that can be sent to another process: tasks of the catalogue travel by name."""
    task, encoder, *rest = job
    if isinstance(task, Task) and _in_catalogue(task):
        task = task.name
    try:
        pickle.dumps((task, encoder, *rest))
    except Exception as error:
        name = task if isinstance(task, str) else task.name
        raise InputError(
            f"task {name!r} or its encoder cannot be sent to a worker process ({error}). "
            "Give names, or loaders that are module-level functions, or use workers=1."
        ) from error
    return task, encoder, *rest


def _in_catalogue(task: Task) -> bool:
    from tebench.tasks import catalogue

    return task.name in catalogue.names() and catalogue.load(task.name).fingerprint == task.fingerprint


def _run(jobs: list, workers: int, progress: bool) -> list[Path]:
    reports = multiprocessing.get_context("spawn").Queue()
    shown = _Overall(len(jobs), progress)
    try:
        with pool(workers, _begin_worker, reports) as executor:
            with deaf_children():  # the first submission starts the workers
                futures = [executor.submit(_work, index, job) for index, job in enumerate(jobs)]
            running = set(futures)
            while running:
                done, running = wait(running, timeout=0.2, return_when=FIRST_EXCEPTION)
                for future in done:
                    if not isinstance(future.exception(), BrokenProcessPool | None):  # that is said once, below
                        log.error("extraction failed: %s", future.exception())
                shown.update(reports)
                for future in done:
                    shown.finished(futures.index(future))
    finally:
        shown.update(reports)
        shown.close()
        reports.close()
    with killed_worker_named("finished cases are kept."):
        return [future.result() for future in futures]


class _Overall:
    """One bar over all pairs, in windows; a pair not yet begun counts as the mean of those that were."""

    def __init__(self, n_pairs: int, show: bool):
        self._n_pairs = n_pairs
        self._bar = bar(f"{n_pairs} x encoder / task") if show else None
        self._state: dict[int, tuple[int, int]] = {}

    def finished(self, index: int) -> None:
        """A pair whose folder was there already never reported a window."""
        self._state.setdefault(index, (0, 0))

    def update(self, reports) -> None:
        with contextlib.suppress(queue.Empty):
            while True:
                index, done, total, name = reports.get_nowait()
                self._state[index] = (done, total)
                if self._bar is not None:
                    self._bar.set_description(name, refresh=False)
        if self._bar is not None and self._state:
            done = sum(done for done, _ in self._state.values())
            totals = [total for _, total in self._state.values()]
            computed = max(1, sum(total > 0 for total in totals))
            self._bar.total = round(sum(totals) * (1 + (self._n_pairs - len(totals)) / computed))
            self._bar.update(done - self._bar.n)

    def close(self) -> None:
        if self._bar is not None:
            self._bar.close()


def _begin_worker(lifeline, reports) -> None:
    global _reports
    _reports = reports
    begin_worker(lifeline)
    keep_freed_memory()


def _work(index: int, job: tuple) -> Path:
    task, encoder = (value if isinstance(value, str) else None for value in job[:2])
    name = f"{encoder or job[1].facts.name} / {task or job[0].name}"
    return _extract(*job, _reporter(index, name))


def _reporter(index: int, name: str) -> Callable[[int, int], None]:
    def report(done: int, total: int) -> None:
        _reports.put((index, done, total, name))

    return report
