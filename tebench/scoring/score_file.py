"""Scores on disk: one sealed file each, addressed by what made it, never computed twice."""

from __future__ import annotations

import logging
from pathlib import Path

from tebench.base import failures, storage
from tebench.base.errors import CacheError
from tebench.scoring.identity import metric_hash
from tebench.scoring.request import Request
from tebench.scoring.score import FIELDS, Score

log = logging.getLogger(__name__)


def path_of(folder: Path, request: Request, task: str, encoder: str, header: dict, *, resampled: bool = False) -> Path:
    """Where the score is stored. header: the feature cache's hashes and facts (its manifest's part).

    resampled: with the values of every draw and without each group of cases.
    """
    key = storage.hash_json(
        [
            header["feature_hash"], header["label_hash"], encoder, task, request.metric.name, request.parameters,
            request.policy, metric_hash(request.metric), resampled,
            header["facts"] if request.metric.reads == "facts" else None,
        ]
    )  # fmt: skip
    return Path(folder) / task / encoder / f"{request.metric.name}-{key[:16]}.json"


def read(path: Path) -> Score | None:
    """The finished score, or None when there is none; a damaged one is logged and computed again."""
    if not path.exists():
        return None
    try:
        content = storage.read_sealed(path)
        if set(content) != set(FIELDS):
            raise CacheError(f"{path} does not hold a score.")
        return Score(**content)
    except CacheError as error:
        log.warning("%s It is computed again.", error)
        return None


def read_failed(path: Path, retry: bool = False) -> Score | None:
    """The failed score recorded for this place, if its failure stands (see `tebench.base.failures`)."""
    found = failures.standing(failures.path_for(path), retry)
    return Score(**found["cell"]) if found and set(found["cell"]) == set(FIELDS) else None


def write(path: Path, score: Score, trace: str = "") -> None:
    """Keep the score. One that failed is no result: it is recorded as a failure, beside the score's place."""
    if score.status == "failed":
        again = failures.transient_name(score.reason.split(":")[0])
        failures.record(failures.path_for(path), score.content(), score.reason, again=again, trace=trace)
        return
    storage.write_sealed(path, score.content())
    failures.clear(failures.path_for(path))
