"""The page of the stage study: words, tables and the figure, all from the evaluated frames."""

from __future__ import annotations

import math

import numpy as np

from tebench.evaluation.arrays import MEAN
from tebench.evaluation.compare import holm
from tebench.reporting import style
from tebench.reporting.summary import ALPHA, number, span

KEPT = ("policy", "metric", "task", "n", "tau_w", "low", "high", "null_low", "null_high", "p", "status", "reason")


def page(
    result, overall, metrics, tasks, policies, titles, own, *, command: str, protocol: str, figure: str, sampling: dict
) -> str:
    """result, overall: of `stages.evaluate` and `stages.averages`; own: metric -> its own policy in words."""
    n, cells = int(result["n"].max()), result[result["tau_w"].notna()]
    means = cells[cells["task"] == MEAN]
    shown = means if len(means) else cells
    lines = [
        "# Which stages a metric reads", "",
        f"Made by `{command}` from `stages.csv`; do not edit. Ground truth: protocol `{protocol}`, {n} encoders, "
        f"tasks {', '.join(t for t in dict.fromkeys(result['task']) if t != MEAN)}.",
        "",
        "Every metric that reads features was computed on the same cached features under each stage policy: *own* is "
        "the metric's default (second column), the others are set by `stages=`. A score is the plain mean over the "
        "policy's stages. Numbers are weighted Kendall tau_w of score and fine-tuned Dice; 1 is best.",
        "",
        f"Sample: {sampling['foreground']} foreground and {sampling['background']} background voxels and "
        f"{sampling['anchors']} boundary patches a case. Some scores depend on that size (`job.study=voxels`), so the "
        "columns are to be compared with each other, not with a table made at another size.",
        "", f"![tau_w by metric and stage policy]({figure}.png)", "", "## What may be said", "",
        *_claims(result, shown, overall, metrics, tasks, policies, n), "",
    ]  # fmt: skip
    if len(overall):
        lines += ["## Averages over metrics", "", *_overall(overall, metrics, tasks), ""]
    idle = _idle(result)
    if idle:
        reasons = {
            m: next(iter(result.loc[(result["metric"] == m) & (result["reason"] != ""), "reason"]), "") for m in idle
        }
        lines += [
            "Without a value under any policy: "
            + "; ".join(f"{titles[m]} ({reasons[m].split('): ', 1)[-1]})" for m in idle),
            "",
        ]
    result = result[~result["metric"].isin(idle)]
    for task in _sections(result):
        lines += [
            f"## {'Mean over tasks' if task == MEAN else task}",
            "",
            *_table(result, task, policies, titles, own),
            "",
        ]
    return "\n".join(lines)


def _sections(result) -> list[str]:
    """Tasks with the mean before them, where the mean is over more than one; those kept out of it last."""
    names = [task for task in dict.fromkeys(result["task"]) if task != MEAN]
    counted = _counted(result)
    mean = [MEAN] if len(counted) > 1 and result.loc[result["task"] == MEAN, "tau_w"].notna().any() else []
    return [*mean, *counted, *[task for task in names if task not in counted]]


def _counted(result) -> list[str]:
    """Tasks that enter means."""
    return list(dict.fromkeys(result.loc[(result["task"] != MEAN) & (result["status"] == "ok"), "task"]))


def _idle(result) -> list[str]:
    return [m for m, part in result.groupby("metric") if part["tau_w"].isna().all()]


