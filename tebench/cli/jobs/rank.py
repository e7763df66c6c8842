"""job=rank: own data and own encoders, no ground truth. Which encoder first, how sure, and by which metric."""

from __future__ import annotations

import logging
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

import numpy as np

from tebench.base import storage
from tebench.base.errors import CacheError, InputError, NotApplicable, unknown_name
from tebench.benchmark.options import option
from tebench.benchmark.settings import Requested, Settings
from tebench.benchmark.spec import cache_folder, leaderboard_folder, recipe_of
from tebench.cli.bar import bar
from tebench.features import resampling
from tebench.features.distinct import Distinct, distinct
from tebench.features.sampling import Recipe
from tebench.metrics.parameters import Interval
from tebench.metrics.registry import get
from tebench.scoring import budget
from tebench.scoring.engine import score_all
from tebench.scoring.pool import fuse
from tebench.scoring.request import Request, part_requests, with_parts
from tebench.scoring.score import folder_of
from tebench.tasks.base import Task

if TYPE_CHECKING:
    import pandas as pd

log = logging.getLogger(__name__)

MOST_CLASSES = 8  # that are ranked by themselves unless they are named


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
    per_class: tuple[int, ...] = ()  # classes that are told from all others besides


@dataclass(frozen=True)
class Options:
    """Rank encoders for your own data, without ground truth.

    tebench rank dataset=Dataset001_Mine encoders=my_checkpoints minutes=10
    tebench rank dataset=FOLDER encoders=[FOLDER,FILE,NAME] metric=[logme,gbc]      the first of the list ranks
    tebench rank dataset=FOLDER encoders=FOLDER max_cases=20 window=[128,128,96] device=cuda
    """

    READS: ClassVar = ("encoders", "metric", "preset", "stages", "seed", "sampling", "protocol")
    # The leaderboard proposes the metric; own data may have small classes, and no published scores to agree with.
    USUAL: ClassVar = {"metric": "proposed", "sampling": "floor"}

    dataset: str | None = option(None, "folder with dataset.json (nnU-Net raw, Decathlon), or a JSON list of files")
    datasets: tuple[str, ...] | None = option(None, "several of them, with one joint table: datasets=[A,B]")
    cases: tuple[str, ...] | None = option(None, "only these cases: cases=[case_001,case_007]")
    exclude: tuple[str, ...] | None = option(None, "leave these cases out: exclude=[case_003]")
    skip_broken: bool = option(False, "true: cases with problems are left out and listed, not refused")
    max_cases: Annotated[int, Interval(1)] | None = option(
        None, "at most so many cases, chosen by a hash of their names"
    )
    geometry: Literal["file", "sform", "qform", "voxels"] = option(
        "file", "sform or qform of NIfTI headers first; voxels: image and label map paired as they are stored"
    )
    outside: bool = option(
        True, "false: refuse a dataset.json that names files outside its folder, for one that you did not write"
    )
    minutes: float | None = option(
        None, "budget: fewer cases and voxels, so that all is done in about this time; intervals get wider"
    )
    draws: Annotated[int, Interval(1)] = option(3, "draws of voxels, sampling seeds seed, seed + 1, ...")
    per_class: tuple[str, ...] | None = option(
        None, "classes ranked by themselves: per_class=[tumour]; null: the first 8; []: none", empty=True
    )
    twins: bool = option(True, "random weights of every architecture beside the encoders: what it gives untrained")
    window: tuple[Annotated[int, Interval(1)], ...] | None = option(
        None, "voxels read in one pass, such as [128,128,96]; null: each encoder's own patch"
    )
    folder: str | None = option(None, "where table, CSV and picture go; null: outputs/rank/<data set>")

    def __post_init__(self):
        budget.check(self.minutes)
        if self.window is not None and len(self.window) != 3:
            raise InputError(f"window must be three whole numbers such as [128,128,96], got {list(self.window)}.")


