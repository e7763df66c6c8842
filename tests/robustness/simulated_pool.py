"""Simulated caches and rows of any size: manifests, scores, ground truth. No encoder was measured for them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd

from tebench.base import storage
from tebench.features import cache
from tebench.metrics import registry
from tebench.scoring.request import Request
from tebench.scoring.score import folder_of, made, versions
from tebench.scoring.score_file import path_of

METRICS = ("gbc", "logme")


def requests(metrics=METRICS) -> list[Request]:
    return [Request.make(registry.load()[name], {}, None, 0) for name in metrics]


def names(encoders: int, tasks: int) -> tuple[list[str], list[str]]:
    return [f"encoder{k:04d}" for k in range(encoders)], [f"task{k:03d}" for k in range(tasks)]


def truth(encoders: int, tasks: int, seeds: int = 3, seed: int = 0) -> pd.DataFrame:
    """Simulated Dice: an encoder's mean over tasks, a part of the task, and noise of the seed."""
    rng = np.random.default_rng(seed)
    own, (first, second) = rng.normal(0.6, 0.05, (encoders, 1)), names(encoders, tasks)
    mean = own + rng.normal(0, 0.03, (encoders, tasks))
    values = np.clip(mean[..., None] + rng.normal(0, 0.01, (encoders, tasks, seeds)), 0.06, 1).reshape(-1)
    index = pd.MultiIndex.from_product([first, second, range(seeds)], names=["encoder", "task", "seed"]).to_frame(
        index=False
    )
    return index.assign(protocol="simulated", metric="dsc", value=values)


def write(folder: Path, encoders: int, tasks: int, metrics=METRICS) -> dict[tuple[str, str], Path]:
    """A cache of feature manifests and scores as real runs leave it, with simulated scores; (task, encoder) -> folder.

    Features themselves, which only scoring reads, are not written.
    """
    asked, found = requests(metrics), {}
    dice = truth(encoders, tasks).groupby(["task", "encoder"])["value"].mean()
    rng = np.random.default_rng(1)
    stages = [{"name": f"encoder.{k}", "kind": "encoder", "channels": 32 * 2**k, "stride": 2**k} for k in range(5)]
    for task in names(encoders, tasks)[1]:
        for encoder in names(encoders, tasks)[0]:
            facts = dict.fromkeys(
                ("title", "architecture", "pretraining", "training_data", "licence", "source"), "simulated"
            )
            facts |= {"name": encoder, "n_parameters": 10**8, "images": []}
            parts = cache.made_from(
                task=task, task_fingerprint=task * 6, sample_hash=task * 6, encoder=encoder,
                encoder_fingerprint=encoder * 5, decoder_seed=0, interpolation="nearest", patch=(96, 96, 96),
                overlap=0.0,
            )  # fmt: skip
            manifest = {
                "made_from": parts, "key": storage.hash_json(parts), "encoder": facts, "rows": 20_000, "stages": stages,
                "files": {name: {"sha256": "0" * 64, "bytes": 0} for name in (cache.FEATURES, cache.SAMPLE)},
                "feature_hash": storage.hash_json([task, encoder]), "label_hash": storage.hash_json(task),
                "versions": versions(), "seconds": 60.0, "forward_seconds": 50.0, "peak_memory_mb": 1000.0,
                "device": "cpu", "input": {"patch": [96, 96, 96]},
            }  # fmt: skip
            place = found[task, encoder] = cache.folder_for(folder / "features", parts)
            _put(place / cache.MANIFEST, storage.seal(manifest))
            header = cache.header_of(manifest)
            for request in asked:
                value = float(dice[task, encoder] + rng.normal(0, 0.05))
                score = made(request, task, encoder, header, score=value, seconds=1.0, peak_mb=100.0).content()
                path = path_of(folder_of(folder), request, task, encoder, header)
                _put(path, storage.seal(score))
    return found


def _put(path: Path, content: dict) -> None:
    """As `storage.write_json`, without waiting for the disk."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, sort_keys=True, indent=1) + "\n", encoding="utf-8")


def rows(scores: pd.DataFrame) -> pd.DataFrame:
    """Leaderboard rows of a frame of scores."""
    known = registry.load()
    return scores.assign(
        title=[known[name].title for name in scores["metric"]],
        direction=[known[name].direction for name in scores["metric"]], n_foreground=1, pool="",
    )  # fmt: skip


def page(text: str, truth: pd.DataFrame) -> bytes:
    """The leaderboard's page of one board over one pool, as job=leaderboard makes it, without the figure files."""
    from tebench.evaluation.pools import Pool
    from tebench.publication import leaderboard_rows, publish
    from tebench.publication.boards import Board

    frame = leaderboard_rows.frame_of(text)
    pool = Pool("simulated", tuple(sorted(set(frame["encoder"]))))
    board = Board("simulated", "Simulated", frame, truth, (pool,), benchmark="starter")
    return publish.render([board], {}, draw=False)["index.html"]


def peak_mb() -> float:
    """Largest resident size of this process so far, files that it maps included."""
    text = Path("/proc/self/status").read_text(encoding="utf-8")
    return int(next(line for line in text.splitlines() if line.startswith("VmHWM")).split()[1]) / 1024
