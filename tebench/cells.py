"""Cells: one metric's value for one (encoder, task), kept in one file and never computed twice."""

from __future__ import annotations

import functools
import logging
import platform
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import tebench
from tebench import storage
from tebench.errors import CacheError, NotApplicable
from tebench.meter import Meter
from tebench.registry import Metric
from tebench.scoring import check_value, evaluate, select_stages

log = logging.getLogger(__name__)

POOL_LEVEL = ("parts", "elsewhere")
# Only what a cell file holds; the frame of scores has the same columns.
FIELDS = (
    "task", "encoder", "metric", "parameters", "stages", "seed", "status", "reason", "score", "components",
    "seconds", "peak_mb", "feature_hash", "label_hash", "metric_hash", "versions",
)  # fmt: skip


@dataclass(frozen=True)
class Request:
    """One metric with all its parameters, and the stages it is to read (None: its own policy)."""

    metric: Metric
    parameters: dict
    stages: str | None = None
    seed: int = 0

    @classmethod
    def make(cls, metric: Metric, given: dict, stages: str | None, seed: int) -> Request:
        """All parameters checked; the run's seed reaches a metric's own `seed` unless that was given."""
        parameters = metric.complete(given)
        if "seed" in parameters and parameters["seed"] == metric.parameters["seed"].default:
            parameters["seed"] = seed
        return cls(metric, parameters, stages, seed)

    @property
    def policy(self) -> str:
        return self.stages or self.metric.stages

    def matches(self, cell: dict) -> bool:
        """Whether a cell holds this request's value."""
        return (
            cell["metric"] == self.metric.name
            and cell["parameters"] == self.parameters
            and (self.metric.reads in POOL_LEVEL or cell["stages"] == self.policy)
        )


@functools.cache
def versions() -> dict[str, str]:
    """The libraries whose arithmetic a score depends on."""
    from importlib.metadata import version

    found = {name: version(name) for name in ("numpy", "scipy", "torch")}
    return {"tebench": tebench.__version__, "python": platform.python_version(), **found}


@functools.cache
def _shared_code_hash() -> str:
    """Hash of the code that every score runs through besides its metric's own file."""
    root = Path(__file__).parent
    files = [root / name for name in ("scoring.py", "cells.py", "moments.py")]
    files += sorted((root / "graphs").glob("*.py"))
    return storage.hash_json([storage.sha256_file(file) for file in files])


@functools.cache
def metric_hash(metric_source: str) -> str:
    """Hash of the file that defines the metric and of the code it shares with the others."""
    return storage.hash_json([storage.sha256_file(Path(metric_source)), _shared_code_hash()])


def cell_path(folder: Path, request: Request, task: str, encoder: str, features: dict) -> Path:
    """Where the cell lies. features: the feature cache's hashes and facts (its manifest's part)."""
    key = storage.hash_json(
        [
            features["feature_hash"], features["label_hash"], encoder, task, request.metric.name,
            request.parameters, request.policy, metric_hash(request.metric.source),
            features["facts"] if request.metric.reads == "facts" else None,
        ]
    )  # fmt: skip
    return Path(folder) / task / encoder / f"{request.metric.name}-{key[:16]}.json"


def read_cell(path: Path) -> dict | None:
    """The finished cell, or None when there is none; a damaged one is logged and made again."""
    if not path.exists():
        return None
    try:
        cell = storage.read_json(path)
        if not isinstance(cell, dict) or set(cell) != {*FIELDS, "checksum"}:
            raise CacheError(f"{path} does not hold a cell.")
        checksum = cell.pop("checksum")
        if checksum != storage.hash_json(cell):
            raise CacheError(f"{path} was altered after it was written.")
        return cell
    except CacheError as error:
        log.warning("%s It is computed again.", error)
        return None


def score_all(
    requests: list[Request], folders: dict[tuple[str, str], Path], cells: Path, *, workers: int = 1, plugins=(),
    progress: bool = True,
) -> dict[tuple[str, str], list[dict]]:  # fmt: skip
    """Cells of every requested metric for every (task, encoder) feature folder.

    What is on disk is read; the rest is computed in worker processes, one (task, encoder) each, so that
    features load and moments form once. Metrics that are defined over a pool are left to `tebench.pool`.
    """
    from tqdm import tqdm

    from tebench.features import cache

    headers = {pair: cache.header(folder) for pair, folder in folders.items()}
    missing = [pair for pair in folders if any(c is None for c in _on_disk(requests, *pair, headers[pair], cells))]
    jobs = [(pair, folders[pair], headers[pair], cells, [_spell(r) for r in requests], plugins) for pair in missing]
    with tqdm(total=len(jobs), desc="scoring", unit="encoder", disable=not (progress and jobs)) as bar:
        done = dict(_each(jobs, workers, bar))
    return {pair: done.get(pair) or _on_disk(requests, *pair, headers[pair], cells) for pair in folders}


