"""Extractions in a pool of worker processes with one torch thread each, under one bar."""

from __future__ import annotations

import contextlib
import logging
import pickle
import time
from pathlib import Path

import numpy as np

from tebench.base.errors import InputError, WorkerKilledError
from tebench.features.progress import bar
from tebench.features.sample import Sample
from tebench.features.volumes import Kept
from tebench.runtime.heap import keep_freed_memory, large_pages
from tebench.runtime.workers import Pool, report
from tebench.tasks.base import Task

log = logging.getLogger(__name__)

_kept = Kept()  # of a worker: volumes for the next encoder
_BLOCK = 32  # voxels along each axis
_SHOWN_EVERY = 0.2  # seconds


def loaded(task: Task | str) -> Task:
    from tebench.tasks import catalogue

    return catalogue.load(task) if isinstance(task, str) else task


def extract_one(task, encoder, sample, cache, options, progress, kept: Kept) -> Path:
    """`extract` of one job, as `extract_all` makes them."""
    from tebench.features.extraction import extract

    return extract(loaded(task), encoder, sample, cache=cache, progress=progress, kept=kept, **options)


def pool(workers: int) -> Pool:
    """Processes that extract, for `run`."""
    return Pool(workers, _begin, kept="cases that were written are kept.")


def run(workers: Pool, jobs: list[tuple], progress: bool) -> list[Path | Exception]:
    """Feature folders, or what went wrong, in the order of the jobs; large ones are begun first, so that all workers
    end together. A killed worker ends all: the others are likely to need as much memory.
    """
    sizes = _sizes([sample for _, _, sample, *_ in jobs])
    found: dict[int, Path | Exception] = {}
    with contextlib.closing(_Overall(sizes, progress)) as shown:
        sent = [_portable(job) for job in jobs]
        for event in workers.run(_work, sent, order=sorted(range(len(jobs)), key=lambda index: -sizes[index])):
            if event.kind == "report":
                shown.update(event.job, *event.content)
                continue
            if isinstance(event.content, WorkerKilledError):
                raise event.content
            if event.kind == "failed":
                log.error("extraction failed: %s", event.content)
            found[event.job] = event.content
            shown.finished(event.job)
    return [found[index] for index in range(len(jobs))]


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
        self._shown = 0.0

    def finished(self, index: int) -> None:
        """A pair whose folder was there already never reported a window."""
        self._state.setdefault(index, (0, 0))
        self._show()

    def update(self, index: int, done: int, total: int, name: str) -> None:
        self._state[index] = (done, total)
        if self._bar is not None and time.monotonic() - self._shown > _SHOWN_EVERY:
            self._bar.set_description(name, refresh=False)
            self._show()

    def _show(self) -> None:
        if self._bar is None:
            return
        self._shown = time.monotonic()
        done, known = (sum(counts) for counts in zip(*self._state.values(), strict=True))
        computed = sum(self._sizes[index] for index, (_, total) in self._state.items() if total)
        waiting = sum(size for index, size in enumerate(self._sizes) if index not in self._state)
        self._bar.total = round(known * (1 + waiting / max(computed, 1)))
        self._bar.update(done - self._bar.n)

    def close(self) -> None:
        if self._bar is not None:
            self._bar.close()


def _begin() -> None:
    large_pages()
    keep_freed_memory()


def _work(job: tuple) -> Path:
    task, encoder = (value if isinstance(value, str) else None for value in job[:2])
    name = f"{encoder or job[1].facts.name} / {task or job[0].name}"
    return extract_one(*job, lambda done, total: report((done, total, name)), _kept)
