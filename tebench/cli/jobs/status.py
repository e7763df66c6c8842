"""job=status: every cell of the grid as its files show it. No torch, no computation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from tebench.benchmark import grid_state
from tebench.benchmark.grid_report import finetuning_folder, listing, table, write_csv
from tebench.benchmark.grid_state import State
from tebench.benchmark.options import option
from tebench.benchmark.requests import requests_of
from tebench.benchmark.settings import Settings
from tebench.benchmark.spec import World, resolve
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
        ("extract", "finetune", "score"), "of the chain", how=True
    )
    seeds: tuple[Annotated[int, Interval(0)], ...] = option((0, 1, 2), "of fine-tuning", how=True)
    folder: str | None = option(None, "results of fine-tuning; null: <cache>/finetuning", how=True)
    beside: tuple[str, ...] = option(
        ("random", "n_parameters"), "metrics beside metric=, as job=score has them", empty=True, how=True
    )
    fresh: Annotated[float, Interval(0)] = option(
        30.0,
        "minutes: where the file system cannot show whether another host holds a lock, a younger partial file does",
        how=True,
    )
    verify: bool = option(False, "true: hash every feature file too, which reads them all", how=True)
    shown: Annotated[int, Interval(0)] = option(12, "cells listed in each state; the CSV lists all", how=True)


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
