"""Scores of every encoder on every draw of voxels and without each group of cases, over all classes or one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from tebench.base.errors import NotApplicable, unknown_name
from tebench.benchmark.own_data.setting import Setting
from tebench.features.sampling import Recipe
from tebench.runtime.bar import bar
from tebench.scoring.engine import score_all
from tebench.scoring.pool import fuse
from tebench.scoring.request import Request, part_requests, with_parts
from tebench.scoring.score import folder_of
from tebench.tasks.base import Task

MOST_CLASSES = 8  # that are ranked by themselves unless they are named


def classes_of(task: Task, given: tuple[str, ...] | None) -> tuple[int, ...]:
    """Classes that are ranked by themselves: those that are named, or the first MOST_CLASSES; none of a single one."""
    if given is None:
        return tuple(range(1, len(task.classes)))[:MOST_CLASSES] if task.n_foreground > 1 else ()
    for name in given:
        if name not in task.classes[1:]:
            raise unknown_name(f"foreground class of {task.name}", name, task.classes[1:])
    return tuple(sorted(task.classes.index(name) for name in given))


def compute(task: Task, recipe: Recipe, encoders: list[str], setting: Setting, prefix: str = "") -> tuple[dict, dict]:
    """(metric -> encoder -> Scores, oriented up; encoder -> seconds of extraction and scoring)."""
    from tebench.features import cache, joined
    from tebench.features.grid import extract_all

    with bar(f"{prefix}drawing voxels", "case", setting.progress, len(task.cases)) as shown:
        sample = joined.load_or_draw(
            task, recipe, setting.seeds, setting.cache / "samples", on_case=lambda _: shown.update()
        )
    made = extract_all(
        [(task, name, sample) for name in encoders], cache=setting.cache / "features", workers=setting.workers,
        progress=setting.progress, device=setting.device, decoder_seed=setting.decoder_seed, patch=setting.window,
        interpolation=setting.interpolation,
    )  # fmt: skip
    folders = dict(zip(encoders, made, strict=True))
    found, records = scored(folders, task.name, task.n_foreground, setting, None, prefix)
    times = {}
    for name, folder in folders.items():
        manifest = cache.manifest(folder)
        times[name] = {
            "extraction": manifest["seconds"], "forward": manifest["forward_seconds"],
            "scoring": sum(score.seconds for score in records[name]), "peak_mb": manifest["peak_memory_mb"],
            "folder": folder,
        }  # fmt: skip
    return found, times


def of_class(task: Task, folders: dict[str, Path], metric: str, index: int, setting: Setting) -> dict:
    """encoder -> Scores of one metric, oriented up, for telling one class from every other voxel."""
    requests = [request for request in setting.requests if request.metric.name == metric]
    one = replace(setting, requests=requests)
    found, _ = scored(folders, task.name, 1, one, index, f"class {task.classes[index]}: ")
    return found[metric]


def scored(
    folders: dict[str, Path], task: str, n_foreground: int, setting: Setting, target: int | None, prefix: str
) -> tuple[dict, dict]:
    """(metric -> encoder -> Scores, oriented up; encoder -> its Score list). target: a class told from all others."""
    everything = with_parts(setting.requests, setting.preset)
    scored = score_all(
        everything, {(task, name): folder for name, folder in folders.items()}, folder_of(setting.cache),
        workers=setting.workers, plugins=setting.plugins, progress=setting.progress, retry=True, resampled=True,
        description=f"{prefix}scoring", target=target,
    )  # fmt: skip
    records = {name: scored[task, name] for name in folders}
    return _oriented(records, everything, list(folders), n_foreground, setting), records


def _oriented(records: dict, requests: list[Request], encoders: list[str], n_foreground: int, setting: Setting) -> dict:
    from tebench.evaluation.ranking import Scores

    raw: dict[str, dict] = {}
    for name in encoders:
        for score in records[name]:
            draws, left_out = (
                None if score.resamples.get(key) is None else np.array(score.resamples[key])
                for key in ("draws", "left_out")
            )
            raw.setdefault(score.metric, {})[name] = Scores(draws, left_out, score.status, score.reason, score.seconds)
    for request in requests:
        if request.metric.reads == "parts":
            raw[request.metric.name] = _fused(request, raw, encoders, n_foreground, setting.preset)
    signs = {request.metric.name: 1.0 if request.metric.direction == "up" else -1.0 for request in requests}
    return {
        metric: {
            name: replace(
                item,
                values=None if item.values is None else signs[metric] * item.values,
                left_out=None if item.left_out is None else signs[metric] * item.left_out,
            )
            for name, item in of_metric.items()
        }
        for metric, of_metric in raw.items()
    }


def _fused(request: Request, raw: dict, encoders: list[str], n_foreground: int, preset: dict) -> dict:
    """A pool-level metric, fused anew for every draw and every group of cases left out."""
    from tebench.evaluation.ranking import Scores

    parts = {argument: raw[part.metric.name] for argument, part in part_requests(request, preset).items()}
    reasons = {
        name: f"{argument}: {of_part[name].reason}"
        for argument, of_part in parts.items()
        for name in encoders
        if of_part[name].values is None
    }
    present = [name for name in encoders if name not in reasons]
    seconds = {name: sum(of_part[name].seconds for of_part in parts.values()) for name in encoders}
    fused: dict[str, Scores] = {
        name: Scores(None, None, "not_applicable", reason, seconds[name]) for name, reason in reasons.items()
    }
    if len(present) < 2:
        for name in present:
            fused[name] = Scores(None, None, "not_applicable", "fused over a pool; needs 2 encoders.", seconds[name])
        return fused

    def over(pick) -> np.ndarray:
        """(K, columns): the metric of every column of the parts."""
        arrays = {a: [np.atleast_2d(pick(of_part[name])) for name in present] for a, of_part in parts.items()}
        # A costly part has left groups out of the first draw only: then the fusion has that draw only.
        n_draws = min(array.shape[0] for of_part in arrays.values() for array in of_part)
        tables = {a: np.array([array[:n_draws].ravel() for array in of_part]) for a, of_part in arrays.items()}
        columns = next(iter(tables.values())).shape[1]
        found = []
        for i in range(columns):
            column = {name: {a: float(table[k, i]) for a, table in tables.items()} for k, name in enumerate(present)}
            found.append(fuse(request.metric, request.parameters, column, n_foreground))
            if broken := [outcome for outcome in found[-1].values() if outcome.status != "ok"]:
                raise NotApplicable(broken[0].reason)
        return np.array([[outcome.score for outcome in one.values()] for one in found]).T

    try:
        values = over(lambda item: item.values)
        complete = all(of_part[name].left_out is not None for of_part in parts.values() for name in present)
        left = over(lambda item: item.left_out) if complete else None
        n_groups = next(iter(parts.values()))[present[0]].left_out.shape[1] if complete else 0
    except NotApplicable as error:
        return {**fused, **{n: Scores(None, None, "not_applicable", str(error), seconds[n]) for n in present}}
    note = f"fused without {', '.join(reasons)}" if reasons else ""
    for index, name in enumerate(present):
        left_out = None if left is None else left[index].reshape(-1, n_groups)
        fused[name] = Scores(values[index], left_out, "ok", note, seconds[name])
    return fused
