"""Executing runs: in this process or in several, with one progress bar, failures kept apart."""

from __future__ import annotations

import logging
import multiprocessing
import queue
import time
import traceback
from dataclasses import dataclass, field
from pathlib import Path

from tebench.base import failures
from tebench.finetuning.cell import Run, execute_run
from tebench.runtime.interrupts import begin_worker, deaf_children

log = logging.getLogger(__name__)


@dataclass
class Report:
    """What `run_grid` did: names of runs, and for those that failed the error."""

    folder: Path
    done: list[str] = field(default_factory=list)
    found: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)


class Bar:
    """One bar over all steps of the grid, with the time left."""

    def __init__(self, protocol, n_runs, n_found, shown):
        from tqdm import tqdm

        self.steps = protocol.steps
        self.at: dict[str, int] = {}
        self.bar = tqdm(
            total=n_runs * protocol.steps, initial=n_found * protocol.steps, unit="step", disable=not shown,
            desc=f"fine-tuning {protocol.name} ({n_runs} runs)", mininterval=2.0, smoothing=0.02,
        )  # fmt: skip

    def step(self, name: str, step: int) -> None:
        if name not in self.at:
            # Steps of an earlier session count as done, not as speed.
            self.at[name] = step
            if not self.bar.disable:
                self.bar.initial += step
                self.bar.n += step
        self.bar.update(max(step - self.at[name], 0))
        self.at[name] = max(step, self.at[name])

    def finish(self, name: str) -> None:
        self.step(name, self.steps)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.bar.close()


def _fail(run: Run, error: str, report: Report, *, again: bool = True) -> None:
    """again: any rerun tries it again (the machine may have caused it), not only `retry=true`."""
    log.error("%s failed: %s", run.name, error.strip().splitlines()[-1])
    failures.record(run.failure, {"run": run.name, "key": run.key}, error, again=again)
    report.failed[run.name] = error


def in_process(todo, workers, device, every, sources, report, bar, on_result) -> None:
    for run in todo:
        try:
            execute_run(run, sources, device, every, lambda step, run=run: bar.step(run.name, step))
        except Exception as error:
            _fail(run, traceback.format_exc(), report, again=failures.transient(error))
        else:
            report.done.append(run.name)
            on_result(run)
        bar.finish(run.name)


def _worker(runs, messages, sources, device, every) -> None:
    """Body of a worker process: run after run until the queue gives None."""
    from tebench.runtime.heap import keep_freed_memory

    # The parent ends its workers on Ctrl-C, which lose at most the steps since a checkpoint.
    begin_worker()
    keep_freed_memory()

    while (run := runs.get()) is not None:
        messages.put(("start", run.name, multiprocessing.current_process().name))
        try:
            execute_run(run, sources, device, every, lambda step, run=run: messages.put(("step", run.name, step)))
        except Exception as error:
            messages.put(("failed", run.name, (traceback.format_exc(), failures.transient(error))))
        else:
            messages.put(("done", run.name, None))


def in_workers(todo, workers, device, every, sources, report, bar, on_result) -> None:
    context = multiprocessing.get_context("spawn")
    runs, messages = context.Queue(), context.Queue()
    for item in [*todo, *[None] * workers]:
        runs.put(item)
    pool = [
        context.Process(target=_worker, args=(runs, messages, sources, device, every), name=f"w{k}", daemon=True)
        for k in range(workers)
    ]
    named, open_runs, at_work = {run.name: run for run in todo}, {run.name for run in todo}, {}
    try:
        with deaf_children():
            for process in pool:
                process.start()
        while open_runs:
            try:
                kind, name, content = messages.get(timeout=2.0)
            except queue.Empty:
                _bury(pool, at_work, named, open_runs, report)
                continue
            if kind == "start":
                at_work[content] = name
            elif kind == "step":
                bar.step(name, content)
            else:
                open_runs.discard(name)
                bar.finish(name)
                if kind == "failed":
                    _fail(named[name], content[0], report, again=content[1])
                else:
                    report.done.append(name)
                    on_result(named[name])
        for process in pool:
            process.join(timeout=30)
    finally:
        for process in pool:
            if process.is_alive():
                process.terminate()
        deadline = time.monotonic() + 10
        for process in pool:
            if process.pid is not None:
                process.join(timeout=max(deadline - time.monotonic(), 0.1))


def _bury(pool, at_work, named, open_runs, report) -> None:
    """A worker that was killed (say for memory) fails its run; without workers the rest fails too."""
    for process in pool:
        if process.exitcode is not None and (name := at_work.pop(process.name, None)) in open_runs:
            open_runs.discard(name)
            _fail(named[name], f"the worker process ended with exit code {process.exitcode}.", report)
    if all(process.exitcode is not None for process in pool):
        for name in sorted(open_runs):
            _fail(named[name], "no worker process is left; run the same command again.", report)
        open_runs.clear()
