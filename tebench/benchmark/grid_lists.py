"""Cells of a grid as people read them: a CSV of all, a list of some."""

from __future__ import annotations

import csv
import io
from dataclasses import asdict
from pathlib import Path

from tebench.base import storage
from tebench.benchmark.grid_state import COLUMNS, State


def write_csv(path: Path, states: list[State]) -> None:
    """A row a cell."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(asdict(state) for state in states)
    storage.write_text(path, text.getvalue())


def listing(state: str, states: list[State], shown: int) -> str:
    """The cells of one state with their detail; "" when there are none."""
    chosen = [cell for cell in states if cell.state == state]
    if not chosen:
        return ""
    lines = [f"\n{state} ({len(chosen)})"]
    lines += [f"  {cell.name}" + (f": {cell.detail}" if cell.detail else "") for cell in chosen[:shown]]
    if len(chosen) > shown:
        lines.append(f"  and {len(chosen) - shown} more")
    return "\n".join(lines) + "\n"
