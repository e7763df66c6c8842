"""job=rank: own data and own encoders, no ground truth. Which encoder first, how sure, and by which metric."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from tebench.base import storage
from tebench.base.errors import CacheError, InputError, NotApplicable, unknown_name
from tebench.benchmark.spec import cache_folder, leaderboard_folder, recipe_of
from tebench.cli.bar import bar
from tebench.features import resampling
from tebench.features.distinct import Distinct, distinct
from tebench.features.sampling import Recipe
from tebench.metrics import presets
from tebench.metrics.registry import get, load, load_plugins
from tebench.reporting import ranking_data
from tebench.scoring import budget
from tebench.scoring.engine import score_all
from tebench.scoring.pool import fuse
from tebench.scoring.request import Request, part_requests, with_parts
from tebench.scoring.score import folder_of
from tebench.tasks.base import Task

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Setting:
    """All that a ranking needs beside the task, the voxels' recipe and the encoders."""

    requests: list[Request]
    preset: dict
    seeds: list[int]
    cache: Path
    window: tuple[int, int, int] | None
    workers: int
    device: str
    progress: bool
    decoder_seed: int
    interpolation: str
    plugins: tuple[str, ...]


def run(config: dict) -> None:
    """Check everything that can be checked, keep to the budget, rank, and write table, CSV and picture."""
    from tebench.publication import recommend
    from tebench.reporting import ranking as report

    begin, job = time.monotonic(), config["job"]
    budget.check(job["minutes"])
    load_plugins(config["plugins"])
    task = _open(config)
    evidence = recommend.evidence(leaderboard_folder(None), config["protocol"]["name"])
    names = metric_names(job["metrics"], recommend.candidates(evidence))
    setting = _setting(config, names)
    encoders, refused = usable(config["encoders"], task)
    encoders, grids, refused = on_their_grids(task, encoders, refused)
    recipe, whole = Recipe(**recipe_of(config)), task
    print("\n".join(beforehand(task, grids)), flush=True)
    notes = []
    if job["minutes"] is not None:
        task, recipe, notes = within(float(job["minutes"]) * 60, begin, task, recipe, encoders, setting)
    found, times = compute(task, recipe, encoders, setting)
    folders = {name: part["folder"] for name, part in times.items()}
    read = Read.of(task, folders, grids)
    notes = [*data_notes(task, grids), *ranking_data.few_rows(read.distinct), *notes]
    text = report.write(
        storage.make_folder(Path(job["folder"] or Path("outputs") / "rank" / task.name)), found, times,
        names=names, chosen=job["metrics"] is not None, evidence=evidence, task=task, n_all=len(whole.cases),
        n_draws=len(setting.seeds), refused=refused, notes=notes, minutes=job["minutes"], config=config,
        classes=read.classes, readings=read.readings,
    )  # fmt: skip
    print(text)


@dataclass(frozen=True)
class Read:
    """What was read of the data, by class and by encoder."""

    classes: pd.DataFrame
    readings: pd.DataFrame
    distinct: dict[str, Distinct]

    @classmethod
    def of(cls, task: Task, folders: dict[str, Path], grids: dict) -> Read:
        from tebench.encoders import catalogue
        from tebench.features import cache

        rows = {name: distinct(folder) for name, folder in folders.items()}
        sample = cache.read(next(iter(folders.values())), verify=False).sample
        found = {name: catalogue.reading(name) for name in folders}
        return cls(ranking_data.classes(task, sample), ranking_data.readings(found, grids, rows), rows)


def on_their_grids(task: Task, encoders: list[str], refused: dict[str, str]) -> tuple[list[str], dict, dict[str, str]]:
    """(encoders, encoder -> the grids it reads the cases on, refused): one whose grid explodes is refused."""
    from tebench.encoders import catalogue

    found, refused = {}, dict(refused)
    for name in encoders:
        try:
            found[name] = resampling.grids(task.facts["per_case"], catalogue.reading(name).spec.spacing)
        except InputError as error:
            refused[name] = str(error)
    _enough(list(found), refused)
    return list(found), found, refused


def beforehand(task: Task, grids: dict) -> list[str]:
    """What is known before anything is computed: the data, and the grid that each encoder reads them on."""
    alike: dict[str, list[str]] = {}
    for name, found in grids.items():
        alike.setdefault(found.text(), []).append(name)
    lines = [f"{task.name}: {task.facts['n_cases']} cases, {task.n_foreground} foreground classes"]
    lines += data_notes(task, grids)
    return [*lines, *(f"{', '.join(names)}: {text}" for text, names in alike.items())]


def data_notes(task: Task, grids: dict) -> list[str]:
    """What is unusual about the data, a sentence a line, and which cases were left out and why."""
    facts = task.facts
    lines = [f"Data: {facts['note']}."] if facts["note"] else []
    if facts["excluded"]:
        lines.append(f"Left out by name: {', '.join(facts['excluded'])}.")
    if facts["left_out"]:
        lines.append(f"Left out as broken ({len(facts['left_out'])}):")
        lines += [f"  {case}: {'; '.join(problems)}" for case, problems in facts["left_out"].items()]
    return [*lines, *ranking_data.few_voxels(grids)]


def metric_names(given, default: list[str]) -> list[str]:
    """The metrics to compute, checked; the first is what the user or the leaderboard ranks by."""
    if given is None:
        return default
    if not isinstance(given, list) or not given or len(set(given)) < len(given):
        raise InputError(f"job.metrics must list metrics, each once, such as [logme,gbc]; got {given!r}.")
    known = load()
    for name in given:
        if name not in known:
            raise unknown_name("metric", name, known)
        if known[name].reads == "elsewhere":
            raise InputError(f"metric {name} reads ground truth of other tasks, which own data do not have.")
    return given


