"""Ground truth: rows of fine-tuned Dice, read, checked, and arranged as encoders x seeds.

A row is (protocol, encoder, task, seed, metric, value) and any provenance columns beside it. `value` is a
fraction 0..1. Rows of different protocols never mix; a missing cell is named, never dropped. A table of one's own may
be shorter: (encoder, task, dice[, seed][, protocol]) is metric dsc, with seed 0 and protocol "own" where none is given.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from tebench.base.errors import InputError, unknown_name

COLUMNS = ("protocol", "encoder", "task", "seed", "metric", "value")
KEY = ["protocol", "encoder", "task", "seed", "metric"]
TEXT = ("protocol", "encoder", "task", "metric")
_SHOWN = 12
OWN_PROTOCOL = "own"  # of a table that names none


def read(path: Path, *, protocol: str | None = None, metric: str = "dsc") -> pd.DataFrame:
    """The checked rows of one protocol from a CSV file.

    protocol: needed when the file holds several; their names are listed otherwise.
    metric: which measured quantity ("dsc", a fraction 0..1).
    Returns COLUMNS, then provenance columns as text, sorted by task, encoder, seed.
    """
    return validate(_table(path), protocol=protocol, metric=metric, source=str(path))


def protocols(path: Path) -> list[str]:
    """The protocols that a CSV file of rows holds, by name."""
    frame = _table(path)
    if "protocol" not in frame.columns or frame.empty:
        raise InputError(f"{path}: no rows with a column protocol; expected {', '.join(COLUMNS)}.")
    return sorted(set(frame["protocol"].str.strip()))


def _table(path: Path) -> pd.DataFrame:
    try:
        return _long(pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8-sig"))
    except FileNotFoundError as error:
        raise InputError(f"ground truth {path} does not exist. Make it with job=finetune.") from error
    except (OSError, ValueError) as error:
        raise InputError(f"ground truth {path} is not a readable CSV file: {error}") from error


def _long(frame: pd.DataFrame) -> pd.DataFrame:
    """A short table of the user's with the columns of `COLUMNS`; any other as it is."""
    named = {str(name).strip().lower(): name for name in frame.columns}
    if "dice" not in named or {"value", "metric"} & set(named):
        return frame
    known = ("encoder", "task", "seed", "protocol", "dice")
    frame = frame.rename(columns={named[key]: key for key in known if key in named}).rename(columns={"dice": "value"})
    defaults = {"protocol": OWN_PROTOCOL, "seed": "0", "metric": "dsc"}
    return frame.assign(**{key: value for key, value in defaults.items() if key not in frame.columns})


def validate(
    frame: pd.DataFrame, *, protocol: str | None = None, metric: str = "dsc", source: str = "ground truth"
) -> pd.DataFrame:
    """A checked, sorted copy of the rows of one protocol and one measured quantity.

    Refused, each with the rows named: absent columns, several protocols, no rows, empty names, seeds that are
    not integers, values that are not finite or not in [0, 1], duplicates.
    """
    if absent := [name for name in COLUMNS if name not in frame.columns]:
        raise InputError(f"{source}: column(s) {', '.join(absent)} absent; expected {', '.join(COLUMNS)}.")
    frame = frame.copy()
    for name in TEXT:
        frame[name] = frame[name].astype(str).str.strip()
        _refuse(frame, frame[name].isin(["", "nan", "None"]), f"{source}: empty {name}")
    frame = _one_protocol(frame, protocol, source)
    if "protocol_hash" in frame.columns and len(hashes := sorted(set(frame["protocol_hash"]))) > 1:
        names = f"{frame['protocol'].iloc[0]} ({', '.join(str(h)[:12] for h in hashes)})"
        raise InputError(f"{source}: rows of several protocols under one name: {names}; they never mix.")
    measured = sorted(set(frame["metric"]))
    frame = frame[frame["metric"] == metric].copy()
    if frame.empty:
        raise InputError(f"{source}: no rows of metric {metric!r}; it holds {', '.join(measured) or 'nothing'}.")
    seed = pd.to_numeric(frame["seed"], errors="coerce").astype(np.float64)
    _refuse(frame, ~(np.isfinite(seed) & (seed == np.floor(seed)) & (seed >= 0)), f"{source}: seed must be 0, 1, 2 ..")
    value = pd.to_numeric(frame["value"], errors="coerce").astype(np.float64)
    _refuse(frame, ~np.isfinite(value), f"{source}: value must be a finite number")
    _refuse(frame, (value < 0) | (value > 1), f"{source}: value must be a fraction 0..1 (divide percent by 100)")
    frame["seed"], frame["value"] = seed.astype(np.int64), value
    _refuse(frame, frame.duplicated(KEY, keep=False), f"{source}: more than one row for the same cell")
    others = [name for name in frame.columns if name not in COLUMNS]
    return frame[[*COLUMNS, *others]].sort_values(["task", "encoder", "seed"], ignore_index=True)


