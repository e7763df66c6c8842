"""Scores that are means over draws, as one row a draw: the draw then enters every interval."""

from __future__ import annotations

import json

import pandas as pd

from tebench.base.errors import InputError

DRAW = "draw."


def by_draw(scores: pd.DataFrame) -> pd.DataFrame:
    """The frame with a row a draw, `seed` its number, for scores whose components hold `draw.0`, `draw.1` ...

    components: mapping, or its JSON text.   Rows without draws, or without a value, stay as they are. `evaluate`
    averages the draws to the same scores and lets its intervals cover them, as it does with sampling seeds.
    """
    if "components" not in scores.columns:
        raise InputError("by_draw: column components absent; it holds the values of single draws.")
    rows = []
    for row in scores.to_dict("records"):
        given = row["components"]
        components = json.loads(given or "{}") if isinstance(given, str) else given or {}
        draws = {int(name.removeprefix(DRAW)): value for name, value in components.items() if name.startswith(DRAW)}
        if row["status"] != "ok" or not draws:
            rows.append(row)
            continue
        rows += [row | {"seed": k, "score": value, "seconds": row["seconds"] / len(draws)}
                 for k, value in sorted(draws.items())]  # fmt: skip
    return pd.DataFrame(rows, columns=scores.columns)
