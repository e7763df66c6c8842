"""Scores of a narrower candidate pool from stored rows: pool-level metrics are fused anew, never filtered."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from tebench.evaluation.evaluate import evaluate
from tebench.evaluation.pools import Pool, narrow, recompute
from tebench.metrics import registry
from tebench.scoring.pool import ABSENT_PART, elsewhere, fuse


def rescore(rows: pd.DataFrame, truth: pd.DataFrame, pool: Pool) -> pd.DataFrame:
    """Scores over `pool`, from leaderboard rows of a pool that contains it.

    Fused metrics (reads "parts") are recomputed from the part scores in `components`; those that read ground truth of
    other tasks ("elsewhere") from `truth`. A pool-level metric that is not registered here keeps its score for its own
    pool only; elsewhere it is "not_applicable", with this as its reason.
    """
    known = registry.load()
    dependent = sorted(set(rows.loc[rows["pool"] != "", "metric"]))
    made = {}
    for name in dependent:
        own = rows[rows["metric"] == name]
        reads = known[name].reads if name in known else ""
        if set(own["pool"]) == {pool.id} and reads != "elsewhere":  # that one also depends on the protocol
            made[name] = lambda _, pool, own=own: narrow(own, pool)
        elif reads == "parts":
            made[name] = lambda _, pool, own=own, metric=known[name]: _fused(metric, narrow(own, pool), pool)
        elif reads == "elsewhere":
            made[name] = lambda _, pool, own=own, metric=known[name]: _elsewhere(metric, narrow(own, pool), truth, pool)
        else:
            made[name] = lambda _, pool, own=own: _unknown(narrow(own, pool))
    return recompute(rows, pool, made)


def evaluated(rows: pd.DataFrame, truth: pd.DataFrame, pool: Pool, *, seed: int = 0) -> pd.DataFrame:
    """`evaluate` over `pool`, from rows of a pool that contains it: scores are made anew, nothing is filtered."""
    directions = dict(zip(rows["metric"], rows["direction"], strict=True))
    mine = truth[truth["encoder"].isin(pool.encoders)].reset_index(drop=True)
    return evaluate(rescore(rows, truth, pool), mine, directions, pool=pool, seed=seed)


def stale(rows: pd.DataFrame, truth: pd.DataFrame, pool: Pool) -> list[str]:
    """Pool-level metrics whose stored scores are not what their parts or the ground truth give over their pool."""
    known = registry.load()
    rows = rows[rows["pool"] != ""]
    mine = [name for name in sorted(set(rows["metric"])) if name in known]
    if not mine:
        return []
    other = rows.assign(pool="0" * 12)
    again = rescore(other, truth, pool).set_index(["metric", "task", "encoder", "seed"])["score"].astype(float)
    stored = rows.set_index(["metric", "task", "encoder", "seed"])["score"].astype(float)
    found = []
    for name in mine:
        if known[name].reads in ("parts", "elsewhere"):
            first, second = stored.loc[[name]].sort_index(), again.loc[[name]].sort_index()
            if not np.allclose(first.to_numpy(), second.to_numpy(), rtol=1e-9, atol=1e-12, equal_nan=True):
                found.append(name)
    return found


def _fused(metric, own: pd.DataFrame, pool: Pool) -> pd.DataFrame:
    def outcomes(part):
        parts = {encoder: part.loc[encoder, "components"] for encoder in pool.encoders}
        return fuse(metric, part["parameters"].iloc[0], parts, int(part["n_foreground"].iloc[0]))

    return _by_task(own, pool, outcomes)


def _elsewhere(metric, own: pd.DataFrame, truth: pd.DataFrame, pool: Pool) -> pd.DataFrame:
    known = truth[truth["task"].isin(set(own["task"]))]

    def outcomes(part):
        encoders, task = list(pool.encoders), part["task"].iloc[0]
        return elsewhere(metric, part["parameters"].iloc[0], encoders, task, known)

    return _by_task(own, pool, outcomes)


def _by_task(own: pd.DataFrame, pool: Pool, outcomes) -> pd.DataFrame:
    """Rows of one pool-level metric computed anew, task by task and seed by seed."""
    made = []
    for _, part in own.groupby(["task", "seed"], sort=False):
        part = part.set_index("encoder", drop=False).reindex(pool.encoders)
        found = outcomes(part)
        left_out = {encoder for encoder, outcome in found.items() if outcome.reason == ABSENT_PART}
        for encoder, outcome in found.items():
            row = part.loc[encoder].to_dict()
            if encoder not in left_out:  # an encoder without a part keeps its status and reason
                row |= {"status": outcome.status, "reason": outcome.reason}
                row["score"] = math.nan if outcome.score is None else outcome.score
            made.append(row)
    return pd.DataFrame(made)


def _unknown(own: pd.DataFrame) -> pd.DataFrame:
    reason = (
        "the score is made over a candidate pool, and its metric is not registered here: it has none for this pool."
    )
    return own.assign(score=math.nan, status="not_applicable", reason=reason)
