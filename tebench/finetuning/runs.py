"""The grid of fine-tuning runs: encoders x tasks x seeds, several worker processes, resumable."""

from __future__ import annotations

import logging
import multiprocessing
import queue
import time
import traceback
from dataclasses import dataclass, field
from pathlib import Path
from typing import Callable

from tebench.errors import InputError, TebenchError
from tebench.finetuning import rows
from tebench.finetuning.protocol import Protocol
from tebench.storage import make_folder, write_json

log = logging.getLogger(__name__)

collect = rows.collect


@dataclass(frozen=True)
class Sources:
    """Where tasks and encoders come from; functions that a spawned process can import."""

    load_task: Callable
    build_encoder: Callable
    encoder_fingerprint: Callable

    @staticmethod
    def catalogues() -> Sources:
        from tebench.encoders import catalogue as encoders
        from tebench.tasks import catalogue as tasks

        return Sources(tasks.load, encoders.build, encoders.fingerprint)


@dataclass(frozen=True)
class Run:
    """One cell of the grid."""

    protocol: Protocol
    encoder: str
    task: str
    seed: int
    key: str
    made_from: dict
    folder: Path

    @property
    def name(self) -> str:
        return f"{self.task}-{self.encoder}-seed{self.seed}"

    @property
    def path(self) -> Path:
        return self.folder / f"{self.name}-{self.key[:12]}.json"

    @property
    def checkpoint(self) -> Path:
        return self.folder / "checkpoints" / f"{self.key}.safetensors"

    @property
    def failure(self) -> Path:
        return self.folder / f"failed-{self.name}-{self.key[:12]}.json"

    def finished(self) -> bool:
        """A valid result lies there; a damaged one is reported, moved out of the way and made again."""
        if not self.path.exists():
            return False
        try:
            rows.read_result(self.path, self.key)
        except TebenchError as error:
            log.warning("%s The run is repeated.", error)
            self.path.unlink()
            return False
        return True


@dataclass
class Report:
    """What `run_grid` did: names of runs, and for those that failed the error."""

    folder: Path
    done: list[str] = field(default_factory=list)
    found: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)


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
) -> Report:
    """Fine-tune every encoder on every task with every seed; each result is written as soon as it is there.

    protocol: a `Protocol`, a mapping, a YAML file or a name.   folder: results, one JSON a run; finished runs
    found there are not repeated, interrupted ones continue from their last checkpoint (every `every` steps).
    workers: processes, one torch thread each; 1 runs in this process.
    on_result: called after each new result (say to rewrite the CSV).

    A run that fails is written down (`failed-*.json`), reported, and tried again the next time.
    """
    protocol = Protocol.load(protocol)
    if not isinstance(workers, int) or workers < 1:
        raise InputError(f"workers must be a whole number >= 1, got {workers!r}.")
    sources = sources or Sources.catalogues()
    runs = plan(protocol, list(encoders), list(tasks), list(seeds), folder=folder, sources=sources)
    make_folder(Path(folder) / protocol.name)
    report = Report(Path(folder) / protocol.name)
    todo = []
    for run in runs:
        if run.finished():
            report.found.append(run.name)
        else:
            todo.append(run)
    with _Bar(protocol, len(runs), len(report.found), progress) as bar:
        execute = _in_process if workers == 1 or len(todo) < 2 else _in_workers
        execute(todo, min(workers, len(todo)), device, every, sources, report, bar, on_result)
    return report


class _Bar:
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
        self.bar.update(max(step - self.at.get(name, 0), 0))
        self.at[name] = max(step, self.at.get(name, 0))

    def finish(self, name: str) -> None:
        self.step(name, self.steps)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.bar.close()


