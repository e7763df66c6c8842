"""What a shape alone showed on the other tasks: a static baseline that knows architecture and number of classes."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from tebench.base.errors import InputError
from tebench.evaluation.design import Design

NAME = "shape_identity"
TITLE = "Shape identity"
FEW = 2  # foreground classes up to which the released gate reads boundaries alone or nearly so


def shape_identity(dice: np.ndarray, design: Design, n_foreground) -> np.ndarray:
    """(T, K): mean rank of an encoder's *shape* on the other tasks with as many classes; NaN for a task without one.

    dice: (T, K) mean fine-tuned Dice.   n_foreground: (T,) foreground classes. A task has few classes (at most 2) or
    more; ranks are taken on each task over all encoders (1 worst, ties share their mean), averaged over the encoders
    of a shape and over the other tasks of the same kind. All encoders of one shape are tied: inside a shape this says
    nothing, so that all of its tau_w is the order of shapes.
    """
    from scipy.stats import rankdata

    dice, few = np.asarray(dice, np.float64), np.asarray(n_foreground) <= FEW
    if dice.shape != (len(few), len(design)) or not np.isfinite(dice).all():
        raise InputError(f"dice must be a finite ({len(few)}, {len(design)}) table, got shape {dice.shape}.")
    ranks = rankdata(dice, axis=1)
    found = np.full(dice.shape, np.nan)
    for t in range(len(dice)):
        others = np.flatnonzero((few == few[t]) & (np.arange(len(dice)) != t))
        if len(others):
            mean = ranks[others].mean(0)
            for rows in design.rows_of_shape():
                found[t, rows] = mean[rows].mean()
    return found


def rows(truth: pd.DataFrame, design: Design, n_foreground: Mapping[str, int]) -> pd.DataFrame:
    """`shape_identity` as score rows of a metric, to be evaluated beside the others; direction up.

    truth: ground-truth frame of one protocol that holds all encoders of the design.   n_foreground: of every task.
    """
    tasks = sorted(set(truth["task"]))
    if absent := [task for task in tasks if task not in n_foreground]:
        raise InputError(f"n_foreground lacks {', '.join(absent)}: give the foreground classes of every task.")
    table = truth.groupby(["task", "encoder"])["value"].mean().unstack().reindex(columns=list(design.encoders))
    found = shape_identity(table.loc[tasks].to_numpy(), design, [n_foreground[task] for task in tasks])
    made = []
    for task, values in zip(tasks, found, strict=True):
        ok = np.isfinite(values).all()
        reason = "" if ok else "no other task has as many classes (up to 2, or more)"
        made += [(task, encoder, NAME, 0, value if ok else np.nan, "ok" if ok else "not_applicable", reason, 0.0, 0.0)
                 for encoder, value in zip(design.encoders, values, strict=True)]  # fmt: skip
    columns = ["task", "encoder", "metric", "seed", "score", "status", "reason", "seconds", "peak_mb"]
    return pd.DataFrame(made, columns=columns)
