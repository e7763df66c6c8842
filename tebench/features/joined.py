"""Several draws of one task in one sample, so that every encoder is read once for all of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from tebench.base import storage
from tebench.base.errors import CacheError, InputError
from tebench.features import sample_store
from tebench.features.sample import Sample
from tebench.features.sampling import ARRAYS, Recipe, assemble, description, draw
from tebench.tasks.base import Task

ROWS = "rows_per_draw"


def load_or_draw(
    task: Task, recipe: Recipe, seeds: Sequence[int], cache: Path, on_case: Callable[[str], None] = lambda case: None
) -> Sample:
    """The draws of `seeds`, one behind the other; each is the sample that `sampling.draw` gives for its seed.

    The file of the joined sample is kept in `cache`. Every case is loaded once. on_case: called after each.
    """
    facts = _facts(task, recipe, seeds)
    path = Path(cache) / f"{task.name}-joined-{storage.hash_json(facts)[:16]}.safetensors"
    if path.exists():
        try:
            return sample_store.read(path)
        except CacheError:
            pass  # drawn again below
    parts: list[list[Sample]] = [[] for _ in seeds]
    for case_id in task.cases:
        case = task.load(case_id)
        held = replace(task, loader=lambda _, case=case: case)
        for found, seed in zip(parts, seeds, strict=True):
            found.append(draw(held, recipe, seed=seed, cases=(case_id,)))
        on_case(case_id)
    sample = _join(task, facts, parts)
    sample_store.write(path, sample)
    return sample


def draws_of(sample: Sample) -> list[np.ndarray]:
    """Row indices of each draw of a joined sample."""
    ends = np.cumsum(sample.recipe[ROWS])
    return [np.arange(end - n, end) for end, n in zip(ends, sample.recipe[ROWS], strict=True)]


def _facts(task: Task, recipe: Recipe, seeds: Sequence[int]) -> dict:
    if not seeds or len(set(seeds)) < len(seeds):
        raise InputError(f"joined sample: seeds must be different whole numbers, at least one, got {list(seeds)}.")
    facts = description(task, recipe, seeds[0])
    for seed in seeds:
        description(task, recipe, seed)  # checks it
    del facts["seed"]
    return {**facts, "seeds": [int(seed) for seed in seeds]}


def _join(task: Task, facts: dict, parts: list[list[Sample]]) -> Sample:
    arrays: dict[str, list[np.ndarray]] = {name: [] for name in ARRAYS}
    n_patches = 0
    for of_draw in parts:
        for index, part in enumerate(of_draw):
            for name in ("coordinates", "labels", "role"):
                arrays[name].append(getattr(part, name))
            arrays["case"].append(np.full(len(part), index, dtype=np.int16))
            arrays["patch"].append(np.where(part.patch >= 0, part.patch + n_patches, -1).astype(np.int32))
            n_patches += int(part.patch.max(initial=-1)) + 1
    rows = [sum(map(len, of_draw)) for of_draw in parts]
    whole = {name: np.concatenate(values) for name, values in arrays.items()}
    return assemble(task.name, task.classes, task.cases, whole, {**facts, ROWS: rows})
