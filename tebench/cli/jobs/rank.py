"""job=rank: own data and own encoders, no ground truth. Which encoder first, how sure, and by which metric."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from tebench.base import storage
from tebench.base.errors import CacheError, InputError, NotApplicable, unknown_name
from tebench.benchmark.spec import cache_folder, leaderboard_folder, recipe_of
from tebench.features.sampling import Recipe
from tebench.metrics import presets
from tebench.metrics.registry import get, load, load_plugins
from tebench.scoring import budget
from tebench.scoring.pool import part_requests, with_parts
from tebench.scoring.score import Request
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
    evidence = recommend.evidence(leaderboard_folder(None), config["protocol"]["name"])
    names = metric_names(job["metrics"], recommend.candidates(evidence))
    setting = _setting(config, names)
    task = _open(config, setting)
    encoders, refused = usable(config["encoders"], task)
    recipe, whole, notes = Recipe(**recipe_of(config)), task, []
    if job["minutes"] is not None:
        task, recipe, notes = within(float(job["minutes"]) * 60, begin, task, recipe, encoders, setting)
    if task.facts["note"]:
        notes = [f"Data: {task.facts['note']}.", *notes]
    found, times = compute(task, recipe, encoders, setting)
    text = report.write(
        storage.make_folder(Path(job["folder"] or Path("outputs") / "rank" / task.name)), found, times,
        names=names, chosen=job["metrics"] is not None, evidence=evidence, task=task, n_all=len(whole.cases),
        n_draws=len(setting.seeds), refused=refused, notes=notes, minutes=job["minutes"], config=config,
    )  # fmt: skip
    print(text)


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


def _open(config: dict, setting: Setting) -> Task:
    from tebench.tasks.dataset import choose, open_dataset, read_layout

    job = config["job"]
    if not job["dataset"]:
        raise InputError(
            "job=rank needs a data set: dataset=FOLDER of nnU-Net raw (imagesTr, labelsTr, dataset.json) or Decathlon."
        )
    n_cases = len(choose(read_layout(Path(job["dataset"])), job["cases"], job["max_cases"]))
    with _bar("checking cases", "case", setting.progress, n_cases) as bar:
        task = open_dataset(
            job["dataset"], cases=job["cases"], max_cases=job["max_cases"], cache=setting.cache / "datasets",
            on_case=lambda _: bar.update(),
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
    if len(good) < 2:
        reasons = "".join(f"\n  {name}: {why}" for name, why in refused.items())
        raise InputError(f"a ranking needs at least 2 encoders, {len(good)} can read these data.{reasons}")
    return good, refused


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
        storage.write_signed(path, plan)
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
        return storage.read_signed(path)
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
    from tebench.runtime.workers import each
    from tebench.scoring.jackknife import score_kept

    with _bar(f"{prefix}drawing voxels", "case", setting.progress, len(task.cases)) as bar:
        sample = joined.load_or_draw(
            task, recipe, setting.seeds, setting.cache / "samples", on_case=lambda _: bar.update()
        )
    folders = extract_all(
        [(task, name, sample) for name in encoders], cache=setting.cache / "features", workers=setting.workers,
        progress=setting.progress, device=setting.device, decoder_seed=setting.decoder_seed, patch=setting.window,
        interpolation=setting.interpolation,
    )  # fmt: skip
    everything = with_parts(setting.requests, setting.preset)
    spelled = [request.spelled for request in everything]
    jobs = [(folder, task.name, spelled, setting.cache / "rank", setting.plugins) for folder in folders]
    kept = "what it kept is used again."
    found = each(score_kept, jobs, setting.workers, f"{prefix}scoring", progress=setting.progress, kept=kept)
    records = dict(zip(encoders, found, strict=True))
    found = _oriented(records, everything, encoders, task.n_foreground, setting)
    times = {}
    for name, folder in zip(encoders, folders, strict=True):
        manifest = cache.manifest(folder)
        scoring = sum(record["seconds"] for record in records[name])
        times[name] = {
            "extraction": manifest["seconds"], "forward": manifest["forward_seconds"], "scoring": scoring,
            "peak_mb": manifest["peak_memory_mb"],
        }  # fmt: skip
    return found, times


def _oriented(records: dict, requests: list[Request], encoders: list[str], n_foreground: int, setting: Setting) -> dict:
    from tebench.evaluation.ranking import Scores

    raw: dict[str, dict] = {}
    for name in encoders:
        for record in records[name]:
            arrays = [None if record[key] is None else np.array(record[key]) for key in ("scores", "left_out")]
            raw.setdefault(record["metric"], {})[name] = Scores(
                *arrays, record["status"], record["reason"], record["seconds"]
            )
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
        call = request.metric.function
        each = [{argument: table[:, i] for argument, table in tables.items()} for i in range(columns)]
        return np.array([call(part, n_foreground, **request.parameters) for part in each]).T

    try:
        values = over(lambda item: item.values)
        complete = all(of_part[name].left_out is not None for of_part in parts.values() for name in present)
        left = over(lambda item: item.left_out) if complete else None
        n_groups = next(iter(parts.values()))[present[0]].left_out.shape[1] if complete else 0
    except (InputError, NotApplicable) as error:
        return {**fused, **{n: Scores(None, None, "not_applicable", str(error), seconds[n]) for n in present}}
    note = f"fused without {', '.join(reasons)}" if reasons else ""
    for index, name in enumerate(present):
        left_out = None if left is None else left[index].reshape(-1, n_groups)
        fused[name] = Scores(values[index], left_out, "ok", note, seconds[name])
    return fused


def _bar(description: str, unit: str, show: bool, total: int | None = None):
    import sys

    from tqdm import tqdm

    # In a log file a line every 30 s instead of ten a second.
    interval = 0.2 if sys.stderr.isatty() else 30.0
    return tqdm(desc=description, unit=unit, total=total, disable=not show, leave=False, mininterval=interval)
