"""The same function over many jobs in worker processes, one thread each, results in the order of the jobs."""

from __future__ import annotations

from tebench.interrupts import begin_worker, deaf_children, killed_worker_named
from tebench.threads import one_thread


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
        import multiprocessing
        from concurrent.futures import ProcessPoolExecutor, as_completed

        context = multiprocessing.get_context("spawn")
        # Nothing is ever sent through this pipe: closing one end stops the workers, which hold the other.
        lifeline, end = context.Pipe(duplex=False)
        pool = ProcessPoolExecutor(
            min(workers, len(jobs)), mp_context=context, initializer=begin_worker, initargs=(lifeline,)
        )
        try:
            with deaf_children():  # the first submission starts the workers
                futures = [pool.submit(function, job) for job in jobs]
            with killed_worker_named(kept):
                for future in as_completed(futures):
                    future.result()
                    bar.update()
            return [future.result() for future in futures]
        except BaseException:
            end.close()
            raise
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
            end.close()
            lifeline.close()
