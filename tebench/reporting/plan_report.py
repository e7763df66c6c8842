"""A planned benchmark: which sizes show a difference, what they cost, and a picture of contours."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from tebench.base.storage import make_folder, write_text
from tebench.evaluation.plan import Model
from tebench.reporting import formats, sections, style
from tebench.reporting.judge_words import measured, three
from tebench.reporting.sections import Picture, Section, Table
from tebench.reporting.style import GREY
from tebench.reporting.summary import number

CONTOURS, SHOWN = "contours", 12
LEVELS = (0.05, 0.08, 0.1, 0.15, 0.2, 0.3, 0.4, 0.6)
KNOWN = {"OpenMind, paper": (7, 6), "OpenMind, all tasks": (7, 12), "starter": (21, 7)}


def write(
    folder, found, good, checked, model: Model, difference: float, *, power: float, source: str, command: str
) -> str:
    """Write all files into `folder`; the text for the terminal, with the list of files.

    found: `plan.designs`; good: `plan.cheapest`; checked: rows of `plan.verified` for the first of good.
    """
    folder = make_folder(Path(folder))
    title = f"How large a benchmark shows a difference of {difference:g}"
    lead = [
        f"Made by `{command}`. Two metrics, one at a mean tau_w of {model.level:g} and one {difference:g} above it; "
        f"wanted power {100 * power:.0f} %. Square brackets: 95 % interval for the finite number of simulated draws.",
        f"Assumed ({source}): SD of one run {number(model.sd)} Dice points, true SD between encoders "
        f"{number(model.spread)}, {100 * model.agreement:.0f} % of a task's true variance common to the tasks, "
        f"{100 * model.errors:.0f} % of a metric's error variance common to the tasks.",
    ]
    parts = [answer(found, good, checked, model, difference, power), grid(found, model, difference, power), method()]
    files = style.save(contours(found, model, difference), folder / "figures", CONTOURS)
    text = sections.terminal(title, [Section("What was assumed", lead), *parts])
    texts = {
        "plan.txt": text,
        "plan.md": sections.markdown(title, lead, parts, figures="figures"),
        "plan.html": sections.page(title, lead, parts, folder / "figures"),
        "designs.csv": formats.csv_text(found),
    }
    for name, content in texts.items():
        write_text(folder / name, content)
    written = [folder / name for name in texts] + [path for path in files if path.suffix == ".png"]
    return text + "\nwritten:\n" + "\n".join(f"  {path}" for path in written)


def answer(found, good, checked, model, difference, power) -> Section:
    """The cheapest designs that are enough, or why there is none."""
    picture = Picture(
        CONTOURS,
        f"Difference that is shown with a power of {100 * power:.0f} %, by encoders and tasks, "
        f"{found['seeds'].min()} seed(s) a cell. Hatched: such a difference would exceed what a perfect metric "
        "reaches. Points: sizes of known benchmarks.",
        "Contours of the smallest difference over encoders and tasks",
    )
    if good.empty:
        best = found.loc[found["power"].fillna(0).idxmax()]
        tops = f"{three(found['top'].min())} to {three(found['top'].max())}"
        lines = [
            f"No size of the grid is enough. The most powerful is {best.encoders} encoders x {best.tasks} tasks x "
            f"{best.seeds} seed(s), {best.runs} runs: power {number(best.power)}. A perfect metric reaches {tops} "
            "there.",
        ]
        return Section("The answer", lines, pictures=[picture])
    first = good.iloc[0]
    lines = [
        f"Fewest runs of the grid: {first.encoders} encoders x {first.tasks} tasks x {first.seeds} seed(s) = "
        f"{first.runs} fine-tuning runs, beside {first.encoders} pre-trained encoders.",
    ]
    rows = [
        [
            f"{row.encoders} x {row.tasks} x {row.seeds}", str(row.runs), number(row.power), three(row.yardstick),
            three(row.top),
        ]
        for row in good.head(SHOWN).itertuples()
    ]  # fmt: skip
    tables = [Table(["encoders x tasks x seeds", "runs", "power", "yardstick", "oracle"], rows)]
    if len(checked):
        head = ["simulated as a whole", "power", "yardstick", "oracle", "static list"]
        tables.append(Table(head, [
            [
                f"{row.encoders} x {row.tasks} x {row.seeds}", measured(row.power, row.power_low, row.power_high, 2),
                measured(row.yardstick, row.yardstick_low, row.yardstick_high), three(row.top),
                measured(row.static, row.static - row.static_margin, row.static + row.static_margin),
            ]
            for row in checked.itertuples()
        ]))  # fmt: skip
        static = float(checked["static"].iloc[0])
        if static == static:
            lines.append(
                f"There a static list that reads no feature is expected to reach {three(static)}: a metric has to "
                "beat that too."
            )
    note = "Shown: designs that no other of at most as many encoders, tasks and runs replaces; the fewest runs first."
    return Section("The answer", lines, tables, [picture], [note])


def grid(found: pd.DataFrame, model: Model, difference: float, power: float) -> Section:
    """Yardstick with the fewest seeds, power with the fewest and the most, by encoders and tasks."""
    few, many = found["seeds"].min(), found["seeds"].max()
    tables = [_by_size(found, few, "yardstick"), _by_size(found, few, "power")]
    tables += [_by_size(found, many, "power")] if many > few else []
    lines = [
        f"Yardstick: two metrics about {model.level:g} must differ by so much for a power of {100 * power:.0f} %. "
        f"Power: of showing a difference of {difference:g}, as one seed a cell would measure it on average. A dash: "
        "out of reach even of a perfect metric.",
    ]
    return Section("By size", lines, tables)


def _by_size(found: pd.DataFrame, seeds: int, column: str) -> Table:
    part = found[found["seeds"] == seeds].pivot(index="encoders", columns="tasks", values=column)
    words = three if column == "yardstick" else number
    rows = [[str(k), *[words(value) for value in row]] for k, row in zip(part.index, part.to_numpy(), strict=True)]
    return Table([f"{column}, {seeds} seed(s): encoders", *[f"{t} tasks" for t in part.columns]], rows)


def method() -> Section:
    """The model in words."""
    return Section(
        "How it was computed",
        [
            "True Dice of encoder k on task t: sqrt(c) a_k + sqrt(1 - c) b_kt, normal, c the share common to the "
            "tasks; the measured Dice adds normal noise of the run's SD over the square root of the seeds. A metric "
            "is the true Dice plus normal errors, as large as its mean tau_w against the measured Dice demands.",
            "Six tasks are simulated together for every number of encoders and seeds; the SD of the mean over T "
            "tasks follows from the variance of one task's difference and the covariance of two. Power is that of a "
            "test with border 1.96 SD of the difference of two equal metrics, by the normal approximation; designs "
            "that are answers are simulated again as a whole.",
            "Not covered: families of encoders that are near-copies of each other count as fewer than they are, "
            "tasks of one body region likewise.",
        ],
    )


def contours(found: pd.DataFrame, model: Model, difference: float):
    """Yardstick over encoders and tasks (both log), fewest seeds; grey lines of equal cost."""
    import numpy as np

    part = found[found["seeds"] == found["seeds"].min()]
    table = part.pivot(index="tasks", columns="encoders", values="yardstick")
    top = part.pivot(index="tasks", columns="encoders", values="top")
    with style.theme():
        import seaborn as sns

        figure = style.new_figure(6.2, 4.4)
        axes = figure.subplots()
        x, y = np.meshgrid(table.columns.to_numpy(float), table.index.to_numpy(float))
        runs = x * y * part["seeds"].iloc[0]
        colour = sns.color_palette("colorblind")[0]
        if min(table.shape) > 1 and np.isfinite(table.to_numpy()).any():
            values = np.ma.masked_invalid(table.to_numpy())
            cost = axes.contour(
                x, y, runs, levels=[50, 100, 200, 500, 1000], colors="0.8", linewidths=0.8, linestyles=":"
            )
            others = [level for level in LEVELS if abs(level - difference) > 1e-9]
            lines = axes.contour(x, y, values, levels=others, colors=[colour], linewidths=1.1)
            axes.clabel(lines, fmt=lambda value: f"{value:g}", fontsize=8)
            for level, paths in zip(cost.levels, cost.allsegs, strict=True):
                paths = [path for path in paths if len(path)]
                if paths:  # named where it leaves the picture, clear of the other labels
                    end = max(np.concatenate(paths), key=lambda point: point[0])
                    right = end[0] >= x.max() * 0.999
                    axes.annotate(
                        f"{level:g} runs", end, (4, 0) if right else (0, -4), textcoords="offset points", fontsize=6.5,
                        color="0.55", va="center" if right else "bottom", ha="left" if right else "right",
                        annotation_clip=False,
                    )  # fmt: skip
            axes.contour(x, y, values, levels=[difference], colors=[sns.color_palette("colorblind")[3]], linewidths=2.2)
            beyond = (model.level + table > top).to_numpy().astype(float)
            if beyond.any():
                axes.contourf(x, y, beyond, levels=[0.5, 1.5], colors="none", hatches=["///"])
        axes.set_xscale("log")
        axes.set_yscale("log")
        for name, (k, t) in KNOWN.items():
            if x.min() <= k <= x.max() and y.min() <= t <= y.max():
                axes.plot(k, t, "o", color="0.15", ms=5, mec="white", zorder=4)
                axes.annotate(name, (k, t), (5, 4), textcoords="offset points", fontsize=7.5, color="0.15")
        axes.set_xticks(table.columns, [f"{k}" for k in table.columns])
        axes.set_yticks(table.index, [f"{t}" for t in table.index])
        axes.minorticks_off()
        axes.set_xlabel("encoders")
        axes.set_ylabel("tasks")
        axes.set_title(
            rf"smallest difference of mean $\tau_w$ shown; red: {difference:g}; dotted: equal numbers of runs",
            fontsize=9,
            color=GREY,
            loc="left",
        )
    return figure
