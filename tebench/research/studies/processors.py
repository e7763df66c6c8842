"""How far scores move between processors: this one's against the published ones, and the page of all measured."""

from __future__ import annotations

import pandas as pd

from tebench.evaluation.tolerance import FLOOR, MARGIN, differences, tolerances
from tebench.metrics.registry import get, load
from tebench.scoring.request import Request

ROWS = ["task", "encoder", "metric", "score", "status"]


def requests(published: pd.DataFrame, metrics=None) -> list[Request]:
    """Every published metric that is computed from features, as it was published (its own stages, its parameters)."""
    found, known = [], load()
    for name in sorted(set(published["metric"]) if metrics is None else metrics):
        metric = get(name)
        if name in known and metric.reads not in ("facts", "parts", "elsewhere"):
            found.append(Request.make(metric, {}, None, 0))
    return found


def measure(published: pd.DataFrame, scores: pd.DataFrame, processor: str, kept: pd.DataFrame | None) -> pd.DataFrame:
    """Rows of `differences` of this processor beside those kept of others; its own former rows are replaced."""
    asked = set(scores["metric"])
    found = differences(published.loc[published["metric"].isin(asked), ROWS], {processor: scores[ROWS]})
    if kept is not None and len(kept):
        found = pd.concat([kept[kept["other"] != processor], found], ignore_index=True)
    return found.sort_values(["other", "metric"], ignore_index=True)


def page(measured: pd.DataFrame, titles: dict[str, str], *, command: str) -> str:
    """The largest difference of every metric on every processor, and the tolerance that follows."""
    seen = measured[measured["n"] > 0]
    others = list(dict.fromkeys(seen["other"]))
    allowed = tolerances(measured)
    lines = [
        "# Other processors", "",
        f"Made by `{command}` and the same under other variables; the rows are in `processors.csv`. Do not edit.", "",
        "The same encoders, voxels, metrics and versions on another processor give features, and so scores, that "
        "differ in their last bits. Shown is the largest difference from the published score over all (encoder, task) "
        "pairs compared, in SDs between encoders on that task; in brackets pairs of encoders that changed places. "
        f"Tolerance: {MARGIN:g} times the largest, at least {FLOOR:g}. A processor is imitated by telling its "
        "libraries that it is an older one (ONEDNN_MAX_CPU_ISA, ATEN_CPU_CAPABILITY, OPENBLAS_CORETYPE).", "",
        *[f"- P{k}: {name}, {int(seen.loc[seen['other'] == name, 'n'].max())} pairs" for k, name in enumerate(others)],
        "", "| metric | " + " | ".join(f"P{k}" for k in range(len(others))) + " | tolerance |",
        "|---" * (len(others) + 2) + "|",
    ]  # fmt: skip
    wide = seen.set_index(["metric", "other"])
    worst = seen.groupby("metric")["relative"].max().sort_values(ascending=False)
    for metric in worst.index:
        cells = []
        for name in others:
            row = wide.loc[(metric, name)] if (metric, name) in wide.index else None
            swaps = f" ({int(row['swaps'])})" if row is not None and row["swaps"] else ""
            cells.append("" if row is None else f"{row['relative']:.1e}{swaps}")
        title = titles.get(metric, metric)
        lines.append(f"| {title} | " + " | ".join(cells) + f" | {allowed[metric]:.2g} |")
    changed = seen[seen["status_changes"] > 0]
    if len(changed):
        names = ", ".join(sorted({f"{row.metric} ({row.other})" for row in changed.itertuples()}))
        lines += ["", f"A value on one side only: {names}."]
    return "\n".join([*lines, ""])
