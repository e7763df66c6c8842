"""A table of fine-tuned Dice alone, encoders x tasks, from any of the three CSV layouts in which such tables occur."""

from __future__ import annotations

import fnmatch
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from tebench.base.errors import InputError, unknown_name
from tebench.evaluation import groundtruth
from tebench.evaluation.correlation import is_constant, tied_pairs

UNITS = ("fraction", "percent")
LAYOUTS = (
    "encoder,task,dice[,seed] (dice a fraction 0..1 or percent) or encoder,task,dice_percent[,seed]; "
    f"{','.join(groundtruth.COLUMNS)} (value a fraction); "
    "architecture,pretraining,dataset,metric,value (metric dsc_percent, value in percent)"
)


@dataclass(frozen=True)
class DiceTable:
    """Complete ground truth of one protocol.

    runs: task -> (K, S) Dice, fraction 0..1, encoders in the order of `encoders`, S seeds of that task.
    judged: the tasks that are judged; the others serve static lists only.   notes: how the file was read, in words.
    """

    name: str
    protocol: str
    encoders: tuple[str, ...]
    tasks: tuple[str, ...]
    judged: tuple[str, ...]
    runs: dict[str, np.ndarray]
    notes: tuple[str, ...] = ()

    @property
    def n_seeds(self) -> dict[str, int]:
        return {task: runs.shape[1] for task, runs in self.runs.items()}

    def mean(self, tasks=None) -> np.ndarray:
        """(K, T) Dice, mean over seeds, of `tasks` (default: the judged ones)."""
        return np.column_stack([self.runs[task].mean(1) for task in (self.judged if tasks is None else tasks)])

    def without(self, *, encoder: str | None = None, task: str | None = None) -> DiceTable:
        """The same table with one encoder fewer, or one judged task fewer (nowhere used any more)."""
        keep = [k for k, name in enumerate(self.encoders) if name != encoder]
        return replace(
            self,
            encoders=tuple(self.encoders[k] for k in keep),
            tasks=tuple(name for name in self.tasks if name != task),
            judged=tuple(name for name in self.judged if name != task),
            runs={name: runs[keep] for name, runs in self.runs.items() if name != task},
        )


def read(path: Path, *, protocol: str | None = None, unit: str | None = None) -> tuple[pd.DataFrame, list[str]]:
    """(checked rows in the columns of `groundtruth`, notes on how they were read) of a CSV file of any layout.

    protocol: needed when the file holds several.
    unit: "fraction" or "percent" of a plain column `dice`; None: told by the values, refused where they mix.
    """
    path = Path(path)
    try:
        frame = pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8")
    except FileNotFoundError as error:
        raise InputError(f"table {path} does not exist.") from error
    except (OSError, ValueError) as error:
        raise InputError(f"table {path} is not a readable CSV file: {error}") from error
    frame.columns = [str(name).strip() for name in frame.columns]
    if frame.empty:
        raise InputError(f"table {path} has no rows; expected columns {LAYOUTS}.")
    if unit is not None and unit not in UNITS:
        raise InputError(f"unit must be one of {', '.join(UNITS)} or null, got {unit!r}.")
    rows, notes = _in_house(frame, path, unit)
    return groundtruth.validate(rows, protocol=protocol, source=str(path)), notes


def table(rows: pd.DataFrame, *, name: str, encoders=None, without=None, tasks=None, notes=()) -> DiceTable:
    """The complete table of checked rows.

    encoders: names or patterns such as "ResEncL-*" (default: all); without: patterns of those to leave out.
    tasks: the judged tasks (default, or ["all"]: all).
    Refused, by name: unknown names, fewer than 3 encoders or 2 tasks, missing cells, tasks that rank nothing.
    """
    chosen = _chosen(sorted(set(rows["encoder"])), encoders, without)
    known = sorted(set(rows["task"]))
    judged = known if tasks in (None, ["all"]) else list(tasks)
    for task in judged:
        if task not in known:
            raise unknown_name(f"task of {name}", task, known)
    if len(chosen) < 3:
        raise InputError(
            f"{name}: a ranking needs at least 3 encoders, got {len(chosen)} ({', '.join(chosen) or 'none'})."
        )
    if len(known) < 2:
        raise InputError(f"{name}: holds one task, {known[0]}; static list and agreement compare at least 2.")
    inside = rows[rows["encoder"].isin(chosen)].reset_index(drop=True)
    gaps = groundtruth.missing(inside, chosen, known)
    # A task that is only a source of the static list may have holes: it is left out, and that is stated.
    aside = sorted(set(gaps["task"]) - set(judged))
    gaps = gaps[gaps["task"].isin(judged)]
    if len(gaps):
        cells = "; ".join(
            f"{row.encoder} x {row.task}" + (f" (seed {row.seed})" if row.seed >= 0 else "")
            for row in gaps.head(12).itertuples(index=False)
        )
        more = f"; and {len(gaps) - 12} more" if len(gaps) > 12 else ""
        raise InputError(
            f"{name}: {len(gaps)} missing cell(s): {cells}{more}. Complete them, or narrow with encoders=[...] or "
            "tasks=[...]; a ranking over fewer encoders on one task compares with no other."
        )
    kept = [task for task in known if task not in aside]
    runs = {task: groundtruth.matrix(inside, task, chosen)[0] for task in kept}
    notes = [*notes, *([f"{', '.join(aside)}: incomplete, so in no static list"] if aside else [])]
    flat = [task for task in kept if is_constant(runs[task].mean(1))]
    if refused := [task for task in flat if task in judged]:
        raise InputError(
            f"{name}: all encoders have the same Dice on {', '.join(refused)}, which ranks nothing. "
            "Leave it out with tasks=[...]."
        )
    for task in judged:
        if ties := tied_pairs(runs[task].mean(1)):
            notes.append(f"{task}: {ties} pair(s) of encoders with equal Dice, left out of tau on that side")
    protocol = rows["protocol"].iloc[0]
    kept = [task for task in kept if task not in flat]
    runs = {task: runs[task] for task in kept}
    return DiceTable(name, protocol, tuple(chosen), tuple(kept), tuple(judged), runs, tuple(notes))