def _claims(result, shown, overall, metrics, tasks, policies, n) -> list[str]:
    tests, alone = len(shown), int((shown["p"] < ALPHA).sum())
    survive = shown[np.array(holm(shown["p"])) < ALPHA] if tests else shown
    least = 2 / math.factorial(n) if n <= 7 else math.nan
    of_tasks = result[(result["task"] != MEAN) & (result["policy"] == policies[0])]
    kept_out = of_tasks.drop_duplicates("task")
    kept_out = kept_out[~kept_out["task"].isin(tasks)]
    lines = [
        f"- {tests} cells (metric x policy) were tested; {alone} lie outside their chance interval (p < {ALPHA}), and "
        f"about {tests * ALPHA:.0f} would by chance if the cells were independent, which they are not.",
    ]
    if len(survive):
        best = survive.sort_values("tau_w", ascending=False)
        names = ", ".join(f"{r.metric} under {r.policy} ({number(r.tau_w)})" for r in best.itertuples())
        lines.append(f"- After Holm's correction over all cells these remain: {names}.")
    else:
        lines.append("- After Holm's correction over all cells **nothing is significant**.")
    if math.isfinite(least) and least * tests > ALPHA:
        lines.append(
            f"- Nor could it be: the smallest p that {n} encoders can give is {least:.4f}, and {tests} times "
            f"that is {least * tests:.2f}. No table over {n} encoders can pick a stage policy for a metric."
        )
    for row in kept_out.itertuples():
        lines.append(f"- {row.task} is kept out of means: {row.reason or row.status}.")
    if len(kept_out) and len(tasks) == 1:
        lines.append(f"- So everything said here of means is said of {tasks[0]} alone.")
    if len(overall):
        best, worst = overall.loc[overall["tau_w"].idxmax()], overall.loc[overall["tau_w"].idxmin()]
        clear = overall[(overall["gap_p_holm"] < ALPHA) & (overall["policy"] != policies[0])]
        lines.append(
            f"- Averaged over {len(metrics)} metrics, tau_w runs from {number(worst.tau_w)} ({_name(worst.policy)}) to "
            f"{number(best.tau_w)} ({_name(best.policy)}); chance alone reaches "
            f"{span(overall['null_low'].min(), overall['null_high'].max())}. "
            + (
                f"Different from each metric's own policy after Holm: {', '.join(map(_name, clear['policy']))}."
                if len(clear)
                else "No policy differs from the metrics' own beyond chance after Holm's correction."
            )
        )
    if flips := _flips(shown, policies):
        lines.append(
            f"- The choice moves single numbers far: within one metric tau_w differs by {number(flips[1])} between its "
            f"worst and best policy (median over metrics; at most {number(flips[2])}, `{flips[0]}`). So the best of "
            "several policies, chosen after looking, says little about the metric; a policy is to be fixed before."
        )
    return lines


def _flips(shown, policies):
    wide = shown.pivot_table(index="metric", columns="policy", values="tau_w").reindex(columns=policies)
    gap = (wide.max(axis=1) - wide.min(axis=1)).dropna()
    return (gap.idxmax(), float(gap.median()), float(gap.max())) if len(gap) else None


def _overall(overall, metrics, tasks) -> list[str]:
    lines = [
        "| policy | mean tau_w | chance | p | p, Holm | minus own | chance of that | p | p, Holm |",
        "|---" + "|---:" * 8 + "|",
    ]
    for i, row in enumerate(overall.itertuples()):
        gap = ["", "", "", ""]
        if i:
            gap = [
                number(row.difference),
                span(row.gap_low, row.gap_high),
                number(row.gap_p, 3),
                number(row.gap_p_holm, 3),
            ]
        cells = [_name(row.policy), number(row.tau_w), span(row.null_low, row.null_high), number(row.p, 3)]
        lines.append("| " + " | ".join([*cells, number(row.p_holm, 3), *gap]) + " |")
    lines += [
        "",
        f"Over {len(metrics)} metrics with a value everywhere, tasks {', '.join(tasks)}. Chance: encoders permuted, "
        "alike for all metrics and tasks, so that what metrics share is kept.",
    ]
    return lines


