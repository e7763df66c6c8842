"""The variants in the order in which they were tried; a new one goes to the end.

Letters of rows: F foreground and background strata, L the label-blind global stratum, M patch members, A anchors.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import product

ANSWERS = (
    "by case", "by class", "together", "zero where absent", "flat", "by case, foreground", "by class, foreground",
    "together, foreground", "accuracy",
)  # fmt: skip
TIMES = (0.1, 0.3, 1.0, 2.0, 3.0, 10.0)
LAST = "the pilot's form: rows that give mean and SD, rows that are asked, time"
EXACT = {"weights": "sample", "shares": True, "answers": "together"}


@dataclass(frozen=True)
class Variant:
    """One way to score an encoder: mean over its encoder stages, one case left out at a time.

    step: why it was tried.   fitted, judged: letters of rows.
    standardised: rows that give each case its mean and SD; "apart": fitted and judged rows each by their own.
    weights: of a row of class c: "kept" 1 / its count in the kept cases, "sample" in all cases, "case" in its own case.
    centred: "yes"; "fit" weighted mean removed when fitting, not when judging; "no" never.
    shares: the classes' masses are added to the outputs.   answers: how recall is averaged, see ANSWERS.
    """

    step: str
    fitted: str
    judged: str
    standardised: str
    weights: str = "kept"
    centred: str = "yes"
    shares: bool = False
    answers: str = "by case"
    time: float = 1.0

    @property
    def fit(self) -> tuple:
        """What has its own eigendecomposition."""
        return self.fitted, self.standardised, self.weights, self.centred == "no"


def variants() -> list[Variant]:
    """All of them, in order, each once."""
    found = []
    step = "the pilot's words, read in several ways: rows and time"
    for fitted, judged in (("FL", ("MA", "M")), ("FLM", ("MA", "M", "FLM")), ("F", ("F", "MA", "M"))):
        found += [Variant(step, fitted, j, "FLMA", time=time) for j in judged for time in TIMES]
    found += [Variant(step, "F", "F", "F", time=time) for time in TIMES]
    step = "standardisation, class weights within cases, answers of all cases together"
    sets = (
        ("FL", "FLMA"),
        ("FL", "FL"),
        ("FL", "apart"),
        ("FLM", "FLM"),
        ("FLMA", "FLMA"),
        ("FLM", "apart"),
        ("MA", "MA"),
    )
    for (fitted, rows), judged, weights, answers, time in product(
        sets, ("MA", "M"), ("kept", "case"), ("by case", "together"), (0.3, 1.0)
    ):
        found.append(Variant(step, fitted, judged, rows, weights, answers=answers, time=time))
    step = "the weighted mean left in"
    for rows, judged, weights, centred, time in product(
        ("FL", "FLM", "FLMA"), ("MA", "M"), ("kept", "case"), ("yes", "fit", "no"), (0.3, 1.0)
    ):
        found.append(Variant(step, rows, judged, rows, weights, centred, time=time))
    step = "task by task: class counts of the whole sample, class masses added, nine averages"
    for weights, shares, answers in product(("kept", "case", "sample"), (False, True), ANSWERS):
        found.append(Variant(step, "FLM", "M", "FLM", weights, shares=shares, answers=answers))
    step = LAST
    for fitted, rows, judged in product(("FLM", "FLMA"), ("FLM", "FLMA"), ("MA", "M", "F", "FL", "FLM")):
        found.append(Variant(step, fitted, judged, rows, **EXACT))
    found += [Variant(step, "FLM", "MA", "FLMA", time=time, **EXACT) for time in TIMES]
    found += [Variant(step, "FLM", "M", "FLM", time=time, **EXACT) for time in TIMES]
    found += [Variant(step, rows, rows, rows, time=time, **EXACT) for rows in ("FLM", "F", "MA") for time in TIMES]
    return list(dict.fromkeys(found))


@dataclass(frozen=True)
class Fusion:
    """Two variants, each scaled over the candidate pool, joined by a weight: alpha global + (1 - alpha) boundary.

    scaled: "standardised" or "min-max".   gate: "released", (|C| - 1) / (|C| + 1), or "half".
    """

    step: str
    everywhere: Variant
    boundary: Variant
    scaled: str
    gate: str


def fusions() -> list[Fusion]:
    """The gated forms, searched for the one that gives the pilot's figures."""
    step = "fused by the paper's gate: which two, how scaled"
    rows = list(product(("FLM", "FLMA"), ("FLM", "FLMA")))
    boundary = [Variant(LAST, fitted, j, given, **EXACT) for fitted, given in rows for j in ("MA", "M")]
    everywhere = [Variant(LAST, fitted, j, given, **EXACT) for fitted, given in rows for j in ("F", "FL")]
    everywhere += [Variant(LAST, rows, rows, rows, **EXACT) for rows in ("FLM", "F")]
    return [
        Fusion(step, g, b, scaled, gate)
        for b, g, scaled, gate in product(boundary, everywhere, ("standardised", "min-max"), ("released", "half"))
    ]


def number(variants: list[Variant], wanted: Variant) -> int:
    """The place of a variant, counted from 1, whatever step it was tried in."""
    plain = [replace(variant, step="") for variant in variants]
    return plain.index(replace(wanted, step="")) + 1