def _chosen(known: list[str], encoders, without) -> list[str]:
    """Names matched by the patterns, in the order of the patterns; a pattern that matches nothing is refused."""
    chosen = []
    for pattern in encoders or ["*"]:
        found = [name for name in known if name == pattern] or fnmatch.filter(known, pattern)
        if not found:
            raise unknown_name("encoder of the table", pattern, known)
        chosen += [name for name in found if name not in chosen]
    for pattern in without or []:
        if not fnmatch.filter(known, pattern):
            raise unknown_name("encoder of the table (without)", pattern, known)
        chosen = [name for name in chosen if not fnmatch.fnmatch(name, pattern)]
    return chosen


def _in_house(frame: pd.DataFrame, path: Path, unit: str | None) -> tuple[pd.DataFrame, list[str]]:
    columns = set(frame.columns)
    if set(groundtruth.COLUMNS) <= columns:
        if unit == "percent":
            raise InputError(f"{path}: column value holds fractions in this layout; unit=percent needs a column dice.")
        return frame, []
    if {"architecture", "pretraining", "dataset", "metric", "value"} <= columns:
        return _published(frame, path)
    if {"encoder", "task"} <= columns and len(columns & {"dice", "dice_percent"}) == 1:
        return _plain(frame, path, unit)
    raise InputError(f"{path}: columns {', '.join(frame.columns)} are none of the layouts known: {LAYOUTS}.")


def _published(frame, path) -> tuple[pd.DataFrame, list[str]]:
    kept = frame[frame["metric"].str.strip() == "dsc_percent"]
    if kept.empty:
        measured = ", ".join(sorted(set(frame["metric"])))
        raise InputError(f"{path}: no rows of metric dsc_percent; it holds {measured}.")
    names = kept["architecture"].str.strip() + "/" + kept["pretraining"].str.strip()
    rows = _rows(path, names, kept["dataset"], "0", _percent(kept["value"], names, kept["dataset"], path))
    return rows, ["metric dsc_percent: values divided by 100", "encoder = architecture/pretraining"]


def _plain(frame, path, unit) -> tuple[pd.DataFrame, list[str]]:
    column = "dice" if "dice" in frame.columns else "dice_percent"
    values = pd.to_numeric(frame[column], errors="coerce")
    notes = []
    if column == "dice_percent":
        unit = "percent"
    elif unit is None:
        small, large = (values > 0) & (values <= 1), values > 1
        if small.any() and large.any():
            i, j = int(np.flatnonzero(small)[0]), int(np.flatnonzero(large)[0])
            raise InputError(
                f"{path}: column dice mixes fractions and percent, or holds a Dice below 1 %: {_cell(frame, i)} and "
                f"{_cell(frame, j)}. Say which: unit=percent or unit=fraction."
            )
        unit = "percent" if large.any() else "fraction"
        notes = [f"column dice read as {unit}, told by its values"]
    if unit == "percent":
        values = _percent(frame[column], frame["encoder"], frame["task"], path)
    seed = frame["seed"] if "seed" in frame.columns else "0"
    protocol = frame["protocol"] if "protocol" in frame.columns else None
    return _rows(path, frame["encoder"], frame["task"], seed, values, protocol), notes


def _percent(column, encoders, tasks, path) -> pd.Series:
    values = pd.to_numeric(column, errors="coerce")
    if (bad := ~((values >= 0) & (values <= 100))).any():
        cells = [f"{e} x {t} = {v or 'empty'}" for e, t, v in zip(encoders[bad], tasks[bad], column[bad], strict=True)]
        raise InputError(f"{path}: percent must be a number from 0 to 100: {'; '.join(cells[:12])}.")
    return values / 100


def _rows(path, encoder, task, seed, value, protocol=None) -> pd.DataFrame:
    protocol = path.stem if protocol is None else protocol
    return pd.DataFrame(
        {"encoder": encoder, "task": task, "seed": seed, "value": value, "protocol": protocol, "metric": "dsc"}
    )


def _cell(frame, i) -> str:
    row = frame.iloc[i]
    return f"{row['encoder']} x {row['task']} = {row['dice']}"
