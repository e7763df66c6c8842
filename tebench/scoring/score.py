"""Cells: one metric's value for one (encoder, task), kept in one file and never computed twice."""

from __future__ import annotations

import ast
import functools
import importlib.util
import logging
import platform
from dataclasses import dataclass
from pathlib import Path

from tebench.base import failures, storage
from tebench.base.errors import CacheError, NotApplicable
from tebench.base.version import __version__
from tebench.metrics.registry import Metric, get
from tebench.runtime.meter import Meter
from tebench.runtime.threads import one_thread
from tebench.scoring.view import FeatureView

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
        if "seed" in parameters and "seed" not in given:
            parameters["seed"] = seed
        return cls(metric, parameters, stages, seed)

    @property
    def spelled(self) -> tuple:
        """As plain values, for another process: functions of plugins do not pickle."""
        return self.metric.name, self.parameters, self.stages, self.seed

    @classmethod
    def read(cls, spelled: tuple) -> Request:
        """From `spelled`; the plugins are loaded."""
        name, *rest = spelled
        return cls(get(name), *rest)

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
    return {"tebench": __version__, "python": platform.python_version(), **found}


@functools.cache
def _shared_code_hash() -> str:
    """Hash of the code that every score runs through besides its metric's own file."""
    root = Path(__file__).parent
    files = [root / name for name in ("scoring.py", "view.py", "moments.py")]
    files += sorted((root / "graphs").glob("*.py"))
    return storage.hash_json([storage.sha256_file(file) for file in files])


@functools.cache
def metric_hash(metric_source: str) -> str:
    """Hash of the file that defines the metric, of the metric modules it builds on and of the code that all share."""
    files = sorted(storage.sha256_file(file) for file in _built_on(Path(metric_source)))
    return storage.hash_json([files, _shared_code_hash()])


def _built_on(source: Path) -> set[Path]:
    """The file and the modules of `tebench.metrics` and `tebench.baselines` that it imports, also through others."""
    found, left = set(), [source]
    while left:
        file = left.pop()
        if file in found:
            continue
        found.add(file)
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            name = node.module if isinstance(node, ast.ImportFrom) else None
            if name and name.startswith(("tebench.metrics.", "tebench.baselines.")):
                left.append(Path(importlib.util.find_spec(name).origin))
    return found


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


def write_cell(path: Path, cell: dict) -> None:
    """Keep the cell. One that failed is no result: it is recorded as a failure, beside the place of the cell."""
    if cell["status"] == "failed":
        again = failures.transient_name(cell["reason"].split(":")[0])
        failures.record(failures.path_for(path), cell, cell["reason"], again=again)
        return
    storage.write_json(path, {**cell, "checksum": storage.hash_json(cell)})
    failures.clear(failures.path_for(path))


def read_failed(path: Path, retry: bool = False) -> dict | None:
    """The failed cell recorded for this place, if its failure stands (see `tebench.base.failures`)."""
    found = failures.standing(failures.path_for(path), retry)
    return found["cell"] if found and set(found["cell"]) == set(FIELDS) else None


def compute(request: Request, task: str, encoder: str, header: dict, view: FeatureView) -> dict:
    """A new cell; what goes wrong inside the metric becomes its status and reason."""
    metric = request.metric
    status, reason, score, components = "ok", "", None, {}
    with one_thread(), Meter() as meter:
        try:
            score, components = view.value(request, header["facts"])
        except NotApplicable as error:
            status, reason = "not_applicable", str(error)
        except Exception as error:
            log.debug("metric %s failed on %s / %s", metric.name, encoder, task, exc_info=True)
            status, reason = "failed", f"{failures.kind(error)}: {error}"
    return {
        "task": task, "encoder": encoder, "metric": metric.name, "parameters": request.parameters,
        "stages": request.policy, "seed": request.seed, "status": status, "reason": reason, "score": score,
        "components": components, "seconds": round(meter.seconds, 4),
        "peak_mb": None if meter.peak_mb is None else round(meter.peak_mb, 1),
        "feature_hash": header["feature_hash"], "label_hash": header["label_hash"],
        "metric_hash": metric_hash(metric.source), "versions": versions(),
    }  # fmt: skip
