"""The log of the variants: their mean weighted tau in every pool, in the order in which they were tried."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd

from tebench.base import storage
from tebench.base.errors import CacheError
from tebench.evaluation.correlation import weighted_tau
from tebench.research.variants import catalogue, compute
from tebench.runtime.workers import each


def scores(folders: dict[tuple[str, str], Path], kept: Path, *, workers: int, progress: bool) -> dict:
    """(task, encoder) -> one score a variant, computed where no file holds it."""
    key = storage.hash_json([[asdict(v) for v in catalogue.variants()], storage.sha256_file(Path(compute.__file__))])
    jobs = [(pair, folder, Path(kept) / f"{pair[0]}-{pair[1]}-{key[:16]}.json") for pair, folder in folders.items()]
    return dict(each(_score, jobs, workers, "variants", progress=progress, kept="finished pairs are kept."))


def _score(job) -> tuple[tuple[str, str], list[float]]:
    from tebench.features import cache

    pair, folder, path = job
    features = cache.header(folder)["feature_hash"]
    if path.exists():
        try:
            found = storage.read_sealed(path)
            if found["features"] == features:
                return pair, found["scores"]
        except (CacheError, KeyError):
            pass  # computed again below
    found = compute.scores(folder, catalogue.variants())
    storage.write_sealed(path, {"features": features, "scores": found})
    return pair, found


def table(
    found: dict, truths: dict[str, pd.DataFrame], pools: dict[str, list[str]], n_foreground: dict
) -> pd.DataFrame:
    """One row a variant and a fusion: what it is, and its mean tau over tasks in each pool under each protocol.

    found: (task, encoder) -> scores in the catalogue's order.   truths: protocol -> ground-truth frame.
    n_foreground: task -> foreground classes.
    """
    variants, fusions, tasks = catalogue.variants(), catalogue.fusions(), sorted(n_foreground)
    dice = {name: frame.groupby(["task", "encoder"])["value"].mean() for name, frame in truths.items()}
    rows = []
    for place, variant in enumerate(variants):

        def alone(task, members, place=place):
            return np.array([found[task, encoder][place] for encoder in members])

        own = asdict(variant) | {"everywhere": "", "boundary": "", "scaled": "", "gate": ""}
        rows.append(own | _taus(alone, dice, pools, tasks))
    for fusion in fusions:
        own = {"step": fusion.step, "scaled": fusion.scaled, "gate": fusion.gate}
        for part in ("everywhere", "boundary"):
            own[part] = catalogue.number(variants, getattr(fusion, part))
        rows.append(own | _taus(_fused(own, found, n_foreground), dice, pools, tasks))
    frame = pd.DataFrame(rows)
    frame.insert(0, "number", np.arange(1, len(frame) + 1))
    return frame


def _taus(values, dice, pools, tasks) -> dict[str, float]:
    """Column "pool protocol" -> mean over tasks. values(task, members): (K,) scores."""
    found = {}
    for pool, members in pools.items():
        given = {task: values(task, members) for task in tasks}
        for protocol, truth in dice.items():
            taus = [weighted_tau(given[task], truth[task].reindex(members).to_numpy()) for task in tasks]
            found[f"{pool} {protocol}"] = round(float(np.mean(taus)), 4)
    return found


def _fused(own, found, n_foreground):
    def values(task, members):
        alpha = (n_foreground[task] - 1) / (n_foreground[task] + 1) if own["gate"] == "released" else 0.5
        parts = [
            _scaled([found[task, e][own[part] - 1] for e in members], own["scaled"])
            for part in ("everywhere", "boundary")
        ]
        return alpha * parts[0] + (1 - alpha) * parts[1]

    return values


def _scaled(values, how):
    values = np.array(values)
    width = np.ptp(values)
    if width == 0:
        return np.zeros(len(values))
    return (values - values.min()) / width if how == "min-max" else (values - values.mean()) / values.std()
