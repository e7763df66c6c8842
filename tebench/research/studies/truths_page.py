"""The page on the ground truth: other readings of the same runs, and how the protocols agree."""

from __future__ import annotations

import math

import pandas as pd

from tebench.evaluation.other_truths import COLLAPSED, TRUTHS


def page(
    found: pd.DataFrame, lost: pd.DataFrame, agreed: pd.DataFrame, loss: pd.DataFrame, protocols, n: int, *,
    command: str,
) -> str:  # fmt: skip
    """found: of `other_truths.table`; lost: protocol, task, lost, classes, share; agreed: of `other_truths.agreement`;
    loss: protocol, task, tau_w of the last training loss with Dice."""
    lines = [
        "# Other readings of the ground truth", "",
        f"Made by `{command}` from the ground truth's volumes; the rows are in `truths.csv`. Do not edit. {n} "
        "encoders (of a protocol, those that it has); the same runs, averaged in other ways. A class counts as lost "
        f"in a run when its mean Dice over the test volumes is below {COLLAPSED:g}.", "",
        *[f"- **{name}**: {text}." for name, text in TRUTHS.items()], "",
    ]  # fmt: skip
    for protocol in protocols:
        part = found[found["protocol"] == protocol]
        lines += [
            f"## {protocol}",
            "",
            "### Weighted tau of each reading's order of encoders with that of the mean",
            "",
        ]
        lines += [*_table(part, "tau_w", [name for name in TRUTHS if name != "mean"]), ""]
        lines += ["### Reliability of the mean over seeds (ICC)", "", *_table(part, "reliability", list(TRUTHS)), ""]
        lines += ["### Classes that some run lost, and the share of the variance between encoders that they carry", ""]
        lines += ["| task | lost | of | share of variance |", "|---|---|---|---|"]
        own = lost[lost["protocol"] == protocol]
        lines += [f"| {r.task} | {r.lost} | {r.classes} | {r.share:.2f} |" for r in own.itertuples()]
        own = loss[loss["protocol"] == protocol]
        if len(own):
            each = ", ".join(f"{r.task} {r.tau_w:.2f}" for r in own.itertuples())
            lines += ["", f"The last training loss, averaged over seeds, orders encoders as Dice does with tau_w "
                      f"{own['tau_w'].mean():.2f} in the mean ({each}): the protocol measures how fast a network "
                      "fits, to that degree."]  # fmt: skip
        lines.append("")
    if len(agreed):
        lines += [f"## Agreement of {protocols[0]} and {protocols[1]}", "",
                  "Pearson's r of the encoders' means, r divided by the root of both reliabilities (the correlation "
                  "of the true means; above 1 by sampling alone), and weighted tau.", "",
                  "| task | r | disattenuated r | tau_w |", "|---|---|---|---|"]  # fmt: skip
        lines += [f"| {r.task} | {r.r:.2f} | {_number(r.disattenuated)} | {r.tau_w:.2f} |" for r in agreed.itertuples()]
        mean = agreed[["r", "disattenuated", "tau_w"]].mean()
        lines += [f"| **mean** | {mean['r']:.2f} | {mean['disattenuated']:.2f} | {mean['tau_w']:.2f} |", ""]
    return "\n".join(lines)


def _table(part: pd.DataFrame, column: str, names) -> list[str]:
    names = [name for name in names if name in set(part["reading"])]
    wide = part.pivot(index="task", columns="reading", values=column)
    lines = ["| task | " + " | ".join(names) + " |", "|---" * (len(names) + 1) + "|"]
    for task, row in wide.iterrows():
        lines.append(f"| {task} | " + " | ".join(_number(row[name]) for name in names) + " |")
    return lines


def _number(value: float) -> str:
    return "" if value is None or math.isnan(value) else f"{value:.2f}"
