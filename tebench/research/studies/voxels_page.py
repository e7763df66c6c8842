"""The page of the voxel study: words, tables and the figure, all from the statistics."""

from __future__ import annotations

import math
import textwrap

import numpy as np

from tebench.evaluation.uncertainty import permutation_null
from tebench.features.sampling import Recipe
from tebench.reporting import style
from tebench.reporting.summary import number, span
from tebench.research.studies.voxels import AGREES, SETTLED, enough, verdict

PANELS = (
    ("bias", "bias\n(SD between encoders)"),
    ("spread", "spread of draws\n(SD between encoders)"),
    ("agreement", "rank agreement\nof one draw (Kendall)"),
    ("tau_w", r"$\tau_w$ with Dice" + "\nof one draw"),
)


def page(
    table, frame, distinct, recipe: Recipe, titles, *, command, protocol, draws, cases, encoders, figure, aside
) -> str:
    """table: of `voxels.statistics`, from frame; distinct: (task, encoder) -> {stage: {size: distinct rows a case}};
    aside: task -> why it is kept out of means over tasks."""
    sizes, k = sorted(set(table["size"])), len(encoders)
    chance = permutation_null(range(k), range(k))
    usual = table[table["size"] == 1].set_index(["task", "metric"])
    lines = [
        "# How many voxels topology metrics need", "",
        f"Made by `{command}` from `voxels.csv` (statistics) and `voxels_scores.csv` (every score); do not edit. "
        f"{len(encoders)} encoders, tasks {', '.join(dict.fromkeys(table['task']))}, the first {cases} training cases, "
        f"ground truth of protocol `{protocol}`. For {k} encoders chance alone gives tau_w within "
        f"{span(chance.low, chance.high)} (95 %), so its level decides nothing here; what counts is how far it moves "
        "with the sample alone.",
        "",
        f"Sizes are multiples of the default sampling: 1 is {recipe.foreground} foreground and {recipe.background} "
        f"background voxels and {recipe.anchors} anchors a case. At each size {draws} draws that share no foreground, "
        "background or anchor voxel; the same voxels serve every encoder.",
        *[
            f"\n{task} is kept out of means over tasks: {reason}. Its tau_w stands in brackets; sizes are judged by "
            "scores alone, without Dice."
            for task, reason in aside.items()
        ],
        "", f"![Bias, spread, rank agreement and tau_w against sample size]({figure}.png)", "",
        "## Recommendation", "", *recommendation(table, titles), "",
        "## At the default size", "",
        "| metric | task | bias | uneven bias | step | spread | agreement (lowest) | tau_w: mean, SD, range of draws |",
        "|---|---|" + "---:|" * 6,
    ]  # fmt: skip
    for metric in dict.fromkeys(table["metric"]):
        for task in dict.fromkeys(table["task"]):
            row = usual.loc[(task, metric)]
            if row["n_missing"]:
                lines.append(f"| {titles[metric]} | {task} | no value for every encoder | | | | |")
                continue
            tau = f"{number(row.tau_w)}, {number(row.tau_w_sd)}, {number(row.tau_w_low)} to {number(row.tau_w_high)}"
            tau = f"({tau})" if task in aside else tau
            cells = [titles[metric], task, number(row.bias), number(row.uneven), number(row.step), number(row.spread)]
            lines.append(
                "| " + " | ".join([*cells, f"{number(row.agreement)} ({number(row.agreement_low)})", tau]) + " |"
            )
    lines += [
        "",
        f"*bias*: mean over encoders of the value here minus that at {sizes[-1]:g} times the size, in units of the SD "
        "between encoders there; a bias that is alike for all encoders moves no ranking. *uneven bias*: its SD over "
        "encoders, the part that does. *step*: the same against the next smaller size. "
        "*spread*: SD over draws over the SD between encoders, both at this size. "
        "*agreement*: Kendall tau of one draw's ranking with that of the mean of the other draws at the largest size. "
        f"With {k} encoders one exchanged pair of neighbours costs {number(4 / (k * (k - 1)))}.",
        "", f"## From which size on one draw ranks like the rest (mean agreement >= {AGREES})", "",
        "| metric | smallest size | rows a case | mean agreement by size: " + ", ".join(f"{s:g}" for s in sizes) + " |",
        "|---|---:|---:|---|",
    ]  # fmt: skip
    for metric in dict.fromkeys(table["metric"]):
        least = enough(table, metric)
        mean = table[table["metric"] == metric].groupby("size")["agreement"].mean()
        where = [f"{least:g}", str(rows_a_case(recipe, least))] if math.isfinite(least) else ["none", "-"]
        lines.append("| " + " | ".join([titles[metric], *where, ", ".join(number(mean[s]) for s in sizes)]) + " |")
    lines += [
        "",
        "## More voxels are not more rows",
        "",
        *_growth(frame, sizes),
        *_distinct(distinct, recipe, sizes),
        "",
    ]
    return "\n".join(lines)


