"""Do new runs agree with published rows: what can be compared, and within which tolerance."""

from __future__ import annotations

import math
from pathlib import Path

from tebench.base.errors import InputError

# Dice. Below this no spread of three seeds is known well enough to fail a run for.
LEAST = 0.02
# Where rows of one seed, or of fewer than three encoders, tell nothing of the spread.
UNKNOWN = 0.05
COLUMNS = ("protocol", "encoder", "task", "seed", "published", "again", "difference", "tolerance", "weights", "agrees")
_VERSIONS = ("protocol_hash", "encoder_fingerprint", "task_fingerprint")


def published(truth, runs, path: Path) -> dict[str, object]:
    """Run name -> its published row. Refused where a row is absent or was made from another version.

    truth: rows of one protocol, as `groundtruth.read` gives them.   runs: `Run`s of that protocol.
    """
    found, absent, other = {}, [], []
    for run in runs:
        at = (truth["encoder"] == run.encoder) & (truth["task"] == run.task) & (truth["seed"] == run.seed)
        if not at.any():
            absent.append(run.name)
            continue
        row = truth[at].iloc[0]
        changed = [name for name in _VERSIONS if str(row.get(name, "")) != run.made_from[name]]
        if changed:
            other.append(f"{run.name} ({', '.join(changed)})")
        found[run.name] = row
    name = runs[0].protocol.name
    if absent:
        raise InputError(
            f"{path} has no row of protocol {name} for {', '.join(absent)}: nothing to compare with. Choose "
            "encoders=, tasks=, seeds= that it holds, or make the rows with job=finetune."
        )
    if other:
        raise InputError(
            f"{path}: rows of protocol {name} were made from another version than the one installed: "
            f"{'; '.join(other)}. Check out the version that made them, or make them anew with job=finetune."
        )
    return found


def tolerance(truth, task: str) -> float:
    """max(.02, 2 SD): SD of one run within its seed block, over all encoders that have every seed of the task.

    Another kind of processor rounds differently; training then ends elsewhere, about as far as another seed of the
    same block would. [choice] .05 where the rows do not tell the spread.
    """
    from tebench.evaluation import groundtruth, reliability

    of_task = truth[truth["task"] == task]
    counts = of_task["encoder"].value_counts()
    whole = list(counts.index[counts == of_task["seed"].nunique()])
    if len(whole) < 3 or of_task["seed"].nunique() < 2:
        return UNKNOWN
    values, _ = groundtruth.matrix(of_task, task, whole)
    return max(LEAST, 2 * reliability.reliability(values).spread_seeds)


def compare(rows, again: dict[str, dict], allowed: dict[str, float]):
    """One line a run, as a pandas frame of COLUMNS.

    rows: name -> published row.   again: name -> new row.   allowed: task -> tolerance.
    weights: "equal" where the tested weights have the same hash (then the value must be equal too); "differ"
    otherwise, with "on the same machine" where processor and torch are those of the published row.
    """
    import pandas as pd

    lines = []
    for name, row in rows.items():
        new = again[name]
        same = str(row.get("weights_hash", "")) == new["weights_hash"]
        alike = all(str(row.get(key, "")) == str(new[key]) for key in ("machine", "torch", "device"))
        difference = new["value"] - float(row["value"])
        limit = 1e-5 if same else allowed[row["task"]]  # the CSV keeps six digits
        weights = "equal" if same else "differ" + (" on the same machine" if alike else "")
        values = (row["protocol"], row["encoder"], row["task"], int(row["seed"]), float(row["value"]), new["value"],
                  difference, limit, weights, bool(math.isfinite(difference) and abs(difference) <= limit))  # fmt: skip
        lines.append(dict(zip(COLUMNS, values, strict=True)))
    return pd.DataFrame(lines, columns=list(COLUMNS))