def _table(result, task, policies, titles, own) -> list[str]:
    part = result[result["task"] == task]
    ranked = part[part["policy"] == policies[0]].sort_values("tau_w", ascending=False, na_position="last")
    lines = [
        "| metric | own policy | " + " | ".join(map(_name, policies)) + " |",
        "|---|---" + "|---:" * len(policies) + "|",
    ]
    cells = {(row.metric, row.policy): row for row in part.itertuples()}
    for metric in ranked["metric"]:
        words = []
        for policy in policies:
            row = cells[metric, policy]
            aside = row.status == "unreliable"
            text = number(row.tau_w) + (r"\*" if row.p < ALPHA else "") if math.isfinite(row.tau_w) else row.status
            words.append(f"({text})" if aside and math.isfinite(row.tau_w) else text.replace("_", " "))
        lines.append(f"| {titles[metric]} | {own[metric]} | " + " | ".join(words) + " |")
    null = [part[part["policy"] == policy] for policy in policies]
    lines.append(
        "| *chance (95 %), widest* | | "
        + " | ".join(span(p["null_low"].min(), p["null_high"].max()) for p in null)
        + " |"
    )
    lines += ["", r"\*: outside the chance interval, p < .05, this cell alone."]
    if (part["status"] == "unreliable").any():
        lines[-1] += " In brackets: the task is kept out of means, see above."
    return lines


def _name(policy: str) -> str:
    return f"`{policy}`" if policy != "own" else "own"


def figure(result, policies, titles):
    """tau_w as colour, metrics x policies, one panel per task and their mean; the first panel sorts the metrics.

    A dot: outside chance on its own.
    """
    result = result[~result["metric"].isin(_idle(result))]
    tasks, counted = _sections(result), _counted(result)
    first = result[(result["policy"] == policies[0]) & (result["task"] == tasks[0])]
    metrics = first.sort_values("tau_w", ascending=False, na_position="last")["metric"].tolist()
    with style.theme():
        import matplotlib as mpl

        drawing = style.new_figure(2.0 + 1.75 * len(tasks), 1.25 + 0.175 * len(metrics))
        grid = drawing.subplots(1, len(tasks), sharey=True, squeeze=False)[0]
        palette = mpl.colormaps["RdBu"].with_extremes(bad="0.88")
        for axes, task in zip(grid, tasks, strict=True):
            part = result[result["task"] == task]
            values = part.pivot(index="metric", columns="policy", values="tau_w").reindex(
                index=metrics, columns=policies
            )
            chance = part.pivot(index="metric", columns="policy", values="p").reindex(index=metrics, columns=policies)
            image = axes.pcolormesh(
                np.ma.masked_invalid(values.to_numpy(float)), cmap=palette, vmin=-1, vmax=1, edgecolor="white", lw=0.6
            )
            y, x = np.nonzero(chance.to_numpy(float) < ALPHA)
            axes.plot(x + 0.5, y + 0.5, "o", ms=2.6, color="white", mec="0.1", mew=0.6)
            aside = "" if task in (MEAN, *counted) else "\n(kept out of means)"
            axes.set_title("mean over tasks" if task == MEAN else style.plain(task) + aside, fontsize=8.5)
            axes.set_xticks(
                np.arange(len(policies)) + 0.5, policies, rotation=55, ha="right", fontsize=7, rotation_mode="anchor"
            )
            axes.set_yticks(np.arange(len(metrics)) + 0.5, [style.plain(titles[m]) for m in metrics], fontsize=7)
            axes.tick_params(length=0)
            for spine in axes.spines.values():
                spine.set_visible(False)
        grid[0].invert_yaxis()
        bar = drawing.colorbar(image, ax=list(grid), shrink=0.4, aspect=18, pad=0.015)
        bar.set_label(r"weighted Kendall $\tau_w$ with fine-tuned Dice", fontsize=7.5)
        bar.ax.tick_params(labelsize=7)
        drawing.suptitle(
            f"{int(result['n'].max())} encoders. Dot: outside chance on its own (p < .05), not corrected for "
            f"{len(metrics)} x {len(policies)} cells; grey: no value.",
            fontsize=7, color=style.GREY, x=0.01, ha="left",
        )  # fmt: skip
    return drawing
