"""The page of the inference study: what each test is, its size, its power."""

from __future__ import annotations

import pandas as pd

from tebench.evaluation.multiple import ALPHA
from tebench.research.studies.inference import BOOT, DRAWS, FEW, METRICS, TESTS

ALONE = [test for test in TESTS if test not in ("any, shape", "any, family", "star", "false star")]
INTRO = """\
The primary endpoint is `tau_within`: the weighted tau of score and fine-tuned Dice *inside* each shape, averaged over
shapes (weights: encoders less one) and over tasks. It is what a metric knows beyond the architecture. A star stands
only there, and only if `tau_within` is above 0 and its p, families of one shape exchanged as blocks, adjusted for all
metrics by step-down max-T, is below .05 (exact where all orders can be enumerated, else with its 99.9 % limit).
`tau_w` over the whole pool is shown with its two-level interval (families and tasks drawn with replacement), without
stars. Which tests can be trusted is measured here."""


def page(found: pd.DataFrame, texts: dict[str, str], n_tasks: int, n_few: int, *, command: str) -> str:
    """found: of `inference.study`; texts: design -> one sentence on it."""
    pools = int(found["pools"].iloc[0])
    lines = [
        "# Size and power of the tests", "", f"Made by `{command}`; the rows are in `inference.csv`. Do not edit.", "",
        INTRO, "",
        f"Simulated: {pools} pools a line, {n_tasks} tasks of which {n_few} have at most two foreground classes, "
        f"{METRICS} metrics, {DRAWS:,} orders a pool (all where a group is smaller), {BOOT} bootstrap draws. Dice: "
        "shapes with SD 1.5 between them, in one order for few classes and in another above; inside a shape SD 1, "
        "of which families hold the stated share and half is common to all tasks. Scores that know nothing have the "
        "same structure. In brackets: standard error over pools. Sizes of one metric are means over all "
        f"{METRICS} metrics ({FEW} for tau_w and for intervals).", "",
    ]  # fmt: skip
    for design, text in texts.items():
        part = found[found["design"] == design]
        lines += [f"## {text}", "", "### Rate of rejection at .05 where a metric knows nothing inside shapes", ""]
        lines += [*_table(part[part["kind"] == "size"], [*ALONE, "any, shape", "any, family", "false star"]), ""]
        lines += ["### Power", "", *_table(part[part["kind"] == "power"], ["tau_within, shape", "tau_within, family",
                  "tau_within, two-level", "star", "false star"], seen=True), ""]  # fmt: skip
    return "\n".join([*lines, "## What may be said", "", *_claims(found, texts), ""])


def _table(part: pd.DataFrame, tests, seen: bool = False) -> list[str]:
    cases = list(dict.fromkeys(part["case"]))
    head = ["test", *cases]
    lines = ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    if seen:
        means = part.groupby("case", sort=False)["tau_within"].first()
        lines.append("| mean tau_within seen | " + " | ".join(f"{means[case]:.2f}" for case in cases) + " |")
    cells = part.set_index(["test", "case"])
    for test in tests:
        values = [cells.loc[(test, case)] for case in cases]
        lines.append(f"| {TESTS[test]} | " + " | ".join(f"{v['rate']:.3f} ({v['error']:.3f})" for v in values) + " |")
    return lines


def _claims(found: pd.DataFrame, texts) -> list[str]:
    """Sentences that follow from the rows: which tests hold their level, and what a star can show."""
    lines = []
    for design, text in texts.items():
        part = found[(found["design"] == design) & (found["kind"] == "size")]
        worst = part.loc[part.groupby("test")["rate"].idxmax()].set_index("test")
        broken = [t for t in ALONE if worst.loc[t, "rate"] - 3 * worst.loc[t, "error"] > ALPHA]
        lines.append(f"- {text}.")
        lines += [f"  - Keeps its level in every case (within three standard errors): {TESTS[t]}." for t in ALONE
                  if t not in broken]  # fmt: skip
        lines += [
            f"  - Rejects too often, up to {worst.loc[t, 'rate']:.2f} ({worst.loc[t, 'case']}): {TESTS[t]}."
            for t in broken
        ]
        star = worst.loc["false star"]
        lines.append(f"  - A false star in at most {star['rate']:.3f} ({star['error']:.3f}) of pools.")
        power = found[(found["design"] == design) & (found["kind"] == "power") & (found["test"] == "star")]
        said = [f"{row.rate:.2f} at a mean tau_within of {row.tau_within:.2f}" for row in power.itertuples()]
        lines.append(f"  - Chance of a star for a metric that works: {', '.join(said)}.")
    return lines
