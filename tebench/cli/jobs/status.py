"""job=status: every cell of the grid as its files show it. No torch, no computation."""

from __future__ import annotations

import csv
import io
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, ClassVar, Literal

from tebench.base import storage
from tebench.benchmark import grid_state
from tebench.benchmark.grid_state import COLUMNS, STATES, State
from tebench.benchmark.options import option
from tebench.benchmark.settings import Settings
from tebench.benchmark.spec import World, resolve
from tebench.cli.jobs.score import requests_of
from tebench.metrics.parameters import Interval
from tebench.scoring.request import direct, with_parts


@dataclass(frozen=True)
class Options:
    """Show what of the grid is done, running, failed (with reason) or missing, from the files alone.

    tebench status encoders=[deepbet,deepbrain] metric=[grtd_lbtc,logme]
    tebench status parts=finetune seeds=[0,1]
    """

    READS: ClassVar = (
        "benchmark", "metric", "encoders", "leaked", "tasks", "stages", "seed", "sampling", "protocol", "preset",
        "output",
    )  # fmt: skip

    parts: tuple[Literal["extract", "finetune", "score"], ...] = option(
        ("extract", "finetune", "score"), "of the chain"
    )
    seeds: tuple[Annotated[int, Interval(0)], ...] = option((0, 1, 2), "of fine-tuning")
    folder: str | None = option(None, "results of fine-tuning; null: <cache>/finetuning")
    beside: tuple[str, ...] = option(
        ("random", "n_parameters"), "metrics beside metric=, as job=score has them", empty=True
    )
    fresh: Annotated[float, Interval(0)] = option(
        30.0,
        "minutes: where the file system cannot show whether another host holds a lock, a younger partial file does",
    )
    verify: bool = option(False, "true: hash every feature file too, which reads them all")
    shown: Annotated[int, Interval(0)] = option(12, "cells listed in each state; the CSV lists all")


def run(settings: Settings, options: Options) -> None:
    """Print counts and what is not done; write every cell into status.csv of the output folder."""
    world = resolve(settings)
    states = states_of(settings, options, world)
    path = world.output / "status.csv"
    write_csv(path, states)
    print(table(world, settings.protocol["name"], states))
    for state in ("running", "failed", "missing"):
        print(listing(state, states, shown=options.shown), end="")
    print(f"\nevery cell: {path}")


def states_of(settings: Settings, options: Options, world: World) -> list[State]:
    """All cells of the parts that `parts` names."""
    parts, fresh = options.parts, options.fresh
    states, headers = grid_state.extraction(world, fresh=fresh, verify=options.verify)
    states = states if "extract" in parts else []
    if "finetune" in parts:
        folder = finetuning_folder(options.folder, world)
        states += grid_state.finetuning(world, settings.protocol, list(options.seeds), folder, fresh=fresh)[0]
    if "score" in parts:
        requests = direct(with_parts(requests_of(settings, options.beside), settings.preset))
        states += grid_state.scoring(world, requests, headers)[0]
    return states


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
