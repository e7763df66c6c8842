"""One encoder's features as metrics read them: rows by role, stages by policy, moments formed once."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tebench.base.errors import NotApplicable
from tebench.features.joint import WithJoint
from tebench.metrics.evaluate_one import check_value, evaluate, select_stages
from tebench.metrics.registry import Metric
from tebench.runtime import meter


class FeatureView:
    """One feature set of one task; moments are formed once for each stage and set of rows, and shared by all metrics.

    kept: folder in which moments stay for later runs (see `tebench.features.moments_store`); None: in memory only.
    """

    def __init__(self, load, task: str, kept: Path | None = None):
        self.features = load()
        self.stages = WithJoint(self.features.stages)
        self.task = task
        self._kept = kept
        self._moments: dict = {}

    def value(self, request, facts: dict) -> tuple[float, dict[str, float]]:
        """(score, value per stage) of a `Request`: the plain mean over the stages of its policy."""
        metric, parameters = request.metric, request.parameters
        if metric.reads == "facts":
            known = {**facts, "task": self.task, "n_foreground": len(self.features.sample.classes) - 1}
            return check_value(metric, metric.function(known, **parameters), None), {}
        sample = self.features.sample
        rows, patches, roles = self._rows(metric), None, None
        if metric.reads == "patches":
            rows, patches = np.arange(len(sample)), sample.patches()
        elif metric.reads == "roles":
            rows, roles = np.arange(len(sample)), sample.role_words()
        labels = np.unique(sample.labels[rows], return_inverse=True)[1].astype(np.int64)
        if labels.max() < 1:
            raise NotApplicable("the sample holds one class only.")
        cases = sample.case[rows].astype(np.int64)
        if metric.per_case:
            # A scan without a lesion has nothing to tell apart within it; the mean is over the cases that have.
            inside = np.isin(cases, np.unique(cases[labels > 0]))
            rows, labels, cases = rows[inside], labels[inside], cases[inside]
        if metric.reads == "probabilities":
            probabilities = self.features.probabilities
            probabilities = None if probabilities is None else np.asarray(probabilities[rows], dtype=np.float64)
            return evaluate(metric, parameters, None, labels, cases, None, probabilities), {}
        per_stage = {}
        for stage in select_stages(request.policy, self.stages):
            matrix = moments = None
            if metric.reads == "moments" and not metric.per_case:
                moments = self._shared_moments(stage, rows, labels)
            else:
                matrix = self.stages[stage][rows]
            per_stage[stage] = evaluate(metric, parameters, matrix, labels, cases, patches, None, moments, roles)
        return float(np.mean(list(per_stage.values()))), per_stage

    def _rows(self, metric: Metric) -> np.ndarray:
        from tebench.features.sample import Role

        return self.features.sample.rows(*(Role[name.upper()] for name in metric.rows))

    def _shared_moments(self, stage: str, rows, labels):
        key = stage, rows.tobytes()
        if key in self._moments:
            moments, seconds = self._moments[key]
            meter.charge(seconds)
            return moments
        from tebench.features import moments_store

        path = moments_store.path_for(self._kept, self.features, stage, rows, labels) if self._kept else None
        self._moments[key] = moments_store.load_or_form(path, lambda: self.stages[stage][rows], labels)
        return self._moments[key][0]
