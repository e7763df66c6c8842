"""Published scores from a CSV: encoder x task, evaluated as if the suite had computed them.

Wide: a column `encoder`, then one column a task.   Long: columns encoder, task, score, and `metric` where there are
several. Higher must mean better, or `job.direction=down`.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from tebench.base.errors import InputError, unknown_name

LONG = {"encoder", "task", "score"}
NAME = "published"


def read(path: str | Path, encoders, tasks) -> pd.DataFrame:
    """Long frame metric, encoder, task, score of the file; names checked against the ground truth's.

    encoders, tasks: names that have ground truth. Every problem of the file is named at once.
    """
    path = Path(path).expanduser()
    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8-sig", skipinitialspace=True)
    except FileNotFoundError as error:
        raise InputError(f"job.scores: {path} does not exist.") from error
    except (OSError, ValueError) as error:
        raise InputError(f"job.scores: {path} is not a readable CSV file: {error}") from error
    table.columns = [str(name).strip() for name in table.columns]
    if "encoder" not in table or len(table.columns) < 2 or table.empty:
        raise InputError(
            f"job.scores: {path} needs a column `encoder` and one column a task, or encoder, task, score; "
            f"it has {', '.join(table.columns) or 'nothing'}, {len(table)} rows."
        )
    twice = sorted(set(table.columns[table.columns.duplicated()]))
    halves = [] if set(table.columns) >= LONG else [name for name in ("task", "score") if name in table]
    if twice or halves:
        said = f"column {twice[0]!r} stands twice" if twice else f"it has a column {halves[0]!r} and not all of them"
        raise InputError(
            f"job.scores: {path}: {said}; expected encoder and one column a task, or encoder, task, score."
        )
    if set(table.columns) >= LONG:
        frame = table if "metric" in table else table.assign(metric=NAME)
    else:
        by = [name for name in ("encoder", "metric") if name in table]
        frame = table.melt(id_vars=by, var_name="task", value_name="score")
        frame = frame if "metric" in table else frame.assign(metric=NAME)
    frame = frame[["metric", "encoder", "task", "score"]].copy()
    for name in ("metric", "encoder", "task"):
        frame[name] = frame[name].str.strip()
    for kind, known in (("encoder", encoders), ("task", tasks)):
        for name in dict.fromkeys(frame[kind]):
            if name not in set(known):
                raise unknown_name(f"{kind} of {path.name}", name, set(known))
    return _numbers(frame, path)


def _numbers(frame: pd.DataFrame, path: Path) -> pd.DataFrame:
    values = pd.to_numeric(frame["score"], errors="coerce").astype(np.float64)
    problems = [
        f"{row.encoder} x {row.task}: {row.score!r} is no finite number"
        for row in frame[~np.isfinite(values)].itertuples()
    ]
    twice = frame[frame.duplicated(["metric", "encoder", "task"])]
    problems += [f"{row.encoder} x {row.task} ({row.metric}): given twice" for row in twice.itertuples()]
    for (metric, task), part in frame.groupby(["metric", "task"]):
        lacking = sorted(set(frame["encoder"]) - set(part["encoder"]))
        problems += [f"{encoder} x {task} ({metric}): missing" for encoder in lacking]
        if len(part) < 3:
            problems.append(f"{task} ({metric}): a ranking needs at least 3 encoders, got {len(part)}")
    if problems:
        more = f"\n  and {len(problems) - 12} more" if len(problems) > 12 else ""
        raise InputError(f"job.scores: {path} cannot be evaluated:\n  " + "\n  ".join(problems[:12]) + more)
    return frame.assign(score=values).reset_index(drop=True)


def as_scores(frame: pd.DataFrame, source: str) -> pd.DataFrame:
    """The frame that evaluation and reports read: one row a cell, with where it came from."""
    none = {"parameters": {}, "components": {}, "versions": {"source": source}}
    return frame.assign(
        seed=0, status="ok", reason="", stages="", pool="", seconds=np.nan, peak_mb=np.nan,
        **{name: [value] * len(frame) for name, value in none.items()},
    )  # fmt: skip