def run(settings: Settings, options: Options) -> None:
    """Check all that can be checked, keep to the budget, rank, and write the report; several sets also jointly."""
    from tebench.publication import recommend
    from tebench.reporting import ranking_joint

    begin = time.monotonic()
    # Every data set is opened before anything is computed, the leaderboard's statistics included.
    tasks = [_open(settings, options, path) for path in datasets_of(options)]
    if len({task.name for task in tasks}) < len(tasks):
        raise InputError(f"two data sets have one name: {', '.join(task.name for task in tasks)}. Rename a folder.")
    evidence = recommend.evidence(leaderboard_folder(None), settings.protocol["name"])
    metrics = chosen_metrics(settings, recommend.candidates(evidence))
    root = Path(options.folder or Path("outputs") / "rank")
    found = {}
    for number, task in enumerate(tasks):
        folder = storage.make_folder(root if options.folder and len(tasks) == 1 else root / task.name)
        # Equal parts: a part that depended on the clock would not find its plan again after an interruption.
        seconds = None if options.minutes is None else options.minutes * 60 / len(tasks)
        start = time.monotonic() if number else begin
        found[task.name] = rank(settings, options, task, evidence, metrics, folder, start, seconds)
    if len(tasks) > 1:
        print(ranking_joint.write(storage.make_folder(root), found))


def datasets_of(options: Options) -> list[str]:
    """The data sets that are asked for, one or several."""
    if (options.dataset is None) == (options.datasets is None):
        raise InputError(
            "job=rank needs a data set: dataset=FOLDER of nnU-Net raw (imagesTr, labelsTr, dataset.json) or Decathlon, "
            "or datasets=[A,B]."
        )
    paths = [options.dataset] if options.dataset is not None else list(options.datasets)
    if len(paths) > 1 and (options.cases or options.exclude or options.per_class):
        raise InputError("cases=, exclude= and per_class=[...] are for one data set; several were named.")
    return paths


def rank(
    settings: Settings, options: Options, task: Task, evidence: list, metrics: tuple[Requested, ...], folder: Path,
    begin: float, seconds: float | None,
) -> tuple[pd.DataFrame, str]:  # fmt: skip
    """Rank the encoders on one data set, write its report and print it; (rows of all metrics, the one that ranks).

    begin: when this data set's time began to count.   seconds: the budget, None for none.
    """
    from tebench.evaluation.ranking import compared
    from tebench.reporting import ranking as report
    from tebench.reporting import ranking_data

    names = [metric.name for metric, _ in metrics]
    setting = _setting(settings, options.draws, options.window, metrics)
    setting = replace(setting, per_class=classes_of(task, options.per_class))
    encoders, refused = usable(settings.encoders, task)
    encoders, grids, refused = on_their_grids(task, with_twins(encoders) if options.twins else encoders, refused)
    recipe, whole = Recipe(**recipe_of(settings)), task
    print("\n".join(beforehand(task, grids)), flush=True)
    notes = []
    if seconds is not None:
        task, recipe, notes = within(seconds, begin, task, recipe, encoders, setting)
    found, times = compute(task, recipe, encoders, setting)
    folders = {name: part["folder"] for name, part in times.items()}
    read = Read.of(task, folders, grids)
    ranked = report.ranked(found, names)
    main, why = report.choose(ranked, names, settings.metrics is not None, evidence, len(times))
    by_class = {
        task.classes[index]: report.ranked({main: of_class(task, folders, main, index, setting)}, [main])
        for index in setting.per_class
    }
    notes = [*data_notes(task, grids), *ranking_data.few_rows(read.distinct), *notes]
    text = report.write(
        folder, ranked, times,
        names=names, main=main, why=why, task=task, n_all=len(whole.cases), n_draws=len(setting.seeds),
        refused=refused, notes=notes, config=settings.record(asdict(options)), classes=read.classes,
        readings=read.readings, untrained=compared(found[main], twins_of(list(times))), by_class=by_class,
        seconds=time.monotonic() - begin,
    )  # fmt: skip
    print(text)
    return ranked, main


def with_twins(encoders: list[str]) -> list[str]:
    """The encoders, then a random-weights twin of each architecture among them that has none there yet."""
    from tebench.encoders import catalogue, twins

    found: dict[str, str] = {}
    for name in encoders:
        reading = catalogue.reading(name)
        shape = twins.shape_of(reading)
        if reading.facts.pretraining.startswith("none"):
            found[shape] = ""
        else:
            found.setdefault(shape, name + twins.MARK)
    return [*encoders, *(twin for twin in found.values() if twin)]


