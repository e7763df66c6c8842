"""Each study of a benchmark: computed, its page, rows and figure written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tebench.base import storage
from tebench.base.errors import InputError
from tebench.benchmark.extraction import feature_folders, read_pairs
from tebench.benchmark.settings import Settings
from tebench.benchmark.spec import World, ground_truth_file, protocol_name
from tebench.metrics.registry import get
from tebench.runtime.command import as_given
from tebench.scoring.score import folder_of


def study_stages(settings: Settings, options: Any, world: World, truth, folder: Path) -> str:
    from tebench.evaluation.pools import Pool
    from tebench.reporting import formats, style
    from tebench.research.studies import stages, stages_page

    policies = stages.check(list(options.policies))
    metrics = stages.metrics_that_read_features(options.metrics)
    pool = Pool(world.pool, world.encoders)
    scores = stages.score(
        feature_folders(world), metrics, policies, folder_of(world.cache), seed=world.seed, preset=settings.preset,
        workers=world.workers, plugins=settings.plugins, progress=world.progress,
    )  # fmt: skip
    scores["pool"] = [pool.id if get(name).pool_dependent else "" for name in scores["metric"]]
    result = stages.evaluate(scores, truth, pool, seed=world.seed)
    overall, common, rankable = stages.averages(scores, truth, pool, seed=world.seed)
    titles = {metric.name: metric.title for metric in metrics}
    own = {m.name: " + ".join(get(p).stages for p in m.parts.values()) if m.parts else m.stages for m in metrics}
    text = stages_page.page(
        result, overall, common, rankable, policies, titles, own, command=as_given(), figure="stages",
        protocol=protocol_name(settings), sampling=world.sampling,
    )  # fmt: skip
    storage.write_text(folder / "stages.csv", formats.csv_text(result[list(stages_page.KEPT)]))
    storage.write_text(folder / "stages.md", text)
    style.save(stages_page.figure(result, policies, titles), folder, "stages")
    return f"{folder / 'stages.md'}: {len(metrics)} metrics under {len(policies)} stage policies"


def study_voxels(settings: Settings, options: Any, world: World, truth, folder: Path) -> str:
    from tebench.evaluation import arrays
    from tebench.evaluation.pools import Pool
    from tebench.features.sampling import Recipe, draw
    from tebench.reporting import formats, style
    from tebench.research.studies import draws, voxels, voxels_page
    from tebench.tasks import catalogue as tasks

    sizes = voxels.check(list(options.sizes), options.draws, options.cases)
    metrics = [get(name) for name in options.metrics or voxels.METRICS]
    recipe = Recipe(**world.sampling)
    large = draws.scaled(recipe, sizes[-1] * options.draws)
    pairs = []
    for name in world.tasks:
        task = tasks.load(name)
        sample = draw(task, large, seed=world.seed, cases=tuple(task.cases[: options.cases]))
        pairs += [(task, encoder, sample) for encoder in world.encoders]
    folders = read_pairs(world, pairs)
    frame, distinct = voxels.score(
        folders, metrics, recipe, sizes, options.draws, seed=world.seed, preset=settings.preset,
        kept=world.cache / "studies", workers=world.workers, plugins=settings.plugins, progress=world.progress,
    )  # fmt: skip
    table = voxels.statistics(frame, truth, {metric.name: metric.direction for metric in metrics})
    titles = {metric.name: metric.title for metric in metrics}
    judged = arrays.truths(truth, world.tasks, Pool(world.pool, world.encoders), seed=world.seed)
    text = voxels_page.page(
        table, frame, distinct, recipe, titles, command=as_given(), protocol=protocol_name(settings),
        draws=options.draws, cases=len(pairs[0][2].case_ids), encoders=world.encoders, figure="voxels",
        aside={task: item.reason for task, item in judged.items() if item.status != "ok"},
    )  # fmt: skip
    storage.write_text(folder / "voxels_scores.csv", formats.csv_text(frame.drop(columns="reason")))
    storage.write_text(folder / "voxels.csv", formats.csv_text(table))
    storage.write_text(folder / "voxels.md", text)
    style.save(voxels_page.figure(table, recipe, titles, world.encoders), folder, "voxels")
    return f"{folder / 'voxels.md'}: {len(metrics)} metrics at {len(sizes)} sizes, {options.draws} draws each"


def study_inference(settings: Settings, options: Any, world: World, truth, folder: Path) -> str:
    import numpy as np

    from tebench.encoders import catalogue
    from tebench.evaluation.design import Design
    from tebench.reporting import formats
    from tebench.research.studies import inference, inference_page
    from tebench.tasks import catalogue as tasks

    design = Design.of(world.encoders, catalogue.design(world.encoders))
    designs = {world.pool: design, "larger": inference.larger()}
    few = np.array([tasks.load(name).n_foreground <= 2 for name in world.tasks])
    found = inference.study(designs, few, n_pools=options.pools, seed=world.seed, progress=world.progress)
    texts = {world.pool: f"Pool {world.pool}: {design.text()}", "larger": f"To plan for: {designs['larger'].text()}"}
    text = inference_page.page(found, texts, len(few), int(few.sum()), command=as_given())
    storage.write_text(folder / "inference.csv", formats.csv_text(found))
    storage.write_text(folder / "inference.md", text)
    return f"{folder / 'inference.md'}: {options.pools} simulated pools a line"


def study_truths(settings: Settings, options: Any, world: World, truth, folder: Path) -> str:
    import pandas as pd

    from tebench.evaluation import groundtruth, other_truths
    from tebench.reporting import formats
    from tebench.research.studies import truths, truths_page

    path = ground_truth_file(settings, options.target)
    beside = path.with_name(f"{path.stem}_volumes.csv")
    if not beside.is_file():
        raise InputError(f"study truths reads Dice per volume and class from {beside}, which is not there.")
    volumes = other_truths.check(pd.read_csv(beside, dtype=str))
    volumes = volumes[volumes["task"].isin(world.tasks) & volumes["encoder"].isin(world.encoders)]
    protocols = [name for name in groundtruth.protocols(path) if name in set(volumes["protocol"])]
    rows = pd.concat([groundtruth.read(path, protocol=name) for name in protocols])
    tables = truths.measure(volumes, rows, sorted(world.encoders), protocols)
    text = truths_page.page(*tables, protocols, len(world.encoders), command=as_given())
    storage.write_text(folder / "truths.csv", formats.csv_text(tables[0]))
    storage.write_text(folder / "truths.md", text)
    return f"{folder / 'truths.md'}: {len(other_truths.TRUTHS)} readings of {len(protocols)} protocols"


def study_processors(settings: Settings, options: Any, world: World, truth, folder: Path) -> str:
    import pandas as pd

    from tebench.benchmark.scores import direct_scores, refuse_failed
    from tebench.benchmark.spec import leaderboard_folder
    from tebench.publication import leaderboard_rows
    from tebench.publication.validation import MEASURED
    from tebench.reporting import formats
    from tebench.research.studies import processors
    from tebench.runtime import processor
    from tebench.scoring.score import frame

    published = leaderboard_rows.read(leaderboard_folder(None) / "results" / f"{world.name}.csv")
    requests = processors.requests(published, options.metrics)
    scores = frame(refuse_failed(direct_scores(world, requests, settings.plugins, settings.preset)))
    rows = leaderboard_folder(None) / MEASURED  # validation reads its tolerances from there
    kept = pd.read_csv(rows) if rows.is_file() else None
    measured = processors.measure(published, scores, processor.described(), kept)
    titles = {request.metric.name: request.metric.title for request in requests}
    storage.write_text(rows, formats.csv_text(measured))
    storage.write_text(folder / "processors.md", processors.page(measured, titles, command=as_given()))
    return f"{folder / 'processors.md'}: {processor.described()}"


STUDIES = {
    "stages": study_stages, "voxels": study_voxels, "inference": study_inference, "truths": study_truths,
    "processors": study_processors,
}  # fmt: skip