def execute_run(run: Run, sources: Sources, device: str, every: int, progress: Callable[[int], None]) -> None:
    """Train, test, write the result, drop the checkpoint."""
    from tebench.finetuning.train import run as train

    task = _task(sources.load_task, run.task)
    encoder = sources.build_encoder(run.encoder)
    outcome = train(
        run.protocol, encoder, task, run.seed,
        key=run.key, checkpoint=run.checkpoint, every=every, device=device, progress=progress,
    )  # fmt: skip
    identity = {"protocol": run.protocol.name, "encoder": run.encoder, "task": run.task, "seed": run.seed}
    row = identity | {
        "metric": "dsc",
        "value": outcome.value,
        "floor": outcome.floor,
        "steps": run.protocol.steps,
        "seconds": round(outcome.seconds, 1),
        "protocol_hash": run.made_from["protocol_hash"],
        "encoder_fingerprint": run.made_from["encoder_fingerprint"],
        "task_fingerprint": run.made_from["task_fingerprint"],
        "packages": _package_hashes(encoder, task),
        "train_loss_last": outcome.train_loss_last,
        "weights_hash": outcome.weights_hash,
        **_environment(device),
    }
    volumes = [
        identity | {"volume": volume, "class": task.classes[k + 1], "dice": dice}
        for volume, values in outcome.dice.items()
        for k, dice in enumerate(values)
    ]
    rows.write_result(run.path, row, volumes, run.key, run.made_from)
    run.checkpoint.unlink(missing_ok=True)
    run.failure.unlink(missing_ok=True)


_TASKS: dict = {}


def _task(load, name: str):
    """The task with its cases kept in memory: a worker makes many runs on few tasks."""
    if (load, name) not in _TASKS:
        from dataclasses import replace
        from functools import lru_cache

        task = load(name)
        _TASKS[load, name] = replace(task, loader=lru_cache(maxsize=None)(task.loader))
    return _TASKS[load, name]


def _package_hashes(encoder, task) -> str:
    """`name=hash` of every packaged asset that encoder or task name as their source."""
    from tebench.assets import catalogue

    sources = f"{encoder.facts.source} {task.facts.get('source', '')} {task.facts.get('packages', '')}"
    return " ".join(f"{n}={catalogue.fingerprint(n)[:16]}" for n in sorted(catalogue.names()) if n in sources)


def _environment(device: str) -> dict:
    from importlib.metadata import version

    import torch

    from tebench import __version__

    name = torch.cuda.get_device_name(device) if device.startswith("cuda") else "cpu"
    return {
        "device": name,
        "torch": torch.__version__,
        "monai": version("monai"),
        "tebench": __version__,
        "machine": _processor(),
    }


def _processor() -> str:
    import platform

    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def _fail(run: Run, error: str, report: Report) -> None:
    log.error("%s failed: %s", run.name, error.strip().splitlines()[-1])
    write_json(run.failure, {"run": run.name, "key": run.key, "error": error})
    report.failed[run.name] = error


def _in_process(todo, workers, device, every, sources, report, bar, on_result) -> None:
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        for run in todo:
            try:
                execute_run(run, sources, device, every, lambda step, run=run: bar.step(run.name, step))
            except Exception:
                _fail(run, traceback.format_exc(), report)
            else:
                report.done.append(run.name)
                on_result(run)
            bar.finish(run.name)
    finally:
        torch.set_num_threads(threads)


def _worker(runs, messages, sources, device, every) -> None:
    """Body of a worker process: run after run until the queue gives None."""
    import signal

    # Ctrl-C reaches the whole group: the parent ends its workers, which lose at most the steps since a checkpoint.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    import torch

    torch.set_num_threads(1)
    while (run := runs.get()) is not None:
        messages.put(("start", run.name, multiprocessing.current_process().name))
        try:
            execute_run(run, sources, device, every, lambda step, run=run: messages.put(("step", run.name, step)))
        except Exception:
            messages.put(("failed", run.name, traceback.format_exc()))
        else:
            messages.put(("done", run.name, None))


def _in_workers(todo, workers, device, every, sources, report, bar, on_result) -> None:
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
                    _fail(named[name], content, report)
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
