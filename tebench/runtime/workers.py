"""The same function over many jobs in worker processes, one thread each, results in the order of the jobs."""

from __future__ import annotations

import contextlib

from tebench.runtime.interrupts import begin_worker, deaf_children, killed_worker_named
from tebench.runtime.threads import one_thread


def each(function, jobs: list, workers: int, description: str, *, progress: bool, kept: str) -> list:
    """[function(job) for job in jobs]; with one worker or job in this process. The first error ends all.

    kept: what a rerun need not do again, said when a worker is killed.
    """
    from tqdm import tqdm

    with tqdm(total=len(jobs), desc=description, unit="encoder", disable=not (progress and jobs)) as bar:
        if workers == 1 or len(jobs) < 2:
            results = []
            with one_thread():
                for job in jobs:
                    results.append(function(job))
                    bar.update()
            return results
        from concurrent.futures import as_completed

        with pool(min(workers, len(jobs))) as executor:
            with deaf_children():  # submissions start the workers
                futures = [executor.submit(function, job) for job in jobs]
            with killed_worker_named(kept):
                for future in as_completed(futures):
                    future.result()
                    bar.update()
            return [future.result() for future in futures]


@contextlib.contextmanager
def pool(workers: int, begin=begin_worker, *given):
    """An executor of spawned processes; when the block raises, they end at once with what they are at.

    begin: called first in each as begin(lifeline, *given); hands `lifeline` to `begin_worker`.
    """
    import multiprocessing
    from concurrent.futures import ProcessPoolExecutor

    context = multiprocessing.get_context("spawn")
    # Nothing is ever sent through this pipe: closing one end stops the workers, which hold the other.
    lifeline, end = context.Pipe(duplex=False)
    executor = ProcessPoolExecutor(workers, mp_context=context, initializer=begin, initargs=(lifeline, *given))
    try:
        yield executor
    except BaseException:
        end.close()
        raise
    finally:
        executor.shutdown(wait=True, cancel_futures=True)
        end.close()
        lifeline.close()
