"""Many extractions: what is there is looked up, the rest computed here or by workers."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tebench.base import storage
from tebench.base.errors import InputError
from tebench.features import parallel
from tebench.features.cache import MANIFEST, folder_for, is_valid
from tebench.features.parallel import extract_one, loaded
from tebench.features.partial import clear_left
from tebench.features.sample import Sample
from tebench.features.volumes import Kept
from tebench.runtime.heap import freed_memory_kept
from tebench.tasks.base import Task

log = logging.getLogger(__name__)


def extract_all(
    pairs: Sequence[tuple[Task | str, object, Sample | Callable[[], Sample]]],
    *,
    cache: Path,
    workers: int = 2,
    progress: bool = True,
    **options,
) -> list[Path]:
    """`extract` for every (task, encoder, sample); the feature folders in the same order.

    task: a Task, or the name of one in the catalogue.   encoder: a name, or an encoder object.
    sample: or a function that gives it; it is called in this process, while the workers start.
    workers: processes, one torch thread each; 1 computes in this process.
    options: as `tebench.features.extraction.extract` takes them.

    A failed pair does not stop the others; the first error is raised at the end.
    Ctrl-C ends the workers at once; a rerun goes on from the cases that were written.
    """
    if workers < 1:
        raise InputError(f"workers must be at least 1, got {workers}.")
    pairs = list(pairs)
    jobs = ((task, encoder, _drawn(sample), Path(cache), options) for task, encoder, sample in pairs)
    workers = min(workers, len(pairs))
    # All samples first: one that cannot be drawn is known before hours of computing.
    return _run_here(list(jobs), progress) if workers <= 1 else _run(jobs, workers, progress)


def _drawn(sample) -> Sample:
    return sample() if callable(sample) else sample


def _run_here(jobs: Iterable[tuple], progress: bool) -> list[Path]:
    folders, errors, kept = [], [], Kept()
    with freed_memory_kept():
        for job in jobs:
            try:
                folders.append(extract_one(*job, progress, kept))
            except Exception as error:
                log.error("extraction failed: %s", error)
                errors.append(error)
    if errors:
        raise errors[0]
    return folders


def _run(jobs: Iterable[tuple], workers: int, progress: bool) -> list[Path]:
    """What is there is looked up in this process; workers, for two or more that are not, start beside that."""
    missing: dict[int, tuple] = {}
    there: dict[int, tuple[Path, str, tuple]] = {}
    with contextlib.ExitStack() as held:
        pool = None
        for index, job in enumerate(jobs):
            place = _place_if_there(*job)
            if place is not None:
                there[index] = *place, job
                continue
            missing[index] = job
            if len(missing) == 2:
                pool = held.enter_context(parallel.pool(workers))
        sound = _in_threads(_is_sound, there.values(), workers)
        missing |= {index: job for (index, (_, _, job)), whole in zip(there.items(), sound, strict=True) if not whole}
        missing = dict(sorted(missing.items()))
        if pool is None and len(missing) > 1:
            pool = held.enter_context(parallel.pool(workers))
        if pool is not None:
            made = parallel.run(pool, list(missing.values()), progress)
        else:
            made = _run_here(missing.values(), progress)
    # After the block, so that the workers come to their own end.
    for error in made:
        if isinstance(error, Exception):
            raise error
    folders = {index: folder for index, (folder, *_) in there.items()} | dict(zip(missing, made, strict=True))
    return [folders[index] for index in sorted(folders)]


def _place_if_there(task, encoder, sample, cache, options) -> tuple[Path, str] | None:
    """Folder and key of features with a manifest; None also for what extraction itself refuses with a reason."""
    from tebench.features.extraction import made_from

    with contextlib.suppress(Exception):
        parts = made_from(loaded(task), encoder, sample, **options)
        folder = folder_for(cache, parts)
        if (folder / MANIFEST).exists():
            return folder, storage.hash_json(parts)
    return None


def _in_threads(function, items: Iterable, threads: int) -> list:
    """The function of every item; hashing leaves the interpreter to others. An error or Ctrl-C drops what waits."""
    readers = ThreadPoolExecutor(threads)
    try:
        return list(readers.map(function, items))
    finally:
        readers.shutdown(cancel_futures=True)


def _is_sound(there: tuple[Path, str, tuple]) -> bool:
    folder, key, _ = there
    with contextlib.suppress(InputError):  # cannot be read: extraction says so
        if is_valid(folder, key, warn=False):
            clear_left(folder)
            return True
    return False