def twins_of(encoders: list[str]) -> dict[str, str]:
    """Encoder -> the encoder of its architecture with random weights, of those that have one among these."""
    from tebench.encoders import catalogue, twins

    readings = {name: catalogue.reading(name) for name in encoders}
    untrained = {twins.shape_of(r): name for name, r in readings.items() if r.facts.pretraining.startswith("none")}
    shapes = {name: twins.shape_of(reading) for name, reading in readings.items()}
    return {name: untrained[shape] for name, shape in shapes.items() if untrained.get(shape, name) != name}


def classes_of(task: Task, given: tuple[str, ...] | None) -> tuple[int, ...]:
    """Classes that are ranked by themselves: those that are named, or the first MOST_CLASSES; none of a single one."""
    if given is None:
        return tuple(range(1, len(task.classes)))[:MOST_CLASSES] if task.n_foreground > 1 else ()
    for name in given:
        if name not in task.classes[1:]:
            raise unknown_name(f"foreground class of {task.name}", name, task.classes[1:])
    return tuple(sorted(task.classes.index(name) for name in given))


def of_class(task: Task, folders: dict[str, Path], metric: str, index: int, setting: Setting) -> dict:
    """encoder -> Scores of one metric, oriented up, for telling one class from every other voxel."""
    requests = [request for request in setting.requests if request.metric.name == metric]
    one = replace(setting, requests=requests)
    found, _ = _scored(folders, task.name, 1, one, index, f"class {task.classes[index]}: ")
    return found[metric]


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
        from tebench.reporting import ranking_data

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
    from tebench.reporting import ranking_data

    facts = task.facts
    lines = [f"Data: {facts['note']}."] if facts["note"] else []
    if facts["excluded"]:
        lines.append(f"Left out by name: {', '.join(facts['excluded'])}.")
    if facts["left_out"]:
        lines.append(f"Left out as broken ({len(facts['left_out'])}):")
        lines += [f"  {case}: {'; '.join(problems)}" for case, problems in facts["left_out"].items()]
    from tebench.encoders import catalogue

    specs = {name: catalogue.reading(name).spec for name in grids}
    return [*lines, *ranking_data.few_voxels(grids), *ranking_data.zero_as_background(task, specs)]


def chosen_metrics(settings: Settings, proposed: list[str]) -> tuple[Requested, ...]:
    """The metrics to compute; the first is what the user or the leaderboard ranks by."""
    if settings.metrics is None:
        return tuple(settings.completed(get(name)) for name in proposed)
    for metric, _ in settings.metrics:
        if metric.reads == "elsewhere":
            raise InputError(f"metric {metric.name} reads ground truth of other tasks, which own data do not have.")
    return settings.metrics


def _setting(settings: Settings, draws: int, window, metrics: tuple[Requested, ...]) -> Setting:
    seed = settings.seed
    return Setting(
        requests=[Request.make(metric, given, settings.stages, seed) for metric, given in metrics],
        preset=settings.preset, seeds=[seed + number for number in range(draws)], cache=cache_folder(settings),
        window=window, workers=settings.workers, device=settings.device, progress=settings.progress, decoder_seed=seed,
        interpolation=settings.sampling["interpolation"], plugins=settings.plugins,
    )  # fmt: skip


def _open(settings: Settings, options: Options, path: str) -> Task:
    from tebench.tasks.dataset import open_dataset
    from tebench.tasks.survey import choose, read_layout

    cases, exclude = (None if names is None else list(names) for names in (options.cases, options.exclude))
    n_cases = len(choose(read_layout(Path(path), options.outside), cases, options.max_cases, exclude))
    with bar("checking cases", "case", settings.progress, n_cases) as shown:
        return open_dataset(
            path, cases=cases, exclude=exclude, max_cases=options.max_cases, skip_broken=options.skip_broken,
            geometry=options.geometry, outside=options.outside, cache=cache_folder(settings) / "datasets",
            on_case=lambda _: shown.update(),
        )  # fmt: skip


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
    folders = dict(zip(encoders, folders, strict=True))
    found, records = _scored(folders, task.name, task.n_foreground, setting, None, prefix)
    times = {}
    for name, folder in folders.items():
        manifest = cache.manifest(folder)
        times[name] = {
            "extraction": manifest["seconds"], "forward": manifest["forward_seconds"],
            "scoring": sum(score.seconds for score in records[name]), "peak_mb": manifest["peak_memory_mb"],
            "folder": folder,
        }  # fmt: skip
    return found, times


def _scored(
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
