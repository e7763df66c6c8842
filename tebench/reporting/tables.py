"""Tables for the terminal, and one call that writes every format."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pandas as pd

from tebench.base.storage import make_folder, write_text
from tebench.evaluation.statistics import shown
from tebench.reporting import formats
from tebench.reporting.summary import Summary, number, p_text, span, summarise

WIDTH = 120


def terminal(
    frame: pd.DataFrame,
    *,
    title: str = "",
    titles: dict[str, str] | None = None,
    groups: pd.DataFrame | None = None,
    width: int = WIDTH,
    legend: bool = True,
) -> str:
    """Plain aligned text within `width` columns: metric rows, tasks and their mean as columns, then the reasons.

    Intervals stand in every cell where they fit, else with the mean only; then chance, p and group move to the second
    table; tasks that still do not fit go to further blocks below.
    """
    summary = summarise(frame, titles=titles, groups=groups)
    for with_interval, with_chance in ((True, True), (False, True), (False, False)):
        columns = _columns(summary, with_interval, with_chance)
        if _wide(columns) <= width:
            break
    blocks = _blocks(columns, len(summary.tasks), width)
    lines = [title] if title else []
    lines.append(f"pool {summary.pool}: {summary.n} encoders, {len(summary.tasks)} tasks")
    for block in blocks:
        lines += ["", *aligned(block, rule_after=(0, len(summary.rows)))]
    lines += ["", *_wrapped(_others(summary, not with_chance), width)]
    # Plain text has no bold.
    notes = [*summary.notes, *(line for line in summary.legend if legend and not line.startswith("Bold"))]
    if notes:
        lines += ["", *[line for note in notes for line in textwrap.wrap(note, width, subsequent_indent="  ")]]
    return "\n".join(line.rstrip() for line in lines) + "\n"


def write(
    frame: pd.DataFrame,
    folder: Path,
    name: str = "correlation",
    *,
    title: str = "",
    titles: dict[str, str] | None = None,
    groups: pd.DataFrame | None = None,
) -> list[Path]:
    """Write NAME.csv (long form, every number), .md, .tex, .html and .txt into `folder`; each file whole or not at all.

    A folder that cannot be written is an InputError.
    """
    folder = make_folder(Path(folder))
    options = {"title": title, "titles": titles, "groups": groups}
    texts = {
        "csv": formats.csv_text(frame),
        "md": formats.markdown(frame, **options),
        "tex": formats.latex(frame, **options, label=f"tab:{name}"),
        "html": formats.html(frame, **options),
        "txt": terminal(frame, **options),
    }
    for suffix, text in texts.items():
        write_text(folder / f"{name}.{suffix}", text)
    return [folder / f"{name}.{suffix}" for suffix in texts]


def _columns(summary: Summary, with_interval: bool, with_chance: bool) -> list[list[str]]:
    """Columns of text: name, tasks, then the mean's own; first entry the head, last four the facts of the tasks."""
    foot = ["noise ceiling", "chance low", "chance high", "reliability"]
    columns = [["metric", *[row.title for row in summary.rows], *foot]]
    for task in summary.tasks:
        cells = [row.cells[task].text(with_interval=with_interval) for row in summary.rows]
        columns.append([task, *cells, *_facts(summary, task, with_interval)])
    means = [row.mean.text(with_interval=True) for row in summary.rows]
    columns.append(["mean", *means, number(summary.ceiling["mean"]), "", "", number(summary.reliability["mean"])])
    if with_chance:
        columns += [[*column, "", "", "", ""] for column in _chance(summary)]
    return columns


def _chance(summary: Summary) -> list[list[str]]:
    columns = [
        ["chance of mean", *[span(*row.chance) for row in summary.rows]],
        ["p", *[p_text(row.p) for row in summary.rows]],
    ]
    if any(row.group for row in summary.rows):
        columns.append(["group", *[str(row.group or "-") for row in summary.rows]])
    return columns


def _facts(summary: Summary, task: str, with_interval: bool) -> list[str]:
    facts = [number(value) for value in (*summary.chance[task], summary.reliability[task])]
    return [summary.ceiling_text(task, with_range=with_interval), *facts]


def _wide(columns) -> int:
    return sum(max(map(len, column)) for column in columns) + 2 * (len(columns) - 1)


def _blocks(columns, n_tasks, width) -> list[list[list[str]]]:
    """The mean's columns stay in the first block; tasks fill it up, and the rest go below under the names again."""
    name, tasks, rest = columns[0], columns[1 : 1 + n_tasks], columns[1 + n_tasks :]
    blocks, block, tail = [], [], rest
    for task in tasks:
        if block and _wide([name, *block, task, *tail]) > width:
            blocks.append([name, *block, *tail])
            block, tail = [], []
        block.append(task)
    return [*blocks, [name, *block, *tail]]


def _others(summary: Summary, with_chance: bool) -> list[list[str]]:
    columns = [["mean over tasks", *[row.title for row in summary.rows]]]
    columns += _chance(summary) if with_chance else []
    for one in shown("text"):
        columns.append([one.title, *[number(row.others[one.name], one.digits) for row in summary.rows]])
    columns.append(["s a task", *[number(row.seconds) for row in summary.rows]])
    columns.append(["peak MB", *[number(row.peak_mb, 0) for row in summary.rows]])
    return columns


def _wrapped(columns, width) -> list[str]:
    if _wide(columns) <= width or len(columns) <= 3:
        return aligned(columns, (0,))
    half = len(columns) // 2 + 1
    return [*aligned(columns[:half], (0,)), "", *_wrapped([columns[0], *columns[half:]], width)]


def aligned(columns, rule_after) -> list[str]:
    widths = [max(map(len, column)) for column in columns]
    lines = []
    for index, row in enumerate(zip(*columns, strict=True)):
        cells = [
            cell.ljust(w) if i == 0 else cell.rjust(w) for i, (cell, w) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(cells).rstrip())
        if index in rule_after:
            lines.append("-" * (sum(widths) + 2 * (len(widths) - 1)))
    return lines
