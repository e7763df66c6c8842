"""One encoder's scores from every draw of voxels, on all cases and with groups of cases left out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from tebench.features.sample import FeatureSet, Sample
from tebench.scoring.compute import attempt
from tebench.scoring.request import Request
from tebench.scoring.score import Score, made
from tebench.scoring.view import FeatureView

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
        self._stages, self._rows = stages, rows
        self._cut: dict[str, np.ndarray] = {}

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


def one_against_rest(features: FeatureSet, target: int) -> FeatureSet:
    """The same rows with two labels: 1 for class `target`, 0 for every other voxel."""
    from tebench.features.sampling import ARRAYS, assemble

    sample = features.sample
    arrays = {name: getattr(sample, name).copy() for name in ARRAYS}
    arrays["labels"] = (sample.labels == target).astype(np.int16)
    names = ("every other voxel", sample.classes[target])
    recipe = {**sample.recipe, "one_against_rest": int(target)}
    part = assemble(sample.task, names, sample.case_ids, arrays, recipe)
    return FeatureSet(features.encoder, part, features.stages, features.facts, features.hash, features.probabilities)


def scores(
    folder: Path, task: str, encoder: str, header: dict, requests: list[Request], target: int | None = None
) -> list[Score]:
    """One Score a request, with `resamples`: draws (R,) on all cases; left_out (R, G) without each group, or None.

    The score is the mean over draws. A metric that averages over cases is computed once a case that has foreground,
    which gives both; the others are computed anew on the cases that are left, those whose cost grows faster than the
    voxels for the first draw only: (1, G) then. seconds: over all draws, of all cases and of the groups together.
    target: a class that is told from all others, None for all classes from each other.
    """
    from tebench.features import cache
    from tebench.features.joined import draws_of

    features = cache.read(folder, verify=False)
    if target is not None:
        features = one_against_rest(features, target)
    n_cases = len(features.sample.case_ids)
    groups = case_groups(n_cases)
    labelled = _with_foreground(features.sample)
    records = [_Record(request, labelled, groups) for request in requests]
    for draw, rows in enumerate(draws_of(features.sample)):
        case = features.sample.case[rows]
        views: list[tuple[tuple, np.ndarray]] = [(("all",), rows)]
        views += [(("without", i), rows[~np.isin(case, group)]) for i, group in enumerate(groups)]
        views += [(("case", i), rows[case == i]) for i in labelled]
        for key, chosen in views:
            takers = [record for record in records if record.wants(key, draw)]
            if takers:
                view = FeatureView(lambda chosen=chosen: at_rows(features, chosen), task)
                for record in takers:
                    record.take(draw, key, view, header["facts"])
    return [record.result(task, encoder, header) for record in records]


def _with_foreground(sample: Sample) -> list[int]:
    """Cases with a foreground row; of a scan without a lesion a metric within one case has nothing to tell apart."""
    return np.unique(sample.case[sample.labels > 0]).tolist()


class _Record:
    """What one request gives, draw by draw."""

    def __init__(self, request: Request, labelled: list[int], groups: list[np.ndarray]):
        self.request, self.labelled, self.groups = request, labelled, groups
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
        found = attempt(self.request, view, facts)
        self.seconds += found.seconds
        if found.status == "ok":
            assert found.score is not None
            self.values.setdefault(key, {})[draw] = found.score
        elif key[0] == "without":
            self.note = f"no interval over cases: {found.reason}"
        else:
            self.status, self.reason = found.status, found.reason

    def result(self, task: str, encoder: str, header: dict) -> Score:
        draws, left = (None, None) if self.status != "ok" else self._arrays()
        return made(
            self.request, task, encoder, header, status=self.status, reason=self.reason or self.note,
            score=None if draws is None else float(np.mean(draws)), seconds=round(self.seconds, 4),
            resamples={} if draws is None else {"draws": draws, "left_out": left},
        )  # fmt: skip

    def _arrays(self) -> tuple[list[float], list[list[float]] | None]:
        if self.request.metric.per_case:
            cases = np.array([list(self.values["case", i].values()) for i in self.labelled])  # (cases, draws)
            kept = [np.flatnonzero(~np.isin(self.labelled, group)) for group in self.groups]
            if not all(len(others) for others in kept):
                self.note = "no interval over cases: one group holds all cases with foreground"
                kept = []
            left = np.array([cases[others].mean(axis=0) for others in kept]).T.tolist() if kept else None
            return cases.mean(axis=0).tolist(), left
        draws = list(self.values["all",].values())
        if not self.groups or self.note:
            return draws, None
        if self.request.metric.reads == "facts":
            return draws, [[value] * len(self.groups) for value in draws]
        left = [list(self.values["without", i].values()) for i in range(len(self.groups))]
        return draws, np.array(left).T.tolist()
