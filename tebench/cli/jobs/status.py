"""job=status: every cell of the grid as its files show it. No torch, no computation."""

from __future__ import annotations

import csv
import io
from collections import Counter
from dataclasses import asdict
from pathlib import Path

from tebench.base import storage
from tebench.base.errors import InputError
from tebench.benchmark import grid_state
from tebench.benchmark.grid_state import COLUMNS, PARTS, STATES, State
from tebench.benchmark.spec import World, resolve
from tebench.cli.jobs.score import requests_of
from tebench.metrics import presets
from tebench.scoring.request import direct, with_parts


def run(config: dict) -> None:
    """Print counts and what is not done; write every cell into status.csv of the output folder."""
    world, job = resolve(config), config["job"]
    states = states_of(config, world)
    path = world.output / "status.csv"
    write_csv(path, states)
    print(table(world, config, states))
    for state in ("running", "failed", "missing"):
        print(listing(state, states, shown=job["shown"]), end="")
    print(f"\nevery cell: {path}")


def states_of(config: dict, world: World) -> list[State]:
    """All cells of the parts that `job.parts` names."""
    job = config["job"]
    parts = job["parts"]
    if not isinstance(parts, list) or not parts or not set(parts) <= set(PARTS):
        raise InputError(f"job.parts must be a list out of {', '.join(PARTS)}, got {parts!r}.")
    fresh = job["fresh"]
    if not isinstance(fresh, int | float) or isinstance(fresh, bool) or fresh < 0:
        raise InputError(f"job.fresh must be minutes >= 0, got {fresh!r}.")
    states, headers = grid_state.extraction(world, fresh=fresh, verify=job["verify"])
    states = states if "extract" in parts else []
    if "finetune" in parts:
        folder = finetuning_folder(config, world)
        states += grid_state.finetuning(world, config["protocol"], seeds_of(config), folder, fresh=fresh)[0]
    if "score" in parts:
        requests = direct(with_parts(requests_of(config), presets.read(config)))
        states += grid_state.scoring(world, requests, headers)[0]
    return states


def seeds_of(config: dict) -> list[int]:
    seeds = config["job"]["seeds"]
    if not isinstance(seeds, list) or not seeds or not all(type(seed) is int and seed >= 0 for seed in seeds):
        raise InputError(f"job.seeds must be a list of whole numbers >= 0 such as [0,1,2], got {seeds!r}.")
    return seeds


def finetuning_folder(config: dict, world: World) -> Path:
    folder = config["job"]["folder"]
    return Path(folder).expanduser() if folder else world.cache / "finetuning"


def write_csv(path: Path, states: list[State]) -> None:
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(asdict(state) for state in states)
    storage.write_text(path, text.getvalue())


def table(world: World, config: dict, states: list[State]) -> str:
    """Counts of each part and task."""
    counts = Counter((state.part, state.task, state.state) for state in states)
    lines = [
        f"{world.name}: {len(world.encoders)} encoders x {len(world.tasks)} tasks, sampling seed {world.seed}, "
        f"protocol {config['protocol']['name']}; cache {world.cache}",
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
