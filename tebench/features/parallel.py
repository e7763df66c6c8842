"""Extractions in a pool of worker processes with one torch thread each, under one bar."""

from __future__ import annotations

import contextlib
import logging
import multiprocessing
import pickle
import queue
from collections.abc import Callable
from concurrent.futures import FIRST_EXCEPTION, Future, wait
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import numpy as np

from tebench.base.errors import InputError
from tebench.features.progress import bar
from tebench.features.sample import Sample
from tebench.features.volumes import Kept
from tebench.runtime.heap import keep_freed_memory, large_pages
from tebench.runtime.interrupts import begin_worker, deaf_children, killed_worker_named
from tebench.runtime.workers import pool
from tebench.tasks.base import Task

log = logging.getLogger(__name__)

# Of a worker, set by `_begin_worker`: the queue that progress goes to, and volumes for the next encoder.
_reports, _kept = None, None
_BLOCK = 32  # voxels along each axis
KEPT = "cases that were written are kept."  # said of killed workers


def loaded(task: Task | str) -> Task:
    from tebench.tasks import catalogue

    return catalogue.load(task) if isinstance(task, str) else task


def extract_one(task, encoder, sample, cache, options, progress, kept: Kept) -> Path:
    """`extract` of one job, as `extract_all` makes them."""
    from tebench.features.extraction import extract

    return extract(loaded(task), encoder, sample, cache=cache, progress=progress, kept=kept, **options)


class Workers:
    """Processes that extract; they start when the block is entered."""

    def __init__(self, workers: int):
        self._count = workers

    def __enter__(self) -> Workers:
        self._reports = multiprocessing.get_context("spawn").Queue()
        with contextlib.ExitStack() as held:
            held.callback(self._reports.close)
            self._executor = held.enter_context(pool(self._count, _begin_worker, self._reports))
            with deaf_children():  # every submission starts one more, while none is idle
                for _ in range(self._count):
                    self._executor.submit(int)
            self._held = held.pop_all()
        return self

    def __exit__(self, *error) -> None:
        self._held.__exit__(*error)

    def run(self, jobs: list[tuple], progress: bool) -> list[Future]:
        """Done futures of feature folders, in the order of the jobs; large ones are begun first, so that all workers
        end together. To be read after the block: an error inside would cut the workers' own ends short.
        """
        sizes = _sizes([sample for _, _, sample, *_ in jobs])
        shown = _Overall(sizes, progress)
        with killed_worker_named(KEPT), contextlib.closing(shown):
            futures = {}
            for index in sorted(range(len(jobs)), key=lambda index: -sizes[index]):
                futures[self._executor.submit(_work, index, _portable(jobs[index]))] = index
            running = set(futures)
            while running:
                done, running = wait(running, timeout=0.2, return_when=FIRST_EXCEPTION)
                for future in done:
                    if not isinstance(future.exception(), BrokenProcessPool | None):  # that is said once, below
                        log.error("extraction failed: %s", future.exception())
                shown.update(self._reports)
                for future in done:
                    shown.finished(futures[future])
            return sorted(futures, key=futures.get)


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


def _sizes(samples: list[Sample]) -> list[int]:
    """Blocks with a voxel to read: in proportion to the windows of one encoder, and known without the volumes."""
    found = {}
    for sample in samples:
        if id(sample) not in found:
            blocks = np.column_stack([sample.case, sample.coordinates // _BLOCK]).astype(np.int64)
            found[id(sample)] = len(np.unique(blocks @ (2**48, 2**32, 2**16, 1)))
    return [found[id(sample)] for sample in samples]


class _Overall:
    """One bar over all pairs, in windows; one not yet begun counts as those that were, in proportion to its size."""

    def __init__(self, sizes: list[int], show: bool):
        self._sizes = sizes
        self._bar = bar(f"{len(sizes)} x encoder / task") if show else None
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
            done, known = (sum(counts) for counts in zip(*self._state.values(), strict=True))
            computed = sum(self._sizes[index] for index, (_, total) in self._state.items() if total)
            waiting = sum(size for index, size in enumerate(self._sizes) if index not in self._state)
            self._bar.total = round(known * (1 + waiting / max(computed, 1)))
            self._bar.update(done - self._bar.n)

    def close(self) -> None:
        if self._bar is not None:
            self._bar.close()


def _begin_worker(lifeline, reports) -> None:
    global _reports, _kept
    _reports, _kept = reports, Kept()
    large_pages()
    begin_worker(lifeline)
    keep_freed_memory()


def _work(index: int, job: tuple) -> Path:
    task, encoder = (value if isinstance(value, str) else None for value in job[:2])
    name = f"{encoder or job[1].facts.name} / {task or job[0].name}"
    return extract_one(*job, _reporter(index, name), _kept)


def _reporter(index: int, name: str) -> Callable[[int, int], None]:
    def report(done: int, total: int) -> None:
        _reports.put((index, done, total, name))

    return report
