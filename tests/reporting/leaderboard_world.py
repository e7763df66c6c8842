"""A simulated-for-test leaderboard folder; nothing here is a measurement."""

import hashlib

import numpy as np
import pandas as pd
import simulated_worlds

from tebench.encoders import catalogue
from tebench.evaluation.pools import Pool
from tebench.metrics import registry
from tebench.publication import leaderboard_rows

TASKS = ("subcortex", "tissues")
N_FOREGROUND = {"subcortex": 5, "tissues": 2}
METRICS = ("grtd", "lbtc", "grtd_lbtc", "gbc", "mean_rank_elsewhere", "leep")
ENCODERS = tuple(catalogue.names()[:6])
POOL = Pool("zoo", ENCODERS)


def digest(text):
    return hashlib.sha256(text.encode()).hexdigest()


def rows_and_truth(seed=3):
    """Rows of six metrics: two parts, their fusion, a plain one, one from ground truth, one not applicable."""
    known = registry.load()
    strength = dict(zip(METRICS, (0.9, 0.3, 0, 0.8, 0, 0), strict=True))
    scores, truth, _ = simulated_worlds._MODULE.simulate(strength, tasks=TASKS, seed=seed)
    names = dict(zip(sorted(set(scores["encoder"])), ENCODERS, strict=True))
    scores["encoder"], truth["encoder"] = scores["encoder"].map(names), truth["encoder"].map(names)
    truth["protocol"] = "starter-v1"
    scores.loc[scores["metric"] == "gbc", "score"] *= 1 if known["gbc"].direction == "up" else -1
    rows = scores.assign(
        title=[known[m].title for m in scores["metric"]],
        direction=[known[m].direction for m in scores["metric"]],
        parameters=[known[m].complete({}) for m in scores["metric"]],
        stages=[known[m].stages for m in scores["metric"]],
        components=[{} for _ in range(len(scores))],
        n_foreground=scores["task"].map(N_FOREGROUND),
        feature_hash=[digest(t + e) for t, e in zip(scores["task"], scores["encoder"], strict=True)],
        label_hash=scores["task"].map(digest),
        metric_hash=scores["metric"].map(digest),
        versions=[{"tebench": "0.1.0"}] * len(scores),
        pool=[POOL.id if known[m].pool_dependent else "" for m in scores["metric"]],
    )
    value = rows.set_index(["metric", "task", "encoder"])["score"]
    fusion = known["grtd_lbtc"]
    for task in TASKS:
        parts = {p: np.array([value[p, task, e] for e in ENCODERS]) for p in ("grtd", "lbtc")}
        fused = fusion.function(parts, N_FOREGROUND[task], **fusion.complete({}))
        other = truth[truth["task"] != task].groupby("encoder")["value"].mean()
        rank = other.reindex(list(ENCODERS)).rank()
        for k, encoder in enumerate(ENCODERS):
            of_cell = (rows["task"] == task) & (rows["encoder"] == encoder)
            index = rows.index[of_cell & (rows["metric"] == "grtd_lbtc")][0]
            rows.loc[index, "score"] = fused[k]
            rows.at[index, "components"] = {name: float(values[k]) for name, values in parts.items()}
            rows.loc[of_cell & (rows["metric"] == "mean_rank_elsewhere"), "score"] = rank[encoder]
    headless = (rows["metric"] == "leep") & rows["encoder"].str.endswith("random")
    rows.loc[headless, ["score", "status", "reason"]] = [np.nan, "not_applicable", "no source head"]
    return rows, truth


def frozen(truth, seed=5):
    """The same runs under a second protocol: lower, in an order of their own."""
    noise = 0.06 * np.random.default_rng(seed).standard_normal(len(truth))
    return truth.assign(protocol="starter-v1-frozen", value=(truth["value"] - 0.1 + noise).clip(0.06, 1))


def write(folder, rows, truth):
    """The folder as a user has it before job=leaderboard."""
    for part in ("results", "ground_truth"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    (folder / "results" / "starter.csv").write_text(leaderboard_rows.text(rows), encoding="utf-8")
    pd.DataFrame(truth).to_csv(folder / "ground_truth" / "starter.csv", index=False)
    return folder
