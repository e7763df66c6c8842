"""The static list: rank encoders on a task by their mean rank on other tasks. It reads no feature of any encoder."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.stats import rankdata

from tebench.evaluation.correlation import regret, weighted_tau
from tebench.evaluation.dice_table import DiceTable

SOURCES = {
    "elsewhere": "all other tasks of the table",
    "among": "the other judged tasks",
    "outside": "the tasks of the table that are not judged",
}


def static_lists(table: DiceTable) -> pd.DataFrame:
    """How well static lists rank the encoders of each judged task.

    The list for task t orders encoders by mean rank (ties share the mean of their ranks) over the source tasks, t left
    out; tau_w against the Dice of t, and its regret in Dice points 0..100.
    Columns: source (see SOURCES), task, tau_w, regret, n_sources, first (encoder on top). A source without tasks has
    no rows.
    """
    ranks = {task: rankdata(runs.mean(1)) for task, runs in table.runs.items()}
    rows = []
    for source in SOURCES:
        for task in table.judged:
            others = [name for name in sources(table, source) if name != task]
            if not others:
                continue
            score = np.mean([ranks[name] for name in others], axis=0)
            dice = table.runs[task].mean(1)
            rows.append([
                source, task, tau_or_zero(score, dice), regret(score, dice), len(others),
                table.encoders[int(np.argmax(score))],
            ])  # fmt: skip
    return pd.DataFrame(rows, columns=["source", "task", "tau_w", "regret", "n_sources", "first"])


def sources(table: DiceTable, source: str) -> list[str]:
    """The tasks a kind of list may read, before the task itself is left out; none where it is `elsewhere` again."""
    return {
        "elsewhere": list(table.tasks),
        "among": list(table.judged) if len(table.judged) < len(table.tasks) else [],
        "outside": [task for task in table.tasks if task not in table.judged],
    }[source]


def static_mean(table: DiceTable, source: str = "elsewhere") -> float:
    """Mean tau_w of one kind of static list over the judged tasks; NaN where it has no source."""
    found = static_lists(table)
    return float(found.loc[found["source"] == source, "tau_w"].mean())


def tau_or_zero(score: np.ndarray, dice: np.ndarray) -> float:
    """tau_w, 0 where the list puts all encoders level: such a list ranks nothing, as chance does on average."""
    tau = weighted_tau(score, dice)
    return tau if np.isfinite(tau) else 0.0
