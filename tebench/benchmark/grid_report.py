"""The state of a grid as a table, a listing and a CSV file."""

from __future__ import annotations

import csv
import io
from collections import Counter
from dataclasses import asdict
from pathlib import Path

from tebench.base import storage
from tebench.benchmark.grid_state import COLUMNS, STATES, State
from tebench.benchmark.spec import World


def finetuning_folder(folder: str | None, world: World) -> Path:
    """`folder`, or where fine-tuning keeps its results by default."""
    return Path(folder).expanduser() if folder else world.cache / "finetuning"


def write_csv(path: Path, states: list[State]) -> None:
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(asdict(state) for state in states)
    storage.write_text(path, text.getvalue())


def table(world: World, protocol: str, states: list[State]) -> str:
    """Counts of each part and task."""
    counts = Counter((state.part, state.task, state.state) for state in states)
    lines = [
        f"{world.name}: {len(world.encoders)} encoders x {len(world.tasks)} tasks, sampling seed {world.seed}, "
        f"protocol {protocol}; cache {world.cache}",
        f"{'':<34}" + "".join(f"{state:>9}" for state in (*STATES, "all")),
    ]
    for part in dict.fromkeys(state.part for state in states):
        for task in world.tasks:
            row = [counts[part, task, state] for state in STATES]
            lines.append(f"{part:<9}{task:<25}" + "".join(f"{n:>9}" for n in (*row, sum(row))))
    total = Counter(state.state for state in states)
    lines.append(f"{'all':<34}" + "".join(f"{n:>9}" for n in (*(total[state] for state in STATES), len(states))))
    return "\n".join(lines)


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
