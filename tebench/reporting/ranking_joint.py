"""Several data sets ranked in one call: one table over all of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from tebench.base.storage import write_text
from tebench.metrics.registry import get
from tebench.reporting.document import Document, aligned
from tebench.reporting.formats import csv_text


def joint(found: dict[str, tuple[pd.DataFrame, str]]) -> pd.DataFrame:
    """One row an encoder: its rank on every data set, the mean of these, and on how many it is among the best.

    found: data set -> (rows of every metric, the metric that ranks).   among the best: first, or not told apart from
    the first.   mean rank: over the data sets that gave it a score; `sets` says how many. Fewer sets than all stand
    below all others, since their mean is of another pool.
    """
    rows: dict[str, dict] = {}
    for name, (ranked, main) in found.items():
        for row in ranked[ranked["metric"] == main].itertuples():
            one = rows.setdefault(row.encoder, {"encoder": row.encoder, "ranks": {}, "best": 0, "first": 0})
            if row.status == "ok":
                one["ranks"][name] = int(row.rank)
                one["best"] += bool(row.rank == 1 or row.together)
                one["first"] += bool(row.rank == 1)
    table = pd.DataFrame(
        [
            {
                "encoder": one["encoder"], "mean rank": float(np.mean(list(one["ranks"].values()) or [np.nan])),
                "sets": len(one["ranks"]), "first": one["first"], "among the best": one["best"],
                **{name: one["ranks"].get(name, pd.NA) for name in found},
            }
            for one in rows.values()
        ]
    )  # fmt: skip
    return table.sort_values(["sets", "mean rank", "encoder"], ascending=[False, True, True], ignore_index=True)


def verdict(table: pd.DataFrame, n_sets: int) -> list[str]:
    """Who is best over the data sets, and who was never behind."""
    first = table.iloc[0]
    lines = [
        f"{first['encoder']} has the best mean rank over {n_sets} data sets, {first['mean rank']:.2f}: first on "
        f"{first['first']}, among the best on {first['among the best']}."
    ]
    others = table[(table["among the best"] == n_sets) & (table["encoder"] != first["encoder"])]["encoder"].tolist()
    if others:
        lines.append(f"Not told apart from the first on any of them: {', '.join(others)}.")
    lines.append(f"{n_sets} data sets are few: the mean rank says which encoder to try first, and is no test.")
    return lines


def write(folder: Path, found: dict[str, tuple[pd.DataFrame, str]]) -> str:
    """joint.txt, joint.csv and joint.html; returns the text."""
    table = joint(found)
    lines = verdict(table, len(found))
    by = {name: get(main).title for name, (_, main) in found.items()}
    used = f"Ranked by {next(iter(by.values()))}." if len(set(by.values())) == 1 else "Ranked by " + "; ".join(
        f"{title} on {name}" for name, title in by.items()) + "."  # fmt: skip
    text = "\n".join([f"{len(found)} data sets: {', '.join(found)}", "", *lines, "", aligned(table), "", used])
    page = Document(f"Which encoder for {len(found)} data sets?")
    page.text(lines[0], "lead")
    page.list([*lines[1:], used])
    page.table(table)
    page.text("Columns of data sets hold ranks. Each has a report of its own in a folder of its name, with intervals, "
              "classes and preparation.", "note")  # fmt: skip
    write_text(folder / "joint.csv", csv_text(table))
    write_text(folder / "joint.txt", text + "\n")
    write_text(folder / "joint.html", page.html())
    return f"{text}\nwritten to {folder}: joint.txt, joint.csv, joint.html"