def recommendation(table, titles) -> list[str]:
    """Sentences by rule, from `verdict`: what limits each metric at the default size, and what helps."""
    metrics = list(dict.fromkeys(table["metric"]))
    groups = {word: [m for m in metrics if verdict(table, m) == word] for word in ("settled", "noise", "size")}
    usual, largest = table[table["size"] == 1], table["size"].max()

    def named(word, column=None, worst="max"):
        values = {m: getattr(usual.loc[usual["metric"] == m, column], worst)() for m in groups[word]} if column else {}
        shown = [titles[m] + (f" ({number(values[m])})" if column else "") for m in groups[word]]
        return "; ".join(shown) or "none"

    at = {size: part["agreement"].mean() for size, part in table.groupby("size")}
    lines = [
        f"- **Settled** at the default size (one draw agrees by at least {AGREES}, and {largest:g} times the voxels "
        f"move encoders against each other by at most {SETTLED} SD): {named('settled')}.",
        f"- **Limited by noise** (mean agreement in brackets): {named('noise', 'agreement', 'mean')}. Average over "
        "sampling seeds (`-m seed=0,1,2`), which gives the error bar as well.",
        f"- **Limited by size** (uneven bias in brackets, worst task): {named('size', 'uneven')}. Their rankings still "
        "follow the number of voxels; averaging over draws does not help. Compare such scores at one stated size only.",
        f"- Over all metrics and tasks one draw agrees by {number(at[1])} at the default size, {number(at[largest])} "
        f"at {largest:g} times it (the latter is flattered: its reference has its own size); the spread is "
        f"{number(_at(table, 1, 'spread'))} and {number(_at(table, largest, 'spread'))} (medians).",
    ]
    steps = table[table["metric"].isin(groups["size"])].groupby("size")["step"].median()
    if groups["size"] and steps[largest] > steps[1] / 2:
        lines.append(
            f"- **Recommendation: keep the default size.** A larger one would be no better founded: for the metrics "
            f"limited by size, the last enlargement (to {largest:g}) still moves encoders against each other by "
            f"{number(steps[largest])} SD (median), the one before it (to 1) by {number(steps[1])}."
        )
    elif groups["size"]:
        lines.append(f"- **Recommendation: enlarge the default {largest:g} times**; the last enlargement moved little.")
    else:
        lines.append("- **Recommendation: keep the default size.**")
    return lines


def _growth(frame, sizes) -> list[str]:
    """By what factor the raw tree length grows with the last enlargement, for the slowest and the fastest encoder."""
    part = frame[frame["metric"] == "grtd"].dropna(subset=["score"])
    if part.empty:
        return []
    mean = part.assign(score=part["score"].astype(float)).groupby(["task", "encoder", "size"])["score"].mean()
    table = mean.unstack("size")
    ratio = (table[sizes[-1]] / table[sizes[-2]]).sort_values()
    (low_task, low), (high_task, high) = ratio.index[0], ratio.index[-1]
    return [
        f"From size {sizes[-2]:g} to {sizes[-1]:g} raw GRTD grows by a factor of {number(ratio.iloc[0])} ({low}, "
        f"{low_task}) to {number(ratio.iloc[-1])} ({high}, {high_task}). Encoders of coarser stride run out of "
        "distinct rows first, so which of two encoders has the shorter tree depends on the size of the sample where "
        "their strides differ.",
        "",
    ]


def _at(table, size, column) -> float:
    return float(table.loc[table["size"] == size, column].median())


def rows_a_case(recipe: Recipe, size: float) -> int:
    return round(recipe.foreground * size) + round(recipe.background * size)


