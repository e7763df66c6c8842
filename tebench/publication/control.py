"""What a submission states besides its rows: environment, and scores under permuted labels."""

from __future__ import annotations

import dataclasses
import os
import platform

import numpy as np

from tebench.benchmark.extraction import feature_folders
from tebench.benchmark.spec import World
from tebench.scoring.compute import compute
from tebench.scoring.pool import pooled
from tebench.scoring.request import Request, direct, with_parts
from tebench.scoring.score import versions
from tebench.scoring.view import FeatureView


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
