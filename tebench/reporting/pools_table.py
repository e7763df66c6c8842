"""The same metrics over every named pool inside the one that was scored: within one architecture, across, by origin."""

from __future__ import annotations

import math
from pathlib import Path

import pandas as pd

from tebench import storage
from tebench.evaluation.arrays import MEAN
from tebench.evaluation.evaluate import evaluate
from tebench.evaluation.pools import Pool
from tebench.reporting import formats, tables
from tebench.reporting.leaderboard_boards import named_pools
from tebench.reporting.leaderboard_pools import rescore
from tebench.reporting.summary import ALPHA, number, span

LEAST = 6  # encoders; with fewer no order leaves chance


def results(rows: pd.DataFrame, truth: pd.DataFrame, pool: Pool, *, seed: int = 0, least: int = LEAST) -> pd.DataFrame:
    """Mean rows of `evaluate` over `pool` and every smaller named pool of at least `least` of its encoders.

    rows: leaderboard rows over `pool`. Nothing is filtered: fused scores, intervals and chance are made for each pool.
    Empty where there is no smaller pool.
    """
    pools = [one for one in named_pools(pool.name, pool.encoders) if len(one) >= least]
    if len(pools) < 2:
        return pd.DataFrame()
    directions, found = dict(zip(rows["metric"], rows["direction"], strict=True)), []
    for one in pools:
        mine = truth[truth["encoder"].isin(one.encoders)].reset_index(drop=True)
        frame = evaluate(rescore(rows, truth, one), mine, directions, pool=one, seed=seed)
        found.append(frame[frame["task"] == MEAN])
    return pd.concat(found, ignore_index=True)


def write(folder: Path, rows: pd.DataFrame, truth: pd.DataFrame, pool: Pool, *, seed: int = 0) -> str:
    """Write pools.csv beside the other tables; the table for the terminal, or "" where there is no smaller pool."""
    found = results(rows, truth, pool, seed=seed)
    if found.empty:
        return ""
    storage.write_text(Path(folder) / "pools.csv", formats.csv_text(found))
    return text(found, dict(zip(rows["metric"], rows["title"], strict=True)))


def text(found: pd.DataFrame, titles: dict[str, str]) -> str:
    """Metrics x pools, best in the first pool on top."""
    pools = list(dict.fromkeys(found["pool"]))
    cells = found.set_index(["metric", "pool"])
    first = found[found["pool"] == pools[0]].sort_values(["tau_w", "metric"], ascending=[False, True])
    metrics = [m for m in first["metric"] if found.loc[found["metric"] == m, "tau_w"].notna().any()]
    head = ["mean tau_w by pool", *pools]
    lines = [[titles.get(metric, metric), *[_cell(cells.loc[metric, name]) for name in pools]] for metric in metrics]
    facts = [found[found["pool"] == name] for name in pools]
    lines += [
        ["chance", *[span(part["null_low"].min(), part["null_high"].max()) for part in facts]],
        ["encoders, tasks", *[f"{int(part['n'].max())}, {int(part['n_tasks'].max())}" for part in facts]],
    ]
    columns = [list(column) for column in zip(head, *lines, strict=True)]
    return "\n".join(tables.aligned(columns, {0, len(metrics)}))


def _cell(row) -> str:
    if math.isnan(row["tau_w"]):
        return "-"
    return f"{number(row['tau_w'])} {span(row['low'], row['high'])}" + ("*" if row["p"] < ALPHA else "")