def _each(jobs: list, workers: int, bar):
    if workers == 1 or len(jobs) < 2:
        for job in jobs:
            yield _score_pair(job)
            bar.update()
        return
    import multiprocessing
    from concurrent.futures import ProcessPoolExecutor, as_completed

    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(workers, len(jobs)), mp_context=context, initializer=_one_thread) as executor:
        futures = [executor.submit(_score_pair, job) for job in jobs]
        try:
            for future in as_completed(futures):
                yield future.result()
                bar.update()
        except BaseException:
            executor.shutdown(wait=False, cancel_futures=True)
            raise


def _one_thread() -> None:
    """A worker computes on one thread (a shared machine spins otherwise) and leaves Ctrl-C to its parent."""
    import os
    import signal

    import torch

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.environ["OMP_NUM_THREADS"] = "1"
    torch.set_num_threads(1)


def _spell(request: Request) -> tuple:
    """A request as plain values, for another process: functions of plugins do not pickle."""
    return request.metric.name, request.parameters, request.stages, request.seed


def _score_pair(job) -> tuple[tuple[str, str], list[dict]]:
    """All cells of one (task, encoder), computed where missing and written at once."""
    from tebench.features import cache
    from tebench.registry import get, load_plugins

    (task, encoder), folder, header, cells, spelled, plugins = job
    load_plugins(plugins)
    requests = [Request(get(name), parameters, stages, seed) for name, parameters, stages, seed in spelled]
    view, found = None, []
    for request, cell in zip(_direct(requests), _on_disk(requests, task, encoder, header, cells), strict=True):
        if cell is None:
            view = view or FeatureView(lambda: cache.read(folder, verify=False), task)
            cell = _compute(request, task, encoder, header, view)
            if cell["status"] != "failed":  # a failure is reported, never kept
                path = cell_path(cells, request, task, encoder, header)
                storage.write_json(path, {**cell, "checksum": storage.hash_json(cell)})
        found.append(cell)
    return (task, encoder), found


def _direct(requests: Iterable[Request]) -> list[Request]:
    return [request for request in requests if request.metric.reads not in POOL_LEVEL]


def _on_disk(requests, task: str, encoder: str, header: dict, cells: Path) -> list[dict | None]:
    return [read_cell(cell_path(cells, request, task, encoder, header)) for request in _direct(requests)]


def _compute(request: Request, task: str, encoder: str, header: dict, view: FeatureView) -> dict:
    metric = request.metric
    status, reason, score, components = "ok", "", None, {}
    with Meter() as meter:
        try:
            score, components = view.value(request, header["facts"])
        except NotApplicable as error:
            status, reason = "not_applicable", str(error)
        except Exception as error:
            log.debug("metric %s failed on %s / %s", metric.name, encoder, task, exc_info=True)
            status, reason = "failed", f"{type(error).__name__}: {error}"
    return {
        "task": task, "encoder": encoder, "metric": metric.name, "parameters": request.parameters,
        "stages": request.policy, "seed": request.seed, "status": status, "reason": reason, "score": score,
        "components": components, "seconds": round(meter.seconds, 4),
        "peak_mb": None if meter.peak_mb is None else round(meter.peak_mb, 1),
        "feature_hash": header["feature_hash"], "label_hash": header["label_hash"],
        "metric_hash": metric_hash(metric.source), "versions": versions(),
    }  # fmt: skip


class FeatureView:
    """One feature set as metrics read it; moments are formed once per stage and shared."""

    def __init__(self, load, task: str):
        self.features = load()
        self.task = task
        self._moments = {}

    def value(self, request: Request, facts: dict) -> tuple[float, dict[str, float]]:
        """(score, value per stage): the plain mean over the stages of the policy."""
        metric, parameters = request.metric, request.parameters
        if metric.reads == "facts":
            return check_value(metric, metric.function({**facts, "task": self.task}, **parameters), None), {}
        sample = self.features.sample
        rows, patches = self._rows(metric), None
        if metric.reads == "patches":
            rows, patches = np.arange(len(sample)), sample.patches()
        labels = np.unique(sample.labels[rows], return_inverse=True)[1].astype(np.int64)
        if labels.max() < 1:
            raise NotApplicable("the sample holds one class only.")
        cases = sample.case[rows].astype(np.int64)
        if metric.reads == "probabilities":
            probabilities = self.features.probabilities
            probabilities = None if probabilities is None else np.asarray(probabilities[rows], dtype=np.float64)
            return evaluate(metric, parameters, None, labels, cases, None, probabilities), {}
        per_stage = {}
        for stage in select_stages(request.policy, self.features.stages):
            matrix = self.features.stages[stage]
            moments = None
            if metric.reads == "moments":
                moments = self._shared_moments(stage, rows, labels)
                matrix = None
            else:
                matrix = matrix[rows]
            per_stage[stage] = evaluate(metric, parameters, matrix, labels, cases, patches, None, moments)
        return float(np.mean(list(per_stage.values()))), per_stage

    def _rows(self, metric: Metric) -> np.ndarray:
        from tebench.features.sample import Role

        return self.features.sample.rows(*(Role[name.upper()] for name in metric.rows))

    def _shared_moments(self, stage: str, rows, labels):
        key = stage, rows.tobytes()
        if key not in self._moments:
            from tebench.moments import Moments

            self._moments[key] = Moments.of(self.features.stages[stage][rows], labels)
        return self._moments[key]
