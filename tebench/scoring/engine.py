"""The engine behind job=score and job=rank: every metric on every (task, encoder) of a grid.

What is on disk is read; the rest is computed in worker processes, one (task, encoder) each, so that features load and
moments form once.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import cast

from tebench.base import failures, storage
from tebench.metrics.registry import load_plugins
from tebench.runtime.workers import each
from tebench.scoring import jackknife, score_file
from tebench.scoring.compute import traced
from tebench.scoring.request import Request, direct
from tebench.scoring.score import Score
from tebench.scoring.view import FeatureView

log = logging.getLogger(__name__)


def score_all(
    requests: list[Request], folders: dict[tuple[str, str], Path], kept: Path, *, workers: int = 1, plugins=(),
    progress: bool = True, retry: bool = True, resampled: bool = False, description: str = "scoring",
    target: int | None = None,
) -> dict[tuple[str, str], list[Score]]:  # fmt: skip
    """Scores of every requested metric for every (task, encoder) feature folder.

    Metrics that are defined over a pool are left to `tebench.scoring.pool`.
    kept: folder of score files.   retry: compute again what has a recorded failure, see `tebench.base.failures`.
    resampled: also for every sampling draw and without each group of cases, see `tebench.scoring.jackknife`.
    target: with resampled, a class that is told from all others.
    """
    from tebench.features import cache

    headers = {pair: cache.header(folder) for pair, folder in folders.items()}
    if target is not None:  # other labels: other scores, in other files
        headers = {
            pair: {**header, "label_hash": storage.hash_json([header["label_hash"], "one against rest", target])}
            for pair, header in headers.items()
        }
    known = {pair: _on_disk(requests, *pair, headers[pair], kept, retry, resampled) for pair in folders}
    spelled = [request.spelled for request in requests]
    missing = [pair for pair, found in known.items() if any(score is None for score in found)]
    jobs = [
        (pair, folders[pair], headers[pair], kept, spelled, tuple(plugins), retry, resampled, target)
        for pair in missing
    ]
    done = dict(each(_score_pair, jobs, workers, description, progress=progress, kept="finished scores are kept."))
    scores = {pair: done.get(pair) or cast("list[Score]", known[pair]) for pair in folders}
    _report(requests, scores, headers, kept, resampled)
    return scores


def _report(requests, scores: dict[tuple[str, str], list[Score]], headers, kept, resampled) -> None:
    """Log every way a metric failed once, with the number of pairs and the first one's traceback."""
    failed: dict[tuple[str, str], list[Path]] = {}
    for pair, found in scores.items():
        task, encoder = pair
        if all(score.status != "failed" for score in found):
            continue  # its path is a hash of all that made a score
        paths = _paths(requests, task, encoder, headers[pair], kept, resampled)
        for score, path in zip(found, paths, strict=True):
            if score.status == "failed":
                failed.setdefault((score.metric, score.reason), []).append(path)
    for (metric, reason), paths in failed.items():
        record = failures.read(failures.path_for(paths[0])) or {}
        trace = str(record.get("traceback", ""))
        text = f"\n{trace.rstrip()}" if trace.startswith("Traceback") else ""
        log.warning("%s failed on %d of %d (task, encoder) pairs: %s%s", metric, len(paths), len(scores), reason, text)


def _score_pair(job) -> tuple[tuple[str, str], list[Score]]:
    """All scores of one (task, encoder), computed where missing and written at once."""
    from tebench.features import cache

    (task, encoder), folder, header, kept, spelled, plugins, retry, resampled, target = job
    load_plugins(plugins)
    requests = direct([Request.read(plain) for plain in spelled])
    found = _on_disk(requests, task, encoder, header, kept, retry, resampled)
    absent = [place for place, score in enumerate(found) if score is None]
    paths = _paths(requests, task, encoder, header, kept, resampled)
    if resampled:
        new = jackknife.scores(folder, task, encoder, header, [requests[place] for place in absent], target)
        for place, score in zip(absent, new, strict=True):
            score_file.write(paths[place], score)
            found[place] = score
        return (task, encoder), cast("list[Score]", found)
    view = FeatureView(lambda: cache.read(folder, verify=False), task, kept=kept / task / encoder)
    for place in absent:
        score, trace = traced(requests[place], task, encoder, header, view)
        score_file.write(paths[place], score, trace)
        found[place] = score
    return (task, encoder), cast("list[Score]", found)


def _paths(requests, task, encoder, header, kept, resampled) -> list[Path]:
    return [
        score_file.path_of(kept, request, task, encoder, header, resampled=resampled) for request in direct(requests)
    ]


def _on_disk(requests, task, encoder, header, kept, retry, resampled) -> list[Score | None]:
    paths = _paths(requests, task, encoder, header, kept, resampled)
    return [score_file.read(path) or score_file.read_failed(path, retry) for path in paths]
