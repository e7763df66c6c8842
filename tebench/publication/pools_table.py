"""The same metrics over every named pool inside the one that was scored: within one architecture, across, by origin."""

from __future__ import annotations

import math
from pathlib import Path

import pandas as pd

from tebench.base import storage
from tebench.evaluation.arrays import MEAN
from tebench.evaluation.pools import Pool
from tebench.publication.boards import named_pools
from tebench.publication.pools import evaluated
from tebench.reporting import formats, tables
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
    frames = [evaluated(rows, truth, one, seed=seed) for one in pools]
    return pd.concat([frame[frame["task"] == MEAN] for frame in frames], ignore_index=True)


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
    lines = [[titles.get(metric, metric), *[cell(cells.loc[metric, name]) for name in pools]] for metric in metrics]
    facts = [found[found["pool"] == name] for name in pools]
    lines += [
        ["chance", *[span(part["null_low"].min(), part["null_high"].max()) for part in facts]],
        ["encoders, tasks", *[f"{int(part['n'].max())}, {int(part['n_tasks'].max())}" for part in facts]],
    ]
    columns = [list(column) for column in zip(head, *lines, strict=True)]
    return "\n".join(tables.aligned(columns, {0, len(metrics)}))


def cell(row) -> str:
    """tau_w with its interval, starred outside chance; a dash without a number."""
    if math.isnan(row["tau_w"]):
        return "-"
    return f"{number(row['tau_w'])} {span(row['low'], row['high'])}" + ("*" if row["p"] < ALPHA else "")
