"""Pictures of a judged table: what an oracle reaches as runs get noisier, with everything claimed drawn beside it."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from tebench.evaluation.judge import Judgement
from tebench.evaluation.static_list import static_mean
from tebench.reporting import figures, labels, style
from tebench.reporting.style import GREY

CLAIMS = 12  # so many are drawn; of more only the best half of that


def ladder(judgement: Judgement):
    """Mean tau_w of a perfect oracle against the SD of a run; static list, claims and chance as levels."""
    frame = judgement.ceilings
    with style.theme():
        import seaborn as sns

        palette = sns.color_palette("colorblind")
        figure = style.new_figure(7.6, 4.3)
        figure.get_layout_engine().set(rect=(0, 0, 0.78, 1))  # names of the levels stand on the right
        axes = figure.subplots()
        low, high = judgement.chance.interval("common")
        axes.axhspan(low, high, color="0.94", lw=0, zorder=0)
        axes.axhline(0, color="0.8", lw=0.7, zorder=0)
        for colour, truth, dash in ((palette[0], "as published", "-"), (palette[1], "deflated", (0, (5, 2)))):
            rows = frame[frame["truth"] == truth].sort_values("sd")
            axes.fill_between(rows["sd"], rows["low"], rows["high"], color=colour, alpha=0.12, lw=0, zorder=1)
            words = "published means as truth" if truth == "as published" else "noise taken out of the means"
            axes.plot(rows["sd"], rows["tau_w"], color=colour, ls=dash, lw=1.8, zorder=3, label=f"oracle, {words}")
            point = rows[rows["measured"] & np.isclose(rows["sd"], _measured(judgement))]
            axes.plot(point["sd"], point["tau_w"], "o", color=colour, ms=7, mec="white", zorder=4)
        axes.set_xscale("log")
        sds = sorted(set(frame["sd"]))
        axes.set_xlim(sds[0], sds[-1])
        axes.set_xticks(sds, [f"{sd:.2g}" for sd in sds])
        axes.minorticks_off()
        axes.set_xlabel("SD of one fine-tuning run, Dice points" + (" (dot: measured)" if judgement.measured else ""))
        axes.set_ylabel(r"mean weighted Kendall $\tau_w$")
        levels = _levels(judgement)
        floor = min([low, *[tau for _, tau in levels]]) - 0.06
        axes.set_ylim(max(floor, -1.02), 1.02)
        for name, tau in levels:
            line = "-" if name == "static list" else ":"
            axes.axhline(tau, color="0.25", lw=1.1 if name == "static list" else 1.0, ls=line, zorder=2)
        axes.legend(frameon=False, fontsize=7.5, loc="upper right")
        labels.settle(figure)
        _names(axes, [*levels, ("chance, 95 %", (low + high) / 2)])
    return figure


def dice(judgement: Judgement):
    """Fine-tuned Dice of every encoder on the judged tasks."""
    table = judgement.table
    rows = [
        {"encoder": encoder, "task": task, "value": value}
        for task in table.judged
        for encoder, values in zip(table.encoders, table.runs[task], strict=True)
        for value in values
    ]
    return figures.ground_truth(pd.DataFrame(rows))


def _levels(judgement: Judgement) -> list[tuple[str, float]]:
    found = [("static list", static_mean(judgement.table))]
    if judgement.claims is not None:
        whole = judgement.claims[judgement.claims["task"] == "mean"]
        whole = whole.sort_values("tau_w", ascending=False, kind="stable")
        if len(whole) > CLAIMS:
            whole = whole.head(CLAIMS // 2)
        found += [(row.metric, row.tau_w) for row in whole.itertuples()]
    return found


def _names(axes, levels) -> None:
    """Names right of the axes, moved apart where levels are close; a short line leads to each level."""
    ordered = sorted(levels, key=lambda item: item[1])
    bottom, top = axes.get_ylim()
    gap = 0.047 * (top - bottom)
    places = np.array([tau for _, tau in ordered])
    for _ in range(200):  # neighbours push each other away until none overlaps
        close = np.flatnonzero(np.diff(places) < gap - 1e-9)
        if not len(close):
            break
        for i in close:
            push = (gap - (places[i + 1] - places[i])) / 2
            places[i], places[i + 1] = places[i] - push, places[i + 1] + push
    transform = axes.get_yaxis_transform()
    for (name, tau), y in zip(ordered, places, strict=True):
        soft = name.startswith("chance")
        if not soft:
            axes.plot([1.0, 1.02], [tau, y], transform=transform, color="0.5", lw=0.7, clip_on=False)
        words = style.plain(name) if soft else f"{style.plain(name)} {tau:.3f}"
        axes.text(1.025, y, words, transform=transform, fontsize=7.5, va="center", color=GREY if soft else "0.15")


def _measured(judgement: Judgement) -> float:
    measured = judgement.measured
    return math.sqrt(np.mean(np.square(list(measured.values())))) if measured else math.nan
