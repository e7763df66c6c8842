"""job=study: measure the suite's own choices on a benchmark and write the page, its rows and its figure."""

from __future__ import annotations

import sys
from pathlib import Path

from tebench.base import storage
from tebench.base.errors import InputError, unknown_name
from tebench.benchmark import ground_truth
from tebench.benchmark.extraction import feature_folders, read_pairs
from tebench.benchmark.spec import World, ground_truth_file, protocol_name, resolve
from tebench.metrics import presets
from tebench.metrics.registry import get, load_plugins
from tebench.scoring.score import folder_of


def run(config: dict) -> None:
    """Check everything that can be checked before computing, then run the study that job.study names."""
    studies = {"stages": _stages, "voxels": _voxels, "inference": _inference, "truths": _truths}
    if config["job"]["study"] not in studies:
        raise unknown_name("study", str(config["job"]["study"]), studies)
    load_plugins(config["plugins"])
    world = resolve(config)
    truth = ground_truth.of_world(world, ground_truth_file(config), protocol_name(config))
    folder = storage.make_folder(Path(config["job"]["folder"]))
    print(studies[config["job"]["study"]](config, world, truth, folder))


def _stages(config: dict, world: World, truth, folder: Path) -> str:
    from tebench.evaluation.pools import Pool
    from tebench.reporting import formats, style
    from tebench.research.studies import stages, stages_page

    policies = stages.check(config["job"]["policies"])
    metrics = stages.metrics_that_read_features(config["job"]["metrics"])
    pool = Pool(world.pool, world.encoders)
    scores = stages.score(
        feature_folders(world), metrics, policies, folder_of(world.cache), seed=world.seed, preset=presets.read(config),
        workers=world.workers, plugins=config["plugins"], progress=world.progress,
    )  # fmt: skip
    scores["pool"] = [pool.id if get(name).pool_dependent else "" for name in scores["metric"]]
    result = stages.evaluate(scores, truth, pool, seed=world.seed)
    overall, common, rankable = stages.averages(scores, truth, pool, seed=world.seed)
    titles = {metric.name: metric.title for metric in metrics}
    own = {m.name: " + ".join(get(p).stages for p in m.parts.values()) if m.parts else m.stages for m in metrics}
    text = stages_page.page(
        result, overall, common, rankable, policies, titles, own, command=_command(), figure="stages",
        protocol=protocol_name(config), sampling=world.sampling,
    )  # fmt: skip
    storage.write_text(folder / "stages.csv", formats.csv_text(result[list(stages_page.KEPT)]))
    storage.write_text(folder / "stages.md", text)
    style.save(stages_page.figure(result, policies, titles), folder, "stages")
    return f"{folder / 'stages.md'}: {len(metrics)} metrics under {len(policies)} stage policies"


def _voxels(config: dict, world: World, truth, folder: Path) -> str:
    from tebench.evaluation import arrays
    from tebench.evaluation.pools import Pool
    from tebench.features.sampling import Recipe, draw
    from tebench.reporting import formats, style
    from tebench.research.studies import draws, voxels, voxels_page
    from tebench.tasks import catalogue as tasks

    job = config["job"]
    sizes = voxels.check(job["sizes"], job["draws"], job["cases"])
    metrics = [get(name) for name in job["metrics"] or voxels.METRICS]
    recipe = Recipe(**world.sampling)
    large = draws.scaled(recipe, sizes[-1] * job["draws"])
    pairs = []
    for name in world.tasks:
        task = tasks.load(name)
        sample = draw(task, large, seed=world.seed, cases=tuple(task.cases[: job["cases"]]))
        pairs += [(task, encoder, sample) for encoder in world.encoders]
    folders = read_pairs(world, pairs)
    frame, distinct = voxels.score(
        folders, metrics, recipe, sizes, job["draws"], seed=world.seed, preset=presets.read(config),
        kept=world.cache / "studies", workers=world.workers, plugins=config["plugins"], progress=world.progress,
    )  # fmt: skip
    table = voxels.statistics(frame, truth, {metric.name: metric.direction for metric in metrics})
    titles = {metric.name: metric.title for metric in metrics}
    judged = arrays.truths(truth, world.tasks, Pool(world.pool, world.encoders), seed=world.seed)
    text = voxels_page.page(
        table, frame, distinct, recipe, titles, command=_command(), protocol=protocol_name(config),
        draws=job["draws"], cases=len(pairs[0][2].case_ids), encoders=world.encoders, figure="voxels",
        aside={task: item.reason for task, item in judged.items() if item.status != "ok"},
    )  # fmt: skip
    storage.write_text(folder / "voxels_scores.csv", formats.csv_text(frame.drop(columns="reason")))
    storage.write_text(folder / "voxels.csv", formats.csv_text(table))
    storage.write_text(folder / "voxels.md", text)
    style.save(voxels_page.figure(table, recipe, titles, world.encoders), folder, "voxels")
    return f"{folder / 'voxels.md'}: {len(metrics)} metrics at {len(sizes)} sizes, {job['draws']} draws each"


def _inference(config: dict, world: World, truth, folder: Path) -> str:
    import numpy as np

    from tebench.encoders import catalogue
    from tebench.evaluation.design import Design
    from tebench.reporting import formats
    from tebench.research.studies import inference, inference_page
    from tebench.tasks import catalogue as tasks

    design = Design.of(world.encoders, catalogue.design(world.encoders))
    designs = {world.pool: design, "larger": inference.larger()}
    few = np.array([tasks.load(name).n_foreground <= 2 for name in world.tasks])
    found = inference.study(designs, few, n_pools=config["job"]["pools"], seed=world.seed, progress=world.progress)
    texts = {world.pool: f"Pool {world.pool}: {design.text()}", "larger": f"To plan for: {designs['larger'].text()}"}
    text = inference_page.page(found, texts, len(few), int(few.sum()), command=_command())
    storage.write_text(folder / "inference.csv", formats.csv_text(found))
    storage.write_text(folder / "inference.md", text)
    return f"{folder / 'inference.md'}: {config['job']['pools']} simulated pools a line"


def _truths(config: dict, world: World, truth, folder: Path) -> str:
    import pandas as pd

    from tebench.evaluation import groundtruth, other_truths
    from tebench.reporting import formats
    from tebench.research.studies import truths, truths_page

    path = ground_truth_file(config)
    beside = path.with_name(f"{path.stem}_volumes.csv")
    if not beside.is_file():
        raise InputError(f"study truths reads Dice per volume and class from {beside}, which is not there.")
    volumes = other_truths.check(pd.read_csv(beside, dtype=str))
    volumes = volumes[volumes["task"].isin(world.tasks) & volumes["encoder"].isin(world.encoders)]
    protocols = [name for name in groundtruth.protocols(path) if name in set(volumes["protocol"])]
    rows = pd.concat([groundtruth.read(path, protocol=name) for name in protocols])
    tables = truths.measure(volumes, rows, sorted(world.encoders), protocols)
    text = truths_page.page(*tables, protocols, len(world.encoders), command=_command())
    storage.write_text(folder / "truths.csv", formats.csv_text(tables[0]))
    storage.write_text(folder / "truths.md", text)
    return f"{folder / 'truths.md'}: {len(other_truths.TRUTHS)} readings of {len(protocols)} protocols"


def _command() -> str:
    """The command as it was given, without the choices that do not change numbers."""
    quiet = ("cache=", "workers=", "progress=", "verbose=", "job.folder=", "output=")
    return " ".join(["python -m tebench", *(a for a in sys.argv[1:] if not a.startswith(quiet))])
