"""From a recipe, a dose and a seed to a weight file with its provenance record; finished work is kept."""

from __future__ import annotations

import itertools
import logging
import platform
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from tebench.assets import catalogue as assets
from tebench.base import storage
from tebench.base.errors import CacheError
from tebench.pretraining import sources
from tebench.pretraining.recipe import Recipe
from tebench.runtime.threads import one_thread

log = logging.getLogger(__name__)

SHAPE, TWIN = "resenc_s", "resenc_s_random"


def name_of(method: str, dose: str = "full", seed: int = 0, steps: int | None = None) -> str:
    """Name of an encoder and of its files: ssl_mae, ssl_mae_short, ssl_mae_seed1, ssl_mae_steps3."""
    parts = [f"ssl_{method}"]
    parts += [f"steps{steps}"] if steps is not None else [dose] if dose != "full" else []
    return "_".join(parts + ([f"seed{seed}"] if seed else []))


def key_of(recipe: Recipe, steps: int, seed: int, crops: tuple = sources.TRAINING) -> str:
    """Hash of all that determines the weights on one machine with one torch."""
    from tebench.encoders import catalogue

    start = {"shape": catalogue.entry(TWIN).shape.version, "weights": catalogue.fingerprint(TWIN)}
    images = sources.fingerprint(crops)
    return storage.hash_json({"recipe": recipe.hash, "steps": steps, "seed": seed, "images": images, "start": start})


def pretrain(
    recipe: Recipe,
    *,
    dose: str = "full",
    seed: int = 0,
    steps: int | None = None,
    folder: Path,
    cache: Path,
    every: int = 50,
    progress: Callable[[int, float], None] = lambda step, loss: None,
) -> tuple[Path, bool]:
    """(weight file, whether it was there already). The record lies beside it, under the same name, as JSON."""
    name, wanted = name_of(recipe.name, dose, seed, steps), steps or recipe.steps(dose)
    key = key_of(recipe, wanted, seed)
    path = Path(folder) / f"{name}.safetensors"
    if finished(path, key):
        return path, True
    with storage.locked(Path(cache) / name):
        if not finished(path, key):
            _train(recipe, name, key, path, dose, wanted, seed, steps, Path(cache), every, progress)
    return path, False


def finished(path: Path, key: str) -> bool:
    """Whether the weights and their record are there, whole, and made by this recipe."""
    note = path.with_suffix(".json")
    if not (path.exists() and note.exists()):
        return False  # of a run that was killed between the two, or never was
    try:
        record = storage.read_json(note)
        if record["key"] != key:
            return False
        if storage.sha256_file(path) != record["weights"]["sha256"]:
            raise CacheError(f"{path} is damaged: its sha256 is not that of its record.")
        return True
    except (CacheError, OSError, KeyError, TypeError) as error:
        log.warning("%s and its record are not trusted, trained again: %s", path, error)
        return False


