"""job=score: the main job. Features -> cells -> pool -> correlation with ground truth -> table and figures."""

from __future__ import annotations

import logging

from tebench import storage
from tebench.cells import Request, score_encoder
from tebench.features import cache
from tebench.jobs.extract import feature_folders
from tebench.options import requested_metrics
from tebench.pool import elsewhere, fuse, with_parts
from tebench.world import World, ground_truth_file, resolve

log = logging.getLogger(__name__)


def run(config: dict) -> None:
    """Check everything that can be checked before computing, then score, correlate and write."""
    from tebench.evaluation import groundtruth
    from tebench.evaluation.pools import Pool
    from tebench.reporting import report

    world = resolve(config)
    requests = [
        Request.make(metric, parameters, config["stages"], world.seed)
        for metric, parameters in requested_metrics(config)
    ]
    source = ground_truth_file(config)
    truth = groundtruth.read(source, protocol=config["protocol"]["name"])
    groundtruth.require(truth, world.encoders, world.tasks)
    truth = truth[truth["task"].isin(world.tasks) & truth["encoder"].isin(world.encoders)].reset_index(drop=True)

    pool = Pool(world.pool, world.encoders)
    scores = score_world(world, requests, truth)
    scores["pool"] = [pool.id if dependent else "" for dependent in scores.pop("pool_dependent")]
    storage.write_json(world.output / "config.json", config)
    heading = f"{config['benchmark']['name']}: {config['benchmark']['title']}; protocol {config['protocol']['name']}"
    print(
        report.write(
            world.output, scores, truth, {r.metric.name: r.metric.direction for r in requests}, pool, seed=world.seed,
            titles={r.metric.name: r.metric.title for r in requests}, heading=heading,
        )
    )  # fmt: skip


def score_world(world: World, requests: list[Request], truth):
    """Long-form scores of all requested metrics over the world's tasks and encoders, one row a cell."""
    import pandas as pd
    from tqdm import tqdm

    from tebench.tasks import catalogue as tasks

    folders = feature_folders(world)
    everything = with_parts(requests)
    rows = []
    with tqdm(total=len(folders), desc="scoring", unit="encoder", disable=not world.progress) as bar:
        for name in world.tasks:
            cells = []
            for encoder in world.encoders:
                folder = folders[name, encoder]
                cells += score_encoder(
                    everything, name, encoder, cache.header(folder),
                    lambda folder=folder: cache.read(folder, verify=False), world.cache / "cells",
                )  # fmt: skip
                bar.update()
            n_foreground = tasks.load(name).n_foreground
            for request in everything:
                if request.metric.reads == "parts":
                    cells += fuse(request, cells, list(world.encoders), n_foreground)
                elif request.metric.reads == "elsewhere":
                    cells += elsewhere(request, cells, list(world.encoders), truth)
            rows += [cell for cell in cells if any(request.matches(cell) for request in requests)]
    frame = pd.DataFrame(rows)
    frame["pool_dependent"] = frame["metric"].map({r.metric.name: r.metric.pool_dependent for r in requests})
    if frame["status"].eq("failed").any():
        for cell in frame[frame["status"] == "failed"].itertuples():
            log.warning("%s failed on %s / %s: %s", cell.metric, cell.task, cell.encoder, cell.reason)
    return frame

