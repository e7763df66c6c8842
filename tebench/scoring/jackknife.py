"""One encoder's scores from every draw of voxels, on all cases and with groups of cases left out."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from tebench.base import storage
from tebench.base.errors import CacheError, NotApplicable
from tebench.features.sample import FeatureSet
from tebench.scoring.score import POOL_LEVEL, Request, metric_hash
from tebench.scoring.view import FeatureView

log = logging.getLogger(__name__)

MOST_GROUPS = 10


def case_groups(n_cases: int, most: int = MOST_GROUPS) -> list[np.ndarray]:
    """Cases in groups that are left out in turn: one case each, at most `most` groups; none for a single case.

    >>> [group.tolist() for group in case_groups(5, most=3)]
    [[0, 3], [1, 4], [2]]
    """
    if n_cases < 2:
        return []
    n = min(n_cases, most)
    return [np.arange(first, n_cases, n) for first in range(n)]


class _Stages(Mapping):
    """Stage matrices at some rows, cut when they are read."""

    def __init__(self, stages: Mapping, rows: np.ndarray):
        self._stages, self._rows, self._cut = stages, rows, {}

    def __getitem__(self, name: str) -> np.ndarray:
        if name not in self._cut:
            self._cut[name] = self._stages[name][self._rows]
        return self._cut[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._stages)

    def __len__(self) -> int:
        return len(self._stages)


def at_rows(features: FeatureSet, rows: np.ndarray) -> FeatureSet:
    """The feature set of some rows, in order."""
    from tebench.features.sampling import ARRAYS, assemble

    sample = features.sample
    arrays = {name: np.ascontiguousarray(getattr(sample, name)[rows]) for name in ARRAYS}
    part = assemble(sample.task, sample.classes, sample.case_ids, arrays, {"out_of": sample.hash})
    probabilities = features.probabilities if features.probabilities is None else features.probabilities[rows]
    return FeatureSet(
        features.encoder, part, _Stages(features.stages, rows), features.facts, features.hash, probabilities
    )


def score_folder(folder: Path, task: str, requests: list[Request]) -> list[dict]:
    """One record a request: scores (R,) on all cases; left_out (R, G) without each group of cases, or None.

    A metric that averages over cases is computed once a case, which gives both; the others are computed anew on
    the cases that are left, those whose cost grows faster than the voxels for the first draw only: (1, G) then.
    seconds: over all draws, of all cases and of the groups together.
    """
    from tebench.features import cache
    from tebench.features.joined import draws_of

    features = cache.read(folder, verify=False)
    n_cases = len(features.sample.case_ids)
    groups = case_groups(n_cases)
    found = {index: _Record(request, n_cases, groups) for index, request in enumerate(requests)}
    for draw, rows in enumerate(draws_of(features.sample)):
        case = features.sample.case[rows]
        views: list[tuple[tuple, np.ndarray]] = [(("all",), rows)]
        views += [(("without", i), rows[~np.isin(case, group)]) for i, group in enumerate(groups)]
        views += [(("case", i), rows[case == i]) for i in range(n_cases)]
        for key, chosen in views:
            takers = [record for record in found.values() if record.wants(key, draw)]
            if takers:
                view = FeatureView(lambda chosen=chosen: at_rows(features, chosen), task)
                for record in takers:
                    record.take(draw, key, view, features.facts)
    return [record.result() for record in found.values()]


class _Record:
    """What one request gives, draw by draw."""

    def __init__(self, request: Request, n_cases: int, groups: list[np.ndarray]):
        self.request, self.n_cases, self.groups = request, n_cases, groups
        self.values: dict[tuple, dict[int, float]] = {}
        self.status, self.reason, self.note, self.seconds = "ok", "", "", 0.0

    @property
    def costly(self) -> bool:
        metric = self.request.metric
        return metric.cost in ("quadratic", "trees", "iterative") and metric.reads != "patches"

    def wants(self, key: tuple, draw: int) -> bool:
        if key[0] == "without" and self.costly and draw > 0:
            return False
        if self.status != "ok" or (self.note and key[0] == "without"):
            return False
        if self.request.metric.per_case:
            return key[0] == "case"
        if self.request.metric.reads == "facts":
            return key[0] == "all"
        return key[0] in ("all", "without")

    def take(self, draw: int, key: tuple, view: FeatureView, facts: dict) -> None:
        begin = time.perf_counter()
        try:
            self.values.setdefault(key, {})[draw] = view.value(self.request, facts)[0]
        except Exception as error:
            plain = str(error) if isinstance(error, NotApplicable) else f"{type(error).__name__}: {error}"
            if key[0] == "without":
                self.note = f"no interval over cases: {plain}"
            else:
                self.status = "not_applicable" if isinstance(error, NotApplicable) else "failed"
                self.reason = plain
        self.seconds += time.perf_counter() - begin

    def result(self) -> dict:
        row = {
            "metric": self.request.metric.name, "status": self.status, "reason": self.reason or self.note,
            "seconds": round(self.seconds, 4), "scores": None, "left_out": None,
        }  # fmt: skip
        if self.status != "ok":
            return row
        if self.request.metric.per_case:
            cases = np.array([list(self.values["case", i].values()) for i in range(self.n_cases)])  # (cases, draws)
            row["scores"] = cases.mean(axis=0).tolist()
            left = [np.delete(cases, group, axis=0).mean(axis=0) for group in self.groups]
            row["left_out"] = np.array(left).T.tolist() if left else None
            return row
        row["scores"] = list(self.values["all",].values())
        if self.request.metric.reads == "facts":
            row["left_out"] = [[value] * len(self.groups) for value in row["scores"]] if self.groups else None
        elif self.groups and not self.note:
            left = [list(self.values["without", i].values()) for i in range(len(self.groups))]
            row["left_out"] = np.array(left).T.tolist()
        return row


def score_kept(job: tuple) -> list[dict]:
    """`score_folder`, read from disk where it was computed before; takes and gives plain values, for workers."""
    from tebench.features import cache
    from tebench.metrics.registry import load_plugins

    folder, task, spelled, kept, plugins = job
    load_plugins(plugins)
    requests = [Request.read(plain) for plain in spelled]
    direct = [request for request in requests if request.metric.reads not in POOL_LEVEL]
    rows = []
    header = cache.header(folder)
    paths = [_path(kept, header, task, request) for request in direct]
    missing = []
    for request, path in zip(direct, paths, strict=True):
        row = _read(path)
        missing += [] if row else [(request, path)]
        rows.append(row)
    made = iter(score_folder(folder, task, [request for request, _ in missing]) if missing else [])
    for index, path in enumerate(paths):
        if rows[index] is None:
            rows[index] = next(made)
            if rows[index]["status"] != "failed":
                storage.write_signed(path, rows[index])
    return rows


def _path(kept: Path, header: dict, task: str, request: Request) -> Path:
    key = storage.hash_json(
        [
            header["feature_hash"], header["label_hash"], task, request.metric.name, request.parameters,
            request.policy, request.seed, metric_hash(request.metric.source), storage.sha256_file(Path(__file__)),
            header["facts"] if request.metric.reads == "facts" else None,
        ]
    )  # fmt: skip
    return Path(kept) / f"{request.metric.name}-{key[:24]}.json"


def _read(path: Path) -> dict | None:
    if not path.exists():
        return None
    try:
        row = storage.read_signed(path)
    except CacheError as error:
        log.warning("%s It is computed again.", error)
        return None
    return row if {"scores", "left_out", "status"} <= set(row) else None
