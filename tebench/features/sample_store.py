"""Samples on disk: one safetensors file a task x recipe x seed, verified when read."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import TYPE_CHECKING

from tebench.base import storage
from tebench.base.errors import CacheError
from tebench.features.sample import Sample
from tebench.features.sampling import ARRAYS, Recipe, assemble, description, draw

if TYPE_CHECKING:
    from tebench.tasks.base import Task

logger = logging.getLogger(__name__)


def load_or_draw(task: Task, recipe: Recipe, seed: int, cache: Path) -> Sample:
    """The stored sample, or a new one stored in the folder `cache`; a damaged file is drawn again.

    task, recipe, seed: as in `sampling.draw`.
    """
    path = sample_path(task, recipe, seed, cache)
    sample = _read_or_none(path, task, recipe, seed)
    if sample is not None:
        return sample
    with storage.locked(path):
        # Another process may have written it while this one waited.
        sample = _read_or_none(path, task, recipe, seed, logging.DEBUG)
        if sample is None:
            sample = draw(task, recipe, seed=seed)
            write(path, sample)
    return sample


def sample_path(task: Task, recipe: Recipe, seed: int, cache: Path) -> Path:
    """Where the sample of this task, recipe and seed lies."""
    key = storage.hash_json(description(task, recipe, seed))
    return Path(cache) / f"{task.name}-{key[:16]}.safetensors"


def write(path: Path, sample: Sample) -> None:
    """Store a sample; the same sample always gives the same bytes."""
    from safetensors.numpy import save

    # One header entry: safetensors does not keep the order of several.
    header = {
        "task": sample.task,
        "classes": sample.classes,
        "case_ids": sample.case_ids,
        "recipe": sample.recipe,
        "hash": sample.hash,
    }
    data = save({name: getattr(sample, name) for name in ARRAYS}, {"sample": storage.canonical_json(header)})
    with storage.atomic_path(path) as temporary:
        temporary.write_bytes(data)


def read(path: Path) -> Sample:
    """The sample of a stored file; CacheError when it is missing, truncated, altered or something else."""
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        data = Path(path).read_bytes()
        arrays = load(data)
        header = json.loads(json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])["__metadata__"]["sample"])
        arrays = {name: arrays[name] for name in ARRAYS}
        sample = assemble(header["task"], header["classes"], header["case_ids"], arrays, header["recipe"])
        expected = header["hash"]
    except OSError as error:
        raise CacheError(f"sample {path} is not readable ({error.strerror}).") from error
    except (SafetensorError, KeyError, TypeError, ValueError) as error:
        raise CacheError(f"{path} is not a stored sample ({error}). Delete it to have it drawn again.") from error
    if sample.hash != expected:
        raise CacheError(f"sample {path} is damaged: its content does not match its hash. Delete it.")
    return sample


def _read_or_none(path: Path, task: Task, recipe: Recipe, seed: int, level: int = logging.WARNING) -> Sample | None:
    if not path.exists():
        return None
    try:
        sample = read(path)
    except CacheError as error:
        logger.log(level, "%s Drawing it again.", error)
        return None
    asked = description(task, recipe, seed)
    if {name: sample.recipe.get(name) for name in asked} != asked or sample.task != task.name:
        logger.log(level, "%s holds another sample than asked for. Drawing it again.", path)
        return None
    return sample