def _distinct(distinct, recipe: Recipe, sizes) -> list[str]:
    """Distinct feature rows a case, for one encoder of each stage layout."""
    shown = [sizes[0], 1.0, sizes[-1]]
    lines = [
        "Voxels inside one cell of a strided feature map have identical features. Distinct foreground and background "
        "rows a case:", "",
        "| task | encoder | stage | " + " | ".join(f"{rows_a_case(recipe, s)} rows" for s in shown) + " |",
        "|---|---|---|" + "---:|" * len(shown),
    ]  # fmt: skip
    layouts = set()
    for (task, encoder), stages in distinct.items():
        if (task, frozenset(stages)) in layouts:
            continue
        layouts.add((task, frozenset(stages)))
        for stage, counts in sorted(stages.items(), key=lambda item: (item[0][0] == "d", item[0])):
            lines.append(
                f"| {task} | {encoder} | {stage} | " + " | ".join(f"{counts[f'{s:g}']:.0f}" for s in shown) + " |"
            )
    return lines


def figure(table, recipe: Recipe, titles, encoders):
    """One row per metric, one column per statistic, one line per task; bands: lowest to highest draw."""
    metrics, tasks = list(dict.fromkeys(table["metric"])), list(dict.fromkeys(table["task"]))
    with style.theme():
        import seaborn as sns

        drawing = style.new_figure(7.4, 0.7 + 1.12 * len(metrics))
        grid = drawing.subplots(len(metrics), len(PANELS), sharex=True, squeeze=False)
        colours = dict(zip(tasks, sns.color_palette("colorblind"), strict=False))
        for axes, (_, head) in zip(grid[0], PANELS, strict=True):
            axes.set_title(head, fontsize=8, loc="center")
        for axes_row, metric in zip(grid, metrics, strict=True):
            for axes, (column, _) in zip(axes_row, PANELS, strict=True):
                _panel(axes, table[table["metric"] == metric], column, colours)
            words = textwrap.fill(style.plain(titles[metric]), 17)
            axes_row[0].set_ylabel(words, fontsize=7.5, labelpad=3)
        ticks = [s for s in sorted(set(table["size"])) if math.log2(s) % 2 == 0 or s == 1]
        for axes in grid[-1]:
            axes.set_xscale("log", base=2)
            axes.set_xticks(ticks, [f"{rows_a_case(recipe, s)}" for s in ticks])
            axes.minorticks_off()
        drawing.supxlabel(
            f"foreground and background rows a case (LBTC: {recipe.anchors} anchors at {rows_a_case(recipe, 1)})",
            fontsize=8,
        )
        from matplotlib.lines import Line2D
        from matplotlib.patches import Patch

        handles = [
            Line2D([], [], color=colour, marker="o", ms=3.5, lw=1.2, label=style.plain(t))
            for t, colour in colours.items()
        ]
        handles.append(Patch(color="0.85", label="lowest to highest draw"))
        handles.append(Line2D([], [], color="0.6", lw=0.8, ls=(0, (3, 2)), label="default size"))
        drawing.legend(handles=handles, loc="outside upper right", ncols=len(handles), frameon=False, fontsize=7.5)
    return drawing


def _panel(axes, part, column, colours) -> None:
    axes.axvline(1, color="0.6", lw=0.8, ls=(0, (3, 2)), zorder=0)
    for task, colour in colours.items():
        rows = part[part["task"] == task].sort_values("size")
        if column in ("agreement", "tau_w"):
            band = rows[f"{column}_low"], rows[f"{column}_high"]
            axes.fill_between(rows["size"], *band, color=colour, alpha=0.16, lw=0, zorder=1)
        axes.plot(rows["size"], rows[column], "o-", color=colour, ms=3, lw=1.1, zorder=3)
    values = part[column].to_numpy(float)
    if column in ("agreement", "tau_w"):
        axes.set_ylim(-1.08, 1.08)  # one scale for all metrics
        axes.set_yticks([-1, 0, 1])
        axes.axhline(0, color="0.85", lw=0.7, zorder=0)
    elif column == "spread":
        axes.set_ylim(0, max(np.nanmax(values) * 1.12, 0.3))
    else:
        axes.axhline(0, color="0.85", lw=0.7, zorder=0)
    axes.tick_params(labelsize=6.5, length=2.5)
    axes.margins(x=0.06)