def missing(truth: pd.DataFrame, encoders, tasks=None) -> pd.DataFrame:
    """The cells (encoder, task, seed) that `encoders` x `tasks` x the task's seeds need and `truth` lacks.

    seed is -1 where the encoder has no row at all for the task. tasks: default all of `truth`.
    """
    tasks = list(tasks) if tasks is not None else sorted(set(truth["task"]))
    # One pass over the rows: a filter per task and encoder would be quadratic in a large grid.
    inside = truth[truth["task"].isin(tasks) & truth["encoder"].isin(list(encoders))]
    seeds = {key: set(found) for key, found in inside.groupby(["task", "encoder"])["seed"]}
    rows = []
    for task in tasks:
        have = [seeds.get((task, encoder), set()) for encoder in encoders]
        needed = set().union(*have)
        for encoder, own in zip(encoders, have, strict=True):
            rows += [(encoder, task, seed) for seed in (sorted(needed - own) if own else [-1])]
    return pd.DataFrame(rows, columns=["encoder", "task", "seed"])


def require(truth: pd.DataFrame, encoders, tasks=None) -> None:
    """Refuse a ground truth that lacks a cell, naming every one."""
    gaps = missing(truth, encoders, tasks)
    if len(gaps):
        raise InputError(spelled(gaps))


def spelled(gaps: pd.DataFrame) -> str:
    """What `missing` found, in a sentence."""
    named = [
        f"{row.encoder} x {row.task}" + (f" (seed {row.seed})" if row.seed >= 0 else "")
        for row in gaps.itertuples(index=False)
    ]
    return (
        f"ground truth lacks {len(named)} cell(s): {_shorten(named)}. Run job=finetune for them, "
        "or choose a pool without these encoders."
    )


def matrix(truth: pd.DataFrame, task: str, encoders) -> tuple[np.ndarray, list[int]]:
    """(K, S) Dice of the K encoders, in the given order, over the S seeds of a task; and the seeds.

    Seeds are blocks: one seed gives all encoders the same decoder initialisation and patch sequence.
    """
    if task not in set(truth["task"]):
        raise unknown_name("task of the ground truth", task, set(truth["task"]))
    require(truth, encoders, [task])
    of_task = truth[truth["task"] == task]
    table = of_task[of_task["encoder"].isin(list(encoders))].pivot(index="encoder", columns="seed", values="value")
    return table.loc[list(encoders)].to_numpy(np.float64), [int(seed) for seed in table.columns]


def flagged(truth: pd.DataFrame, task: str, encoders) -> np.ndarray:
    """(K, S) of runs that fine-tuning itself marked as at the floor (column `floor`: a collapsed class, say)."""
    of_task = truth[truth["task"] == task]
    if "floor" not in of_task.columns:
        return np.zeros(matrix(truth, task, encoders)[0].shape, bool)
    marks = of_task.assign(value=of_task["floor"].astype(str).str.lower().eq("true").astype(np.float64))
    return matrix(marks, task, encoders)[0] > 0


def _one_protocol(frame, protocol, source) -> pd.DataFrame:
    present = sorted(set(frame["protocol"]))
    if protocol is None:
        if len(present) > 1:
            raise InputError(f"{source} holds protocols {', '.join(present)}; they never mix. Name one: protocol=...")
        return frame
    if protocol not in present:
        raise unknown_name(f"protocol of {source}", protocol, present)
    return frame[frame["protocol"] == protocol]


def _refuse(frame, bad, message) -> None:
    bad = np.asarray(bad, bool)
    if bad.any():
        rows = [
            f"{row.encoder} x {row.task} seed {row.seed} = {row.value}" for row in frame[bad].itertuples(index=False)
        ]
        raise InputError(f"{message}: {_shorten(rows)}.")


def _shorten(names) -> str:
    more = len(names) - _SHOWN
    return "; ".join(names[:_SHOWN]) + (f"; and {more} more" if more > 0 else "")
