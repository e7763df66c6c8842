"""Executing runs: in this process or in several, with one progress bar, failures kept apart."""

from __future__ import annotations

import logging
import traceback
from dataclasses import dataclass, field
from pathlib import Path

from tebench.base import failures
from tebench.finetuning.cell import Run, execute_run
from tebench.runtime.heap import keep_freed_memory
from tebench.runtime.workers import Pool
from tebench.runtime.workers import report as tell_parent

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


def in_process(todo, workers, device, every, sources, report, bar, on_result) -> None:
    for run in todo:
        failed = _attempt(run, sources, device, every, lambda step, run=run: bar.step(run.name, step))
        _settle(run, failed, report, bar, on_result)


def in_workers(todo, workers, device, every, sources, report, bar, on_result) -> None:
    """A killed worker fails its run; Ctrl-C loses at most the steps since each run's checkpoint."""
    jobs = [(run, sources, device, every) for run in todo]
    with Pool(workers, keep_freed_memory, kept="finished runs and checkpoints are kept.") as pool:
        for event in pool.run(_run_job, jobs):
            run = todo[event.job]
            if event.kind == "report":
                bar.step(run.name, event.content)
            elif event.kind == "done":
                _settle(run, event.content, report, bar, on_result)
            else:
                _settle(run, (str(event.content), True), report, bar, on_result)


def _run_job(job: tuple) -> tuple[str, bool] | None:
    return _attempt(*job, tell_parent)


def _attempt(run: Run, sources, device, every, on_step) -> tuple[str, bool] | None:
    """None, or the traceback of what went wrong and whether the machine may have caused it."""
    try:
        execute_run(run, sources, device, every, on_step)
    except Exception as error:
        return traceback.format_exc(), failures.transient(error)
    return None


def _settle(run: Run, failed: tuple[str, bool] | None, report: Report, bar: Bar, on_result) -> None:
    if failed is None:
        report.done.append(run.name)
        on_result(run)
    else:
        # Tried again by any rerun where the machine may have caused it, else only with `retry=true`.
        error, again = failed
        log.error("%s failed: %s", run.name, error.strip().splitlines()[-1])
        failures.record(run.failure, {"run": run.name, "key": run.key}, error, again=again)
        report.failed[run.name] = error
    bar.finish(run.name)
