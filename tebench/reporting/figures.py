"""Pictures of an evaluation: score against Dice, cost against quality, and the ground truth itself.

Each function takes frames that `tebench.evaluation` made and returns a matplotlib figure; `style.save` writes it as
PNG, SVG and PDF. `looks`: encoder -> `Look`; encoders without one are drawn under their own name in one colour.
"""

from __future__ import annotations

import itertools
import math

import numpy as np
import pandas as pd

from tebench.base.errors import InputError
from tebench.evaluation.arrays import MEAN
from tebench.reporting import labels, style
from tebench.reporting.style import GREY, Look
from tebench.reporting.summary import ALPHA, number, span

_LEAST_SECONDS = 1e-3


def correlation(
    points: pd.DataFrame,
    frame: pd.DataFrame,
    task: str,
    *,
    metrics: list[str] | None = None,
    titles: dict[str, str] | None = None,
    looks: dict[str, Look] | None = None,
):
    """Standardised score against fine-tuned Dice for one task: one named point per encoder, one panel per metric.

    points: from `evaluate.points`; frame: from `evaluate.evaluate`.
    Bars: one SD over ground-truth seeds within their blocks, and over sampling seeds where there are several.
    Above each panel tau_w with its interval, the chance interval and n.
    """
    chosen = points[points["task"] == task]
    metrics = metrics or _by_tau(frame, task, set(chosen["metric"]))
    if absent := sorted(set(metrics) - set(chosen["metric"])):
        raise InputError(f"correlation plot of {task!r}: no ranked scores of {', '.join(absent)}.")
    if not metrics:
        raise InputError(f"correlation plot of {task!r}: no metric has scores there.")
    titles, columns = titles or {}, min(len(metrics), 3)
    rows = math.ceil(len(metrics) / columns)
    looks = _looks(dict.fromkeys(chosen["encoder"]), looks)
    crowded = len(looks) > 10
    size = (5.2, 4.3) if len(metrics) == 1 else ((4.2, 3.6) if crowded else (3.35, 3.0))
    size = (size[0] * columns, size[1] * rows)
    with style.theme():
        figure = style.new_figure(size[0], size[1] + 0.35)
        grid = figure.subplots(rows, columns, squeeze=False)
        panels = []
        for index, axes in enumerate(grid.flat):
            if index >= len(metrics):
                axes.set_visible(False)
                continue
            part = chosen[chosen["metric"] == metrics[index]]
            bars = _draw_points(axes, part, looks)
            _head(axes, titles.get(metrics[index], metrics[index]), _row(frame, metrics[index], task), len(metrics) > 1)
            panels.append((axes, part, bars))
        figure.supxlabel("standardised score (right: predicted to transfer better)", fontsize=9)
        figure.supylabel(f"fine-tuned Dice, {style.plain(task)}", fontsize=9)
        _legend(figure, looks)
        names_size = 7.5 if len(metrics) == 1 else (5.8 if crowded else 6.2)
        labels.settle(figure)
        for axes, part, bars in panels:
            names = [style.plain(looks[encoder].title) for encoder in part["encoder"]]
            labels.place(axes, part[["z", "dice"]].to_numpy(), names, size=names_size, obstacles=bars)
    return figure


