"""The page of the log: what was tried in each step, and whether a first report's figures come out again."""

from __future__ import annotations

import pandas as pd

from tebench.research.variants import catalogue
from tebench.research.variants.catalogue import EXACT, LAST, Fusion, Variant

# Figures that a pilot reported before this code was written: zoo, ssl, within_resenc_s, within_deepbet and
# across_shapes, each under starter-v1 and starter-v1-frozen. Kept to be held against what is computed here.
REPORTED = (
    (Variant(LAST, "FLM", "MA", "FLMA", time=1.0, **EXACT), ".55 .55 .37 .43 .36 .44 .67 .58 .63 .56"),
    (Variant(LAST, "FLM", "MA", "FLMA", time=0.3, **EXACT), ".54 .56 .41 .44 .40 .43 .56 .63 .60 .51"),
    (Variant(LAST, "FLM", "MA", "FLMA", time=0.1, **EXACT), ".54 .55 .32 .33 .31 .34 .63 .62 .54 .46"),
    (Variant(LAST, "FLM", "MA", "FLMA", time=2.0, **EXACT), ".51 .51 .27 .36 .26 .37 .66 .58 .60 .58"),
    (Variant(LAST, "FLM", "M", "FLM", time=1.0, **EXACT), ".55 .54 .35 .41 .34 .42 .66 .57 .64 .57"),
    (Variant(LAST, "FLM", "M", "FLM", time=10.0, **EXACT), ".42 .47 .10 .21 .10 .24 .63 .57 .59 .71"),
    (Variant(LAST, "FLM", "FLM", "FLM", time=1.0, **EXACT), ".52 .58 .16 .34 .16 .36 .55 .59 .69 .58"),
    (
        Fusion(
            "",
            Variant(LAST, "FLM", "F", "FLM", **EXACT),
            Variant(LAST, "FLM", "M", "FLM", **EXACT),
            "min-max",
            "released",
        ),
        ".55 .56 .35 .39 .34 .40 .63 .63 .67 .61",
    ),
)
_POOLS = ("zoo", "ssl", "within_resenc_s", "within_deepbet", "across_shapes")


def row_of(table: pd.DataFrame, wanted: Variant | Fusion) -> pd.Series:
    """The table's row of a variant or a fusion."""
    variants = catalogue.variants()
    if isinstance(wanted, Variant):
        return table.iloc[catalogue.number(variants, wanted) - 1]
    own = table[(table["scaled"] == wanted.scaled) & (table["gate"] == wanted.gate)]
    for part in ("everywhere", "boundary"):
        own = own[own[part] == catalogue.number(variants, getattr(wanted, part))]
    return own.iloc[0]


def reproduced(table: pd.DataFrame, protocols) -> pd.DataFrame:
    """One row a reported form: number, the reported figures, those computed, the largest difference."""
    columns = [f"{pool} {protocol}" for pool in _POOLS for protocol in protocols]
    rows = []
    for wanted, text in REPORTED:
        row = row_of(table, wanted)
        known = [float(word) for word in text.split()]
        computed = [float(row[column]) for column in columns]
        gap = max(abs(a - round(b, 2)) for a, b in zip(known, computed, strict=True))
        rows.append((int(row["number"]), known, computed, round(gap, 2)))
    return pd.DataFrame(rows, columns=["number", "reported", "computed", "gap"])


def page(table: pd.DataFrame, protocols, command: str) -> str:
    """Markdown: how much was looked at, each step's range, the reported figures beside those computed."""
    columns = [f"{pool} {protocol}" for pool in _POOLS for protocol in protocols]
    lines = [
        "# Every variant of the gradient-flow probe that was held against ground truth", "",
        f"Made by `{command}`; all rows are in `variants.csv`. Do not edit.", "",
        f"{len(table)} variants and fusions are listed in the order in which they were tried, by mean weighted tau "
        "over the tasks of the starter benchmark. The ground truth was known while they were tried, so the best are "
        "no results: with so many, some are high by chance. A pilot before them looked at about 210 more, of which "
        "the figures below were reported and the others are not known. What is evidence is a registration "
        "(`leaderboard/registrations`), made before its ground truth.", "",
        "## Steps", "",
        "Lowest to highest under " + protocols[0] + ".", "",
        f"| step | variants | {_POOLS[0]} | {_POOLS[1]} |",
        "|---|---|---|---|",
    ]  # fmt: skip
    for step, own in table.groupby("step", sort=False):
        ranges = [f"{own[c].min():.2f} to {own[c].max():.2f}" for c in (columns[0], columns[len(protocols)])]
        lines.append(f"| {step} | {len(own)} | {ranges[0]} | {ranges[1]} |")
    lines += [
        "", "## Reported figures, computed again", "",
        "Pairs are " + " / ".join(protocols) + ". The row's number is that of `variants.csv`.", "",
        f"| number | form | {' | '.join(_POOLS)} | largest difference of rounded figures |",
        f"|---|---|{'---|' * len(_POOLS)}---|",
    ]  # fmt: skip
    for (wanted, _), row in zip(REPORTED, reproduced(table, protocols).itertuples(), strict=True):
        n = len(protocols)
        cells = [" / ".join(f"{v:.2f}" for v in row.computed[i : i + n]) for i in range(0, len(columns), n)]
        lines.append(f"| {row.number} | {_words(wanted)} | {' | '.join(cells)} | {row.gap:.2f} |")
    return "\n".join([*lines, ""])


def _words(form: Variant | Fusion) -> str:
    if isinstance(form, Fusion):
        return f"gated: {_words(form.everywhere)}, and {_words(form.boundary)}, {form.scaled}"
    asked = {"MA": "anchors and patch members", "M": "patch members", "F": "foreground and background strata"}
    return f"asked at {asked.get(form.judged, 'all rows that teach')}, T = {form.time:g}"
