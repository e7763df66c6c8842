"""A report as one HTML file that opens without a network and prints on A4: headings, sentences, tables, pictures."""

from __future__ import annotations

import base64
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path

import numpy as np
import pandas as pd


@dataclass
class Document:
    """Parts in reading order; every text is data and is escaped."""

    title: str
    parts: list[dict] = field(default_factory=list)

    def heading(self, text: str) -> None:
        self.parts.append({"kind": "heading", "text": text})

    def text(self, text: str, style: str = "") -> None:
        """style: "lead" for the verdict, "warn", "note", or none."""
        self.parts.append({"kind": "text", "text": text, "style": style})

    def list(self, items: Iterable[str], style: str = "") -> None:
        items = list(items)
        if items:
            # A mapping's own `items` would come first in the template.
            self.parts.append(_Part(kind="list", items=items, style=style))

    def code(self, text: str) -> None:
        self.parts.append({"kind": "code", "text": text})

    def table(self, frame: pd.DataFrame, marked: Sequence[bool] = ()) -> None:
        """marked: rows with a shade."""
        if not len(frame):
            return
        numeric = [_is_numeric(frame[name]) for name in frame.columns]
        rows = [[cell(value) for value in row] for row in frame.itertuples(index=False)]
        self.parts.append(
            {
                "kind": "table", "head": list(map(str, frame.columns)), "rows": rows, "numeric": numeric,
                "marked": list(marked) or [False] * len(rows),
            }
        )  # fmt: skip

    def picture(self, path: Path, text: str) -> None:
        """A PNG, inside the file. text: what it shows, also for those who do not see it."""
        data = base64.b64encode(Path(path).read_bytes()).decode("ascii")
        self.parts.append({"kind": "picture", "data": data, "text": text})

    def html(self) -> str:
        import jinja2

        environment = jinja2.Environment(
            autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined
        )
        template = (files("tebench.reporting") / "web" / "document.html").read_text(encoding="utf-8")
        return environment.from_string(template).render(title=self.title, parts=self.parts)


@dataclass(frozen=True)
class _Part:
    kind: str
    items: list[str]
    style: str


def _is_numeric(column: pd.Series) -> bool:
    """Whether a column holds numbers, or nothing where there is none; truth values are words."""
    known = [value for value in column.tolist() if value is not None and value is not pd.NA]
    return bool(known) and all(
        isinstance(value, (int, float, np.number)) and not isinstance(value, (bool, np.bool_)) for value in known
    )


def cell(value) -> str:
    """A value as a table shows it: thousands apart, four digits, a dash for nothing."""
    if value is None or (isinstance(value, float) and math.isnan(value)) or value is pd.NA:
        return "–"
    if isinstance(value, (bool, np.bool_)):
        return "yes" if value else "no"
    if isinstance(value, (int, np.integer)):
        return f"{value:,}"
    if isinstance(value, (float, np.floating)):
        return f"{value:,.0f}" if value.is_integer() and abs(value) < 1e15 else f"{value:.4g}"
    return str(value)


def aligned(frame: pd.DataFrame) -> str:
    """A frame as text: numbers to the right, words to the left."""
    table = [list(map(str, frame.columns)), *([cell(value) for value in row] for row in frame.itertuples(index=False))]
    widths = [max(len(line[index]) for line in table) for index in range(len(frame.columns))]
    right = [_is_numeric(frame[name]) for name in frame.columns]
    return "\n".join(
        "  ".join(
            text.rjust(width) if to_right else text.ljust(width)
            for text, width, to_right in zip(line, widths, right, strict=True)
        ).rstrip()
        for line in table
    )