def cost_quality(frame: pd.DataFrame, *, titles: dict[str, str] | None = None):
    """Seconds per task (log) against mean tau_w, one named point per metric with its interval.

    Line: metrics that no cheaper one reaches (Pareto front). Grey band: chance, the widest over the metrics.
    Open markers: inside chance (p >= .05). Metrics below a millisecond stand at one.
    """
    means = frame[(frame["task"] == MEAN) & (frame["status"] == "ok") & np.isfinite(frame["seconds"])]
    means = means.sort_values(["seconds", "metric"], ignore_index=True)
    if means.empty:
        raise InputError("cost-quality plot: no metric has both a mean tau_w over all rankable tasks and a time.")
    titles = titles or {}
    seconds = means["seconds"].clip(lower=_LEAST_SECONDS).to_numpy()
    with style.theme():
        import seaborn as sns

        figure = style.new_figure(5.8, 4.0)
        axes = figure.subplots()
        colour = sns.color_palette("colorblind")[0]
        low, high = means["null_low"].min(), means["null_high"].max()
        axes.axhspan(low, high, color="0.93", zorder=0, lw=0)
        axes.axhline(0, color="0.8", lw=0.7, zorder=0)
        front = _front(seconds, means["tau_w"].to_numpy())
        axes.step(seconds[front], means["tau_w"].to_numpy()[front], where="post", color=GREY, lw=1, zorder=1)
        bars = []
        for x, row in zip(seconds, means.itertuples(), strict=True):
            known = row.p < ALPHA
            if math.isfinite(row.low):
                axes.plot([x, x], [row.low, row.high], color=colour, lw=1, alpha=0.7, zorder=2)
                bars.append(((x, row.low), (x, row.high)))
            axes.plot(
                x, row.tau_w, "o", ms=6, zorder=3, color=colour, markerfacecolor=colour if known else "white",
                markeredgecolor=colour, markeredgewidth=1.3,
            )  # fmt: skip
        axes.set_xscale("log")
        axes.margins(x=0.14, y=0.06)
        ceiling = float(means["ceiling"].dropna().mean()) if means["ceiling"].notna().any() else math.nan
        bottom, top = axes.get_ylim()
        axes.set_ylim(max(bottom, -1.05), min(max(top, np.nan_to_num(ceiling) + 0.05), 1.05))
        edge = axes.get_yaxis_transform()
        if math.isfinite(ceiling):
            axes.axhline(ceiling, color="0.3", lw=0.9, ls=(0, (4, 3)), zorder=1)
            axes.text(1.01, ceiling, "noise\nceiling", transform=edge, fontsize=7, color="0.3", va="center")
        axes.text(1.01, (low + high) / 2, "chance\n(95 %)", transform=edge, fontsize=7, color="0.5", va="center")
        axes.set_xlabel("seconds per task, all encoders")
        axes.set_ylabel(r"mean weighted Kendall $\tau_w$")
        figure.suptitle(
            f"{int(means['n'].max())} encoders, {int(means['n_tasks'].max())} tasks; open: within chance; bars: 95 % "
            f"over {_covers(means)}",
            fontsize=7.5, color=GREY, x=0.02, ha="left",
        )  # fmt: skip
        names = [style.plain(titles.get(metric, metric)) for metric in means["metric"]]
        steps = np.column_stack([seconds, means["tau_w"]])[front]
        for before, after in itertools.pairwise(steps):
            corner = (after[0], before[1])
            bars += [(before, corner), (corner, after)]
        labels.settle(figure)
        labels.place(axes, np.column_stack([seconds, means["tau_w"]]), names, size=7.5, obstacles=bars)
    return figure


def ground_truth(truth: pd.DataFrame, *, looks: dict[str, Look] | None = None, judged: pd.DataFrame | None = None):
    """Fine-tuned Dice of every encoder, one panel per task: small points are seeds, the large one their mean.

    Encoders are sorted by mean Dice over tasks; the best of each task is ringed and its row shaded.
    judged: from `reliability.table`; tasks that cannot rank are named so above their panel.
    """
    if truth.empty:
        raise InputError("ground-truth plot: no rows.")
    tasks = list(dict.fromkeys(truth["task"]))
    mean = truth.groupby(["encoder", "task"])["value"].mean().unstack("task")
    order = mean.mean(axis=1).sort_values(kind="stable").index.tolist()
    looks = _looks(order, looks)
    palette = style.colours(looks.values())
    status = dict(zip(judged["task"], judged["status"], strict=True)) if judged is not None else {}
    with style.theme():
        figure = style.new_figure(max(1.6 + 1.45 * len(tasks), 5.2), 0.95 + 0.235 * len(order))
        grid = figure.subplots(1, len(tasks), sharey=True, squeeze=False)[0]
        for axes, task in zip(grid, tasks, strict=True):
            rows = truth[truth["task"] == task].groupby("encoder")["value"]
            best = mean[task].idxmax()
            for height, encoder in enumerate(order):
                if encoder not in rows.groups:
                    continue
                values, look = rows.get_group(encoder).to_numpy(), looks[encoder]
                colour = palette[look.group]
                axes.plot(values, np.full(len(values), height), "|", ms=7, mew=0.9, color=colour, alpha=0.75, zorder=2)
                axes.plot(values.mean(), height, ls="", ms=5.5, zorder=3, **style.marker(look, colour))
                if encoder == best and status.get(task, "ok") == "ok":
                    axes.axhspan(height - 0.5, height + 0.5, color="0.92", lw=0, zorder=0)
                    axes.plot(values.mean(), height, "o", ms=10, mfc="none", mec="0.1", mew=0.9, zorder=4)
            note = "" if status.get(task, "ok") == "ok" else f"\n({status[task]})"
            axes.set_title(style.plain(task) + note, fontsize=8, color="0.1" if not note else GREY)
            axes.grid(axis="x", color="0.9", lw=0.6)
            axes.tick_params(axis="y", length=0)
            axes.tick_params(axis="x", labelsize=7)
            axes.margins(x=0.12)
            axes.xaxis.set_major_locator(_few_ticks())
        grid[0].set_yticks(range(len(order)), [style.plain(looks[encoder].title) for encoder in order], fontsize=7.5)
        grid[0].set_ylim(-0.6, len(order) - 0.4)
        figure.supxlabel("fine-tuned Dice (ticks: seeds; ring: best of the task)", fontsize=8.5)
        _legend(figure, looks)
    return figure


