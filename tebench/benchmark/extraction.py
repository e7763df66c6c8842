"""Feature folders of a benchmark: one sample a task, every encoder read at its voxels."""

from __future__ import annotations

import functools
from pathlib import Path

from tebench.benchmark.spec import World
from tebench.features.grid import extract_all
from tebench.features.sample_store import load_or_draw
from tebench.features.sampling import Recipe
from tebench.tasks import catalogue as tasks


def feature_folders(world: World) -> dict[tuple[str, str], Path]:
    """One sample a task, one feature folder a (task, encoder), made where missing."""
    recipe = Recipe(**world.sampling)
    pairs = []
    for name in world.tasks:
        task = tasks.load(name)
        folder = world.cache / "samples"
        sample = functools.cache(functools.partial(load_or_draw, task, recipe, seed=world.seed, cache=folder))
        pairs += [(task, encoder, sample) for encoder in world.encoders]
    return read_pairs(world, pairs)


def read_pairs(world: World, pairs: list[tuple]) -> dict[tuple[str, str], Path]:
    """Feature folder of every (task, encoder, sample or what gives it), each task read in its own window."""
    found: dict[tuple[str, str], Path] = {}
    # Tasks of one window together, so that workers share one queue and one bar wherever they can.
    each = list(dict.fromkeys(world.window_of(task.name) for task, _, _ in pairs))
    if len(each) > 1:  # all samples first: one that cannot be drawn is known before the first window's hours
        pairs = [(task, encoder, sample() if callable(sample) else sample) for task, encoder, sample in pairs]
    for window in each:
        mine = [pair for pair in pairs if world.window_of(pair[0].name) == window]
        folders = extract_all(
            mine,
            cache=world.cache / "features",
            workers=world.workers,
            progress=world.progress,
            device=world.device,
            decoder_seed=world.seed if world.decoder_seed is None else world.decoder_seed,
            patch=window,
            interpolation=world.interpolation,
            retry=world.retry,
        )
        found |= {(task.name, encoder): folder for (task, encoder, _), folder in zip(mine, folders, strict=True)}
    return {(task.name, encoder): found[task.name, encoder] for task, encoder, _ in pairs}
