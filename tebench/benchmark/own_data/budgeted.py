"""How many cases and voxels fit into the time, from a pilot of two cases."""

from __future__ import annotations

import logging
import time
from dataclasses import replace
from pathlib import Path

from tebench.base import storage
from tebench.base.errors import CacheError
from tebench.benchmark.own_data.scores import compute
from tebench.benchmark.own_data.setting import Setting
from tebench.features.sampling import Recipe
from tebench.scoring import budget
from tebench.scoring.request import part_requests
from tebench.tasks.base import Task

log = logging.getLogger(__name__)


def within(seconds, begin, task, recipe, encoders, setting) -> tuple[Task, Recipe, list[str]]:
    """(task with the cases that fit, recipe that fits, what was reduced in words), after a pilot of two cases.

    The choice is kept on disk: the same command goes on with the same cases after an interruption.
    """
    from tebench.encoders import catalogue

    order = budget.in_order(task.cases)
    key = storage.hash_json(
        [
            task.fingerprint, list(task.cases), [catalogue.fingerprint(name) for name in encoders], vars(recipe),
            setting.seeds, [r.metric.name for r in setting.requests], seconds, setting.workers, setting.window,
        ]
    )  # fmt: skip
    path = setting.cache / "rank" / f"plan-{key[:24]}.json"
    plan = _plan(path)
    if plan is None:
        pilot = replace(task, cases=tuple(sorted(order[: budget.PILOT])))
        clock = time.monotonic()
        found, times = compute(pilot, recipe, encoders, setting, "pilot: ")
        cost = _cost(found, times, len(pilot.cases), time.monotonic() - clock, setting)
        left = seconds - (time.monotonic() - begin)
        n, share = budget.fit(cost, len(order), left)
        plan = {"cases": n, "share": share, "estimate": cost.seconds(n, share)}
        plan["full"] = cost.seconds(len(order), 1.0) + time.monotonic() - begin
        storage.write_sealed(path, plan)
    n, share = plan["cases"], plan["share"]
    notes = []
    if n < len(order) or share < 1:
        notes.append(
            f"budget of {seconds / 60:g} min: {n} of {len(order)} cases and {_share(share)} of the voxels; everything "
            f"would take about {plan['full'] / 60:.1f} min. Intervals are wider than with all."
        )
        if n <= budget.PILOT:
            notes.append(f"The budget is too small for more than the pilot's {n} cases; the run may exceed it.")
    log.info("budget: %s", plan)
    return replace(task, cases=tuple(sorted(order[:n]))), budget.reduced(recipe, share), notes


def _plan(path: Path) -> dict | None:
    if not path.exists():
        return None
    try:
        return storage.read_sealed(path)
    except CacheError as error:
        log.warning("%s The pilot is run again.", error)
        return None


def _share(share: float) -> str:
    return "all" if share == 1 else f"1/{round(1 / share)}"


def _cost(found: dict, times: dict, n_cases: int, wall: float, setting: Setting) -> budget.Cost:
    workers = min(setting.workers, len(times))
    extraction = sum(part["extraction"] for part in times.values()) / workers
    by_kind, later = {True: 0.0, False: 0.0}, {True: 0.0, False: 0.0}
    for request in setting.requests:
        for part in part_requests(request, setting.preset).values() or [request]:
            seconds = sum(item.seconds for item in found[part.metric.name].values()) / workers
            by_kind[part.metric.per_case] += seconds
            if request is setting.requests[0]:  # the metric that ranks is also computed class by class
                later[part.metric.per_case] += seconds * len(setting.per_class)
    start = max(0.0, wall - extraction - sum(by_kind.values()))
    by_kind = {kind: seconds + later[kind] for kind, seconds in by_kind.items()}
    whole = by_kind[False] / budget.passes(n_cases)
    return budget.Cost(start, extraction / n_cases, by_kind[True] / n_cases, whole)