def _few_ticks():
    from matplotlib.ticker import MaxNLocator

    return MaxNLocator(nbins=3, min_n_ticks=2)


def _draw_points(axes, part, looks) -> list:
    palette = style.colours(looks.values())
    bars = []
    for row in part.itertuples():
        look = looks[row.encoder]
        colour = palette[look.group]
        if math.isfinite(row.dice_sd):
            bars.append(((row.z, row.dice - row.dice_sd), (row.z, row.dice + row.dice_sd)))
        if math.isfinite(row.z_sd):
            bars.append(((row.z - row.z_sd, row.dice), (row.z + row.z_sd, row.dice)))
        axes.plot(row.z, row.dice, ls="", ms=6, zorder=3, **style.marker(look, colour))
    for (x0, y0), (x1, y1) in bars:
        axes.plot([x0, x1], [y0, y1], color="0.55", lw=0.9, zorder=2, solid_capstyle="butt")
    axes.margins(x=0.16, y=0.13)
    axes.tick_params(labelsize=7.5)
    return bars


def _head(axes, title, row, small) -> None:
    axes.set_title(style.plain(title), fontsize=9 if small else 10.5, fontweight="bold", pad=16 if small else 18)
    if math.isfinite(row.tau_w):
        text = rf"$\tau_w$ {number(row.tau_w)}"
        if math.isfinite(row.low):
            text += f" {span(row.low, row.high)}"
        text += f"   chance {span(row.null_low, row.null_high)}   n = {int(row.n)}"
        text = text.replace("-", "\N{MINUS SIGN}") + ("   (unreliable task)" if row.status == "unreliable" else "")
    else:
        text = f"not ranked: {style.plain(row.status)}   n = {int(row.n)}"
    axes.text(0, 1.02, text, transform=axes.transAxes, fontsize=6.5 if small else 8, color=GREY, va="bottom")


def _row(frame, metric, task):
    found = frame[(frame["metric"] == metric) & (frame["task"] == task)]
    if len(found) != 1:
        raise InputError(f"correlation plot: the evaluation has {len(found)} rows for {metric!r} on {task!r}, needs 1.")
    return next(found.itertuples(index=False))


def _front(seconds, tau) -> np.ndarray:
    """Indices, in order of time, of the metrics whose tau no metric of equal or lower cost reaches."""
    order = np.lexsort((-tau, seconds))
    best, front = -np.inf, []
    for index in order:
        if tau[index] > best:
            best = tau[index]
            front.append(index)
    return np.array(front)


def _covers(means) -> str:
    return "; ".join(sorted({text for text in means["interval"] if text})) or "nothing"


def _looks(encoders, looks) -> dict[str, Look]:
    """A look for each encoder, in the order of `looks`: a group keeps its colour from figure to figure."""
    looks, encoders = looks or {}, list(encoders)
    known = {encoder: look for encoder, look in looks.items() if encoder in encoders}
    return known | {encoder: Look(encoder) for encoder in encoders if encoder not in known}


def _by_tau(frame, task, metrics) -> list[str]:
    ranked = frame[(frame["task"] == task) & frame["metric"].isin(metrics)]
    return ranked.sort_values(["tau_w", "metric"], ascending=[False, True])["metric"].tolist()


def _legend(figure, looks) -> None:
    handles = style.legend_entries(looks.values())
    if handles:
        width = sum(0.32 + 0.06 * len(handle.get_label()) for handle in handles)  # inches, at 7.5 points
        columns = math.ceil(len(handles) / math.ceil(width / figure.get_figwidth()))
        figure.legend(
            handles=handles, loc="outside upper left", ncols=columns, fontsize=7.5, frameon=False, handletextpad=0.1,
            columnspacing=1.2,
        )  # fmt: skip
