"""The columns of the page's tables behind tau_w and its picture, each declared once: head, order, how a cell reads.

Python spells every cell, for the tables in the page's markup and for those that the script draws.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from tebench.evaluation.statistics import shown
from tebench.reporting.summary import number, p_text, span


@dataclass(frozen=True)
class Column:
    """name: in saved CSV files.   head: over the column.   sort: "up" or "down" first, "none" for no sorting.

    cost: shown also where the metric has no number.   text: the cell of a row of `page_data.ordered`.
    """

    name: str
    head: str
    sort: str
    text: Callable[[object], str]
    cost: bool = False


def brief(value: float) -> str:
    """Three significant digits, an exponent only below .001; a dash where there is no number."""
    if not math.isfinite(value):
        return "–"
    if 0 < abs(value) < 0.001:
        return f"{value:.1e}".replace("e-0", "e-")
    return f"{value:.0f}" if abs(value) >= 999.5 else f"{value:.3g}"


COLUMNS = (
    Column("p", "p", "up", lambda row: p_text(row.p)),
    Column("chance", "chance", "none", lambda row: span(row.null_low, row.null_high)),
    Column("ceiling", "ceiling", "down", lambda row: number(row.ceiling)),
    Column("n", "n", "down", lambda row: str(row.n)),
    *(
        Column(
            one.name, one.title, "down" if one.better == "up" else "up",
            lambda row, one=one: number(getattr(row, one.name), one.digits),
        )
        for one in shown("page")
    ),
    Column("seconds", "s / task", "up", lambda row: brief(row.seconds), cost=True),
    Column("peak_mb", "peak MB", "up", lambda row: number(row.peak_mb, 0), cost=True),
)  # fmt: skip
SPAN = 2 + sum(not column.cost for column in COLUMNS)  # columns that the reason of an absent number stands across


def cells(row, absent: bool) -> list[tuple[Column, str]]:
    """The cells of one row; of a metric without a number only what it cost."""
    return [(column, column.text(row)) for column in COLUMNS if column.cost or not absent]


def tau_text(row) -> tuple[str, str, str]:
    """(tau_w, its interval, a warning or "")."""
    warning = {"unreliable": "unreliable task", "incomplete": f"{row.n_tasks} tasks only"}.get(row.status, "")
    return number(row.tau_w), span(row.low, row.high), warning