def _train(recipe, name, key, path, dose, steps, seed, asked, cache, every, progress) -> None:
    from tebench.encoders import catalogue, resenc_small
    from tebench.pretraining import train
    from tebench.pretraining.draw import Volumes

    with one_thread():
        seen, unseen = (Volumes(i, sources.volumes(i, cache)) for i in (sources.TRAINING, sources.HELD_OUT))
        twin = catalogue.entry(TWIN)
        # Seed 0 starts from the random twin itself: the difference between the two is the pre-training alone.
        start = resenc_small.random(twin.seed + 1000 * seed, twin.facts, twin.shape.spec, twin.shape.stages)
        untrained, t = train.build(recipe, start, seed), recipe.training
        checkpoint = cache / f"{name}.checkpoint.safetensors"
        outcome = train.run(
            recipe, start, seen, steps=steps, seed=seed, key=key, checkpoint=checkpoint, every=every, progress=progress
        )
        weights = {part: value.half().contiguous() for part, value in outcome.encoder.state_dict().items()}
        checks = {
            "loss": {"curve": curve(outcome.losses)},
            "loss_on_fixed_crops": {
                state: {
                    "training images": round(train.loss_on(method, seen, t, "training"), 5),
                    "held-out images": round(train.loss_on(method, unseen, t, "held-out"), 5),
                }
                for state, method in (("before", untrained), ("after", outcome.method))
            },
            "deepest_features_on_held_out_images": {
                state: train.spread(encoder, unseen)
                for state, encoder in (("before", start), ("after", outcome.encoder))
            },
        }
    from safetensors.torch import save

    data = save(weights)
    parameters = sum(value.numel() for value in weights.values())
    command = f"python -m tebench job=pretrain method={recipe.name} dose={dose} seed={seed}"
    record = {
        "name": name, "key": key, "method": recipe.name, "paper": recipe.paper, "dose": dose, "seed": seed,
        "shape": twin.shape.version, "steps": steps,
        "command": command if asked is None else f"{command} steps={asked}",
        "config": {"training": asdict(recipe.training), "options": recipe.options}, "config_hash": recipe.hash,
        "weights": {"sha256": storage.sha256_bytes(data), "bytes": len(data), "dtype": "float16"},
        "images": [about(image) for image in sources.TRAINING],
        "held_out_images": [image.id for image in sources.HELD_OUT],
        "facts": facts(recipe, name, dose, steps, seed, parameters),
        "cpu_seconds": round(outcome.seconds, 1), "versions": versions(), "machine": machine(), **checks,
    }  # fmt: skip
    # The record first: without the weights it stands for nothing.
    storage.write_json(path.with_suffix(".json"), record)
    with storage.atomic_path(path) as temporary:
        temporary.write_bytes(data)
    checkpoint.unlink(missing_ok=True)


def facts(recipe: Recipe, name: str, dose: str, steps: int, seed: int, parameters: int) -> dict:
    """The encoder's facts as plain values."""
    from tebench.encoders import catalogue

    twin = catalogue.facts(TWIN)
    images = ", ".join(image.id for image in sources.TRAINING)
    return {
        "name": name,
        "title": f"ResEnc-S, {recipe.title}" + (", short" if dose == "short" else ""),
        "architecture": twin.architecture,
        "pretraining": f"self-supervised: {recipe.title} ({recipe.paper}), {steps} steps",
        "training_data": f"6 unlabelled packaged images, 2 mm: {images}",
        "licence": "Apache-2.0; of the images: "
        + "; ".join(dict.fromkeys(about(i)["licence"] for i in sources.TRAINING)),
        "source": f"tebench, job=pretrain method={recipe.name} dose={dose} seed={seed}",
        "n_parameters": parameters,
        "images": [image.id for image in sources.TRAINING],
    }


def about(image: sources.Image) -> dict:
    """Where a source image comes from, with the pinned hash of its package."""
    package = assets.PACKAGES[image.package]
    return {
        "id": image.id, "package": package.name, "version": package.version, "package_sha256": package.sha256,
        "path": image.path, "licence": package.licence, "modality": image.modality, "weight": image.weight,
    }  # fmt: skip


def curve(losses: list[float], points: int = 10) -> list[float]:
    """Mean loss of up to `points` equal parts of the run."""
    edges = [round(len(losses) * k / points) for k in range(points + 1)]
    parts = [losses[a:b] for a, b in itertools.pairwise(edges) if b > a]
    return [round(sum(part) / len(part), 5) for part in parts]


def versions() -> dict[str, str]:
    import numpy
    import torch

    from tebench.base.version import __version__

    return {"tebench": __version__, "torch": torch.__version__, "numpy": numpy.__version__}


def machine() -> dict[str, str]:
    """Kind of machine; no name of a user or host."""
    return {"system": platform.system(), "machine": platform.machine(), "python": platform.python_version()}
