"""Phrases that several sections share: a metric with its numbers, two metrics compared, p."""

from __future__ import annotations

import math

from tebench.reporting.summary import ALPHA, number, span


def said(board, found, metric) -> str:
    row = found.loc[metric]
    return (
        f"{board.titles[metric]} {number(row.tau_w)} {span(row.low, row.high)} "
        f"(chance {span(row.null_low, row.null_high)}, p {p_value(row.p)})"
    )


def compared(titles, one, p) -> str:
    first, second = (titles.get(one[k], one[k]) for k in ("first", "second"))
    verdict = "not told apart" if p >= ALPHA else f"{first if one['difference'] > 0 else second} is better"
    return (
        f"{first} {number(one['tau_first'])}, {second} {number(one['tau_second'])}: difference "
        f"{one['difference']:+.2f}, p {p_value(p)}; higher on {one['better']}, lower on {one['worse']} of "
        f"{one['tasks']} tasks. {verdict[0].upper()}{verdict[1:]}."
    )


def p_value(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.3f}".removeprefix("0") if value >= 0.001 else "< .001"
