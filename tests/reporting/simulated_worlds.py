"""Simulated-for-test evaluations; nothing here is a measurement."""

import functools
import importlib.util
from pathlib import Path

import numpy as np

from tebench.evaluation.evaluate import evaluate, points

_FILE = Path(__file__).parent.parent / "evaluation" / "simulated_scores.py"
_SPEC = importlib.util.spec_from_file_location("_simulated_scores_of_evaluation", _FILE)
_MODULE = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(_MODULE)


class World:
    """Scores, ground truth and their evaluation."""

    def __init__(self, metrics, **options):
        self.scores, self.truth, self.directions = _MODULE.simulate(metrics, **options)

    @functools.cached_property
    def frame(self):
        return evaluate(self.scores, self.truth, self.directions, n_boot=200, n_perm=499)

    @functools.cached_property
    def points(self):
        return points(self.scores, self.truth, self.directions)


@functools.cache
def ordinary():
    """Three ordinary metrics, one constant, one not applicable, over two tasks."""
    made = World({"ideal": 1, "good": 0.8, "noise": 0, "constant": 0, "leep": 0}, sampling=2)
    made.scores.loc[made.scores["metric"] == "constant", "score"] = 1.0
    pick = (made.scores["metric"] == "leep") & (made.scores["encoder"] == "encoder01")
    made.scores.loc[pick, ["score", "status", "reason"]] = [np.nan, "not_applicable", "no source head"]
    return made


@functools.cache
def many():
    """Twelve metrics over nine tasks with long names, one of them at the floor."""
    tasks = [f"a_long_task_name_{i}" for i in range(9)]
    made = World({f"metric_number_{i:02d}": i / 12 for i in range(12)}, tasks=tasks, encoders=9)
    made.truth.loc[made.truth["task"] == tasks[4], "value"] = 0.01
    return made
