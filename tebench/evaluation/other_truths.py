"""Other readings of the same fine-tuning runs: does the order of encoders hang on how Dice is averaged?"""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from tebench.base.errors import InputError
from tebench.evaluation.correlation import weighted_tau
from tebench.evaluation.reliability import reliability

COLLAPSED = 0.01  # mean Dice over a run's volumes below which it has lost the class
COLUMNS = ("protocol", "encoder", "task", "seed", "volume", "class", "dice")
TRUTHS = {
    "mean": "mean over classes and volumes (the ground truth)",
    "learnt": "without classes that some run of the task has lost",
    "learnt in the run": "each run without the classes that it has lost",
    "median": "median over classes",
    "lost": "share of classes that a run has not lost",
    "real": "single persons' and averaged images only",
    "virtual": "virtual images only",
}


def check(volumes: pd.DataFrame) -> pd.DataFrame:
    """The rows of volumes and classes, as numbers; absent columns, repeated rows and no rows are refused."""
    if absent := [name for name in COLUMNS if name not in volumes.columns]:
        raise InputError(f"volumes: column(s) {', '.join(absent)} absent; expected {', '.join(COLUMNS)}.")
    found = volumes[list(COLUMNS)].copy()
    found["dice"] = pd.to_numeric(found["dice"], errors="coerce").astype(np.float64)  # empty: the class is absent
    found["seed"] = pd.to_numeric(found["seed"]).astype(int)
    if found.empty:
        raise InputError("volumes: no rows.")
    if found.duplicated(list(COLUMNS[:-1])).any():
        raise InputError("volumes: more than one row for a run, volume and class.")
    if (bad := found["dice"].dropna()).size and not bad.between(0, 1).all():
        raise InputError("volumes: dice must be a fraction 0..1 (divide percent by 100).")
    return found


def readings(volumes: pd.DataFrame, encoders) -> dict[str, np.ndarray]:
    """Reading (a key of TRUTHS) -> (K, S) over seeds, of one task under one protocol; a reading that it has not is
    absent ("virtual" without virtual images; "learnt" where every class was lost by some run).

    A virtual image is one whose name holds "virtual".
    """
    encoders = list(encoders)
    by_class = volumes.groupby(["encoder", "seed", "class"])["dice"].mean().unstack("class")
    lost = by_class < COLLAPSED
    virtual = volumes["volume"].str.contains("virtual")
    runs = {
        "mean": by_class.mean(axis=1), "learnt": by_class.loc[:, ~lost.any()].mean(axis=1),
        "learnt in the run": by_class.where(~lost).mean(axis=1).fillna(0.0), "median": by_class.median(axis=1),
        "lost": 1 - lost.mean(axis=1), "real": _mean(volumes[~virtual]), "virtual": _mean(volumes[virtual]),
    }  # fmt: skip
    found = {}
    for name, values in runs.items():
        if len(values) and values.notna().all():
            found[name] = values.unstack("seed").reindex(encoders).to_numpy(np.float64)
            if not np.isfinite(found[name]).all():
                raise InputError(f"volumes: not every encoder has every seed of task {volumes['task'].iloc[0]!r}.")
    return found


def _mean(rows: pd.DataFrame) -> pd.Series:
    return rows.groupby(["encoder", "seed", "class"])["dice"].mean().groupby(["encoder", "seed"]).mean()


def lost_share(volumes: pd.DataFrame) -> tuple[int, int, float]:
    """(classes that some run lost, classes, share of the variance between encoders that they carry) of one task.

    Dice = (sum over lost classes + sum over the others) / C; the share is cov(first part, Dice) / var(Dice) over the
    encoders' means.
    """
    by_class = volumes.groupby(["encoder", "seed", "class"])["dice"].mean().unstack("class")
    lost = (by_class < COLLAPSED).any()
    means = by_class.groupby("encoder").mean()
    whole, part = means.mean(axis=1), means.loc[:, lost].sum(axis=1) / means.shape[1]
    variance = whole.var()
    share = float(np.cov(part, whole)[0, 1] / variance) if variance > 0 and lost.any() else 0.0
    return int(lost.sum()), len(lost), share


def table(volumes: pd.DataFrame, encoders) -> pd.DataFrame:
    """One row (protocol, task, reading), over the encoders that the protocol has for the task: mean, SD between
    encoders, reliability of the mean over seeds, and tau_w of its order with that of "mean" (NaN where a reading is
    constant)."""
    rows = []
    for (protocol, task), part in check(volumes).groupby(["protocol", "task"]):
        found = readings(part, _present(part, encoders))
        for name, values in found.items():
            mean = values.mean(1)
            tau = weighted_tau(mean, found["mean"].mean(1)) if np.ptp(mean) > 1e-12 else math.nan
            icc = reliability(values).icc_mean if np.ptp(mean) > 1e-12 else math.nan
            rows.append((protocol, task, name, mean.mean(), mean.std(ddof=1), icc, tau))
    return pd.DataFrame(rows, columns=["protocol", "task", "reading", "dice", "sd", "reliability", "tau_w"])


def _present(part: pd.DataFrame, encoders) -> list[str]:
    there = set(part["encoder"])
    return [name for name in encoders if name in there]


def agreement(volumes: pd.DataFrame, encoders, first: str, second: str, reading: str = "mean") -> pd.DataFrame:
    """Agreement of two protocols over the encoders that both have, task by task: Pearson r of the encoders' means,
    disattenuated r, and tau_w.

    disattenuated = r / sqrt(reliability_1 reliability_2), the correlation of the true means, above 1 by sampling
    alone; NaN where a reliability is not positive. Spearman 1904, doi:10.2307/1412159.
    """
    volumes = check(volumes)
    rows = []
    for task, part in volumes.groupby("task"):
        parts = [part[part["protocol"] == name] for name in (first, second)]
        both = _present(parts[1], _present(parts[0], encoders))
        if len(both) < 3:
            continue
        found = [readings(one[one["encoder"].isin(both)], both).get(reading) for one in parts]
        two = [values for values in found if values is not None]
        if len(two) < 2:
            continue
        a, b = (values.mean(1) for values in two)
        r = float(np.corrcoef(a, b)[0, 1])
        kept = reliability(two[0]).icc_mean * reliability(two[1]).icc_mean
        known = min(reliability(values).icc_mean for values in two) > 0
        rows.append((task, r, r / math.sqrt(kept) if known else math.nan, weighted_tau(a, b)))
    return pd.DataFrame(rows, columns=["task", "r", "disattenuated", "tau_w"])
