"""The Score: one metric's value for one encoder on one task, the same in memory, in its file and as a row."""

from __future__ import annotations

import functools
import platform
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path

from tebench.base.version import __version__
from tebench.scoring.identity import metric_hash
from tebench.scoring.request import Request


@dataclass(frozen=True)
class Score:
    """One score with everything that made it.

    stages: the stage policy that was read.   seed: sampling seed.
    status: "ok", "not_applicable" (the reason says why the metric has no value), "failed" (the reason is the error),
        "missing" (not computed yet; only in tables of an unfinished grid).
    score: finite where status is "ok", else None.
    components: value of each stage; of a fused metric the score of each part.
    seconds: wall time.   peak_mb: memory above the process's own, None where it is not known.
    feature_hash, label_hash, metric_hash: of the features, the sample's labels, and all code the value depends on.
    pool: id of the candidate pool a pool-level score was made for, else "".
    resamples: values of every sampling draw and without each group of cases (see `tebench.scoring.jackknife`), or {}.
    """

    task: str
    encoder: str
    metric: str
    parameters: dict
    stages: str
    seed: int
    status: str
    reason: str
    score: float | None
    components: dict
    seconds: float
    peak_mb: float | None
    feature_hash: str
    label_hash: str
    metric_hash: str
    versions: dict
    pool: str = ""
    resamples: dict = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        return self.status == "ok"

    def row(self) -> dict:
        """The columns of `COLUMNS`, in their order."""
        return {name: getattr(self, name) for name in COLUMNS}

    def content(self) -> dict:
        """Everything, as a file holds it."""
        return asdict(self)


FIELDS = tuple(one.name for one in fields(Score))
COLUMNS = tuple(name for name in FIELDS if name != "resamples")


@functools.cache
def versions() -> dict[str, str]:
    """The libraries whose arithmetic a score depends on."""
    from importlib.metadata import version

    found = {name: version(name) for name in ("numpy", "scipy", "torch")}
    return {"tebench": __version__, "python": platform.python_version(), **found}


def made(request: Request, task: str, encoder: str, header: dict, **outcome) -> Score:
    """A Score of this request. header: the feature folder's hashes.   outcome: the fields that computing gives."""
    own = {
        "task": task, "encoder": encoder, "metric": request.metric.name, "parameters": request.parameters,
        "stages": request.policy, "seed": request.seed, "status": "ok", "reason": "", "score": None,
        "components": {}, "seconds": 0.0, "peak_mb": None, "feature_hash": header["feature_hash"],
        "label_hash": header["label_hash"], "metric_hash": metric_hash(request.metric), "versions": versions(),
    }  # fmt: skip
    return Score(**{**own, **outcome})


def missing(request: Request, task: str, encoder: str, header: dict | None, reason: str) -> Score:
    """The Score of a pair that nobody has computed yet, for tables of an unfinished grid."""
    header = header or {"feature_hash": "", "label_hash": ""}
    return made(request, task, encoder, header, status="missing", reason=reason)


def frame(scores):
    """Scores as a data frame with one row each and the columns of `COLUMNS`.

    scores: iterable of `Score`.
    """
    import pandas as pd

    return pd.DataFrame([score.row() for score in scores], columns=list(COLUMNS))


def folder_of(cache: Path) -> Path:
    """Where a cache keeps scores."""
    return Path(cache) / "scores"