def _setting(config: dict, names: list[str]) -> Setting:
    job, preset = config["job"], presets.read(config)
    if not isinstance(job["draws"], int) or isinstance(job["draws"], bool) or job["draws"] < 1:
        raise InputError(f"job.draws must be a whole number >= 1, got {job['draws']!r}.")
    requests = [Request.make(get(name), preset.get(name, {}), config["stages"], config["seed"]) for name in names]
    return Setting(
        requests=requests, preset=preset, seeds=[config["seed"] + number for number in range(job["draws"])],
        cache=cache_folder(config), window=tuple(job["window"]) if job["window"] else None, workers=config["workers"],
        device=config["device"], progress=config["progress"], decoder_seed=config["seed"],
        interpolation=config["sampling"]["interpolation"],
        plugins=tuple(config["plugins"]),
    )  # fmt: skip


def _open(config: dict) -> Task:
    from tebench.tasks.dataset import open_dataset
    from tebench.tasks.survey import choose, read_layout

    job = config["job"]
    if not job["dataset"]:
        raise InputError(
            "job=rank needs a data set: dataset=FOLDER of nnU-Net raw (imagesTr, labelsTr, dataset.json) or Decathlon."
        )
    n_cases = len(
        choose(read_layout(Path(job["dataset"]), job["outside"]), job["cases"], job["max_cases"], job["exclude"])
    )
    with bar("checking cases", "case", config["progress"], n_cases) as shown:
        task = open_dataset(
            job["dataset"], cases=job["cases"], exclude=job["exclude"], max_cases=job["max_cases"],
            skip_broken=job["skip_broken"], geometry=job["geometry"], outside=job["outside"],
            cache=cache_folder(config) / "datasets", on_case=lambda _: shown.update(),
        )  # fmt: skip
    return task


def usable(items, task: Task) -> tuple[list[str], dict[str, str]]:
    """(encoders that can read the data, name -> why another cannot)."""
    from tebench.encoders import catalogue

    if not items:
        raise InputError("job=rank needs encoders=[...]: checkpoint files, folders of them, or names of the catalogue.")
    channels = task.load(task.cases[0]).image.shape[0]
    good, refused = [], {}
    for name in catalogue.choose(items):
        try:
            reads = catalogue.reading(name).spec.channels
        except InputError as error:
            refused[name] = str(error)
            continue
        if reads in (1, channels):
            good.append(name)
        else:
            refused[name] = f"reads {reads} channels, the images have {channels}."
    _enough(good, refused)
    return good, refused


def _enough(good: list[str], refused: dict[str, str]) -> None:
    if len(good) < 2:
        reasons = "".join(f"\n  {name}: {why}" for name, why in refused.items())
        raise InputError(f"a ranking needs at least 2 encoders, {len(good)} can read these data.{reasons}")


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
    by_kind = {True: 0.0, False: 0.0}
    for request in setting.requests:
        for part in part_requests(request, setting.preset).values() or [request]:
            seconds = sum(item.seconds for item in found[part.metric.name].values()) / workers
            by_kind[part.metric.per_case] += seconds
    start = max(0.0, wall - extraction - sum(by_kind.values()))
    whole = by_kind[False] / budget.passes(n_cases)
    return budget.Cost(start, extraction / n_cases, by_kind[True] / n_cases, whole)


def compute(task: Task, recipe: Recipe, encoders: list[str], setting: Setting, prefix: str = "") -> tuple[dict, dict]:
    """(metric -> encoder -> Scores, oriented up; encoder -> seconds of extraction and scoring)."""
    from tebench.features import cache, joined
    from tebench.features.grid import extract_all

    with bar(f"{prefix}drawing voxels", "case", setting.progress, len(task.cases)) as shown:
        sample = joined.load_or_draw(
            task, recipe, setting.seeds, setting.cache / "samples", on_case=lambda _: shown.update()
        )
    folders = extract_all(
        [(task, name, sample) for name in encoders], cache=setting.cache / "features", workers=setting.workers,
        progress=setting.progress, device=setting.device, decoder_seed=setting.decoder_seed, patch=setting.window,
        interpolation=setting.interpolation,
    )  # fmt: skip
    everything = with_parts(setting.requests, setting.preset)
    pairs = {(task.name, name): folder for name, folder in zip(encoders, folders, strict=True)}
    scored = score_all(
        everything, pairs, folder_of(setting.cache), workers=setting.workers, plugins=setting.plugins,
        progress=setting.progress, retry=True, resampled=True, description=f"{prefix}scoring",
    )  # fmt: skip
    records = {name: scored[task.name, name] for name in encoders}
    found = _oriented(records, everything, encoders, task.n_foreground, setting)
    times = {}
    for name, folder in zip(encoders, folders, strict=True):
        manifest = cache.manifest(folder)
        times[name] = {
            "extraction": manifest["seconds"], "forward": manifest["forward_seconds"],
            "scoring": sum(score.seconds for score in records[name]), "peak_mb": manifest["peak_memory_mb"],
            "folder": folder,
        }  # fmt: skip
    return found, times


def _oriented(records: dict, requests: list[Request], encoders: list[str], n_foreground: int, setting: Setting) -> dict:
    from tebench.evaluation.ranking import Scores

    raw: dict[str, dict] = {}
    for name in encoders:
        for score in records[name]:
            arrays = [score.resamples.get(key) for key in ("draws", "left_out")]
            arrays = [None if array is None else np.array(array) for array in arrays]
            raw.setdefault(score.metric, {})[name] = Scores(*arrays, score.status, score.reason, score.seconds)
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
