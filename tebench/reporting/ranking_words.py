"""A ranking's findings in sentences and small tables: against random weights, class by class, its place in a pool."""

from __future__ import annotations

import math

import pandas as pd

from tebench.evaluation.compare import ALPHA
from tebench.metrics.registry import get
from tebench.reporting.summary import p_text


def untrained(ranked: pd.DataFrame, main: str, pairs: pd.DataFrame, readings: pd.DataFrame) -> list[str]:
    """Which encoders are told apart from random weights of their own shape."""
    if not len(pairs):
        return []
    above = pairs[(pairs["p"] < ALPHA) & (pairs["above"] > 0)]["encoder"].tolist()
    below = pairs[(pairs["p"] < ALPHA) & (pairs["above"] < 0)]["encoder"].tolist()
    same = [name for name in pairs["encoder"] if name not in (*above, *below)]
    lines = []
    if above:
        lines.append(f"Above random weights of the same shape: {', '.join(above)}.")
    if same:
        lines.append(f"Not told apart from random weights of the same shape: {', '.join(same)}.")
    if below:
        lines.append(f"Below random weights of the same shape: {', '.join(below)}.")
    own = ranked[(ranked["metric"] == main) & (ranked["status"] == "ok")]
    plain = dict(zip(readings["encoder"], readings["pre-training"], strict=True))
    if len(own) and str(plain.get(own.iloc[0]["encoder"], "")).startswith("none"):
        lines.append("The first has random weights: by this metric no pre-training here shows on these data.")
    return lines


def by_class(found: dict[str, pd.DataFrame]) -> list[str]:
    """Who is first for which class, where classes were ranked by themselves."""
    firsts: dict[str, list[str]] = {}
    for name, rows in found.items():
        ok = rows[rows["status"] == "ok"]
        if len(ok):
            alone = not ok.iloc[1:]["together"].astype(bool).any() and len(ok) > 1
            firsts.setdefault(f"{ok.iloc[0]['encoder']}{'' if alone else ' (not told apart)'}", []).append(name)
    said = "; ".join(f"{first} for {', '.join(names)}" for first, names in firsts.items())
    return [f"First by class: {said}."] if firsts else []


def place(main: str, n_encoders: int) -> list[str]:
    """What a fused score is."""
    if get(main).reads != "parts":
        return []
    return [
        f"The score is a place among these {n_encoders} encoders, fused from ranks: no probability and no Dice; with "
        "others in the pool it changes."
    ]


def class_table(found: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """One row an encoder, one column a class: its rank; `=` not told apart from the first of that class."""
    columns = {}
    for name, rows in found.items():
        columns[name] = {
            row.encoder: f"{int(row.rank)}{' =' if row.rank != 1 and row.together else ''}"
            if row.status == "ok"
            else "–"
            for row in rows.itertuples()
        }
    return pd.DataFrame(columns).rename_axis("encoder").reset_index()


def _place(row) -> str:
    if row.status != "ok":
        return "–"
    return f"{int(row.rank)}{' =' if row.rank != 1 and row.together else ''}"


def long(found: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """All rows of all classes."""
    return pd.concat([rows.assign(**{"class": name}) for name, rows in found.items()], ignore_index=True)


def table(
    ranked: pd.DataFrame, main: str, names: list[str], titles: dict[str, str], pairs: pd.DataFrame
) -> pd.DataFrame:
    """The ranking as a report shows it."""
    others = [name for name in names if name != main]
    ranks = {name: ranked[ranked["metric"] == name].set_index("encoder")["rank"] for name in others}
    twin = pairs.set_index("encoder")
    rows = []
    for row in ranked[ranked["metric"] == main].itertuples():
        ok = row.status == "ok"
        pair = twin.loc[row.encoder] if row.encoder in twin.index else None
        rows.append(
            {
                "encoder": row.encoder, "rank": f"{int(row.rank)}" if ok else row.status.replace("_", " "),
                "score": _digits(row.score), "95 % interval": _span(row.low, row.high),
                "ranks": f"{int(row.rank_low)}–{int(row.rank_high)}" if ok else "–",
                "behind the first": "–" if not ok or row.rank == 1 else _digits(row.behind),
                "p": "–" if not ok or row.rank == 1 else p_text(row.p),
                "above random weights": "–" if pair is None else _digits(pair["above"]),
                "p (random)": "–" if pair is None else p_text(pair["p"]),
                **{titles[name]: _rank(ranks[name].get(row.encoder)) for name in others},
            }
        )  # fmt: skip
    return pd.DataFrame(rows)


def _digits(value) -> str:
    return f"{value:.4g}" if isinstance(value, (int, float)) and math.isfinite(value) else "–"


def _span(low, high) -> str:
    return f"[{_digits(low)}, {_digits(high)}]" if math.isfinite(low) else "–"


def _rank(value) -> str:
    return "–" if value is None or value != value else str(int(value))
