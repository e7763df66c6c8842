"""job=submit: one metric on the whole benchmark, with all that validation wants to see, in one file."""

from __future__ import annotations

import dataclasses
import os
import platform
from pathlib import Path

import numpy as np

from tebench.base import storage
from tebench.base.errors import InputError, unknown_name
from tebench.benchmark import ground_truth
from tebench.benchmark.extraction import feature_folders
from tebench.benchmark.scores import score_world
from tebench.benchmark.spec import World, ground_truth_file, protocol_name, published, resolve
from tebench.cli.options import requested_metrics
from tebench.metrics import presets, registry
from tebench.publication import leaderboard_rows, submission
from tebench.scoring.compute import compute
from tebench.scoring.pool import pooled
from tebench.scoring.request import Request, direct, with_parts
from tebench.scoring.score import frame, versions
from tebench.scoring.view import FeatureView


def run(config: dict) -> None:
    """Score, control, claim, write; print where."""
    from tebench.evaluation.pools import Pool
    from tebench.publication.validation import claims

    config = published(config)
    chosen, known = requested_metrics(config), registry.load()
    if len(chosen) != 1:
        raise InputError(f"one file holds one metric: metric=NAME, got {len(chosen)} metrics.")
    if config["encoders"] or config["tasks"] or config["stages"] or presets.read(config):
        raise InputError("a submission covers the whole benchmark: without encoders=, tasks=, stages= and preset=.")
    metric, parameters = chosen[0]
    beside = [name for name in config["job"]["beside"] if name != metric.name]
    for name in beside:
        if name not in known:
            raise unknown_name("metric", name, known)
    world = resolve(config)
    request = Request.make(metric, parameters, None, world.seed)
    truth = ground_truth.of_world(world, ground_truth_file(config), protocol_name(config))
    pool = Pool(world.pool, world.encoders)
    requests = [request, *(Request.make(known[name], {}, None, world.seed) for name in beside)]
    rows = leaderboard_rows.from_scores(frame(score_world(world, requests, truth, config["plugins"])))
    facts = {
        "format": submission.FORMAT, "benchmark": world.name, "protocol": protocol_name(config), "metric": metric.name,
        "source_sha256": storage.sha256_file(Path(metric.source)), "beside": beside, "environment": environment(),
        "claims": claims(rows[rows["metric"] == metric.name], truth, pool)[metric.name],
        "control": control(world, request),
    }  # fmt: skip
    path = Path(config["job"]["file"] or world.output / f"{metric.name}.csv").expanduser()
    storage.write_text(path, submission.text(facts, rows))
    print(f"{path}\nLook it over with: tebench validate {path}")


def environment() -> dict:
    """What the numbers were made with; no name of a user or machine."""
    return {**versions(), "system": platform.system(), "machine": platform.machine(), "cores": os.cpu_count()}


def control(world: World, request: Request) -> dict[str, dict[str, float | None]]:
    """Scores with the labels permuted within each case, task -> encoder; {} for a metric that reads no labels."""
    from tebench.features import cache
    from tebench.tasks import catalogue

    if request.metric.reads in ("facts", "elsewhere"):
        return {}
    folders, needed = feature_folders(world), with_parts([request])
    found = {}
    for task in world.tasks:
        scores = []
        for encoder in world.encoders:
            features = permuted(cache.read(folders[task, encoder], verify=False), world.seed)
            view = FeatureView(lambda features=features: features, task)
            header = cache.header(folders[task, encoder])
            scores += [compute(one, task, encoder, header, view) for one in direct(needed)]
        if request.metric.reads == "parts":
            scores = pooled(request, scores, list(world.encoders), catalogue.load(task).n_foreground)
        found[task] = {score.encoder: score.score for score in scores if request.matches(score)}
    return found


def permuted(features, seed: int):
    """The same features with the labels of each case in random order: what is left is not about labels."""
    rng, sample = np.random.default_rng([seed, 7]), features.sample
    labels = np.array(sample.labels)
    for case in np.unique(sample.case):
        rows = np.flatnonzero(sample.case == case)
        labels[rows] = labels[rng.permutation(rows)]
    return dataclasses.replace(features, sample=dataclasses.replace(sample, labels=labels))
