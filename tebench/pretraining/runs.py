"""From a recipe, a dose and a seed to a weight file with its provenance record; finished work is kept."""

from __future__ import annotations

import importlib
import itertools
import logging
import platform
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from tebench.assets import catalogue as assets
from tebench.base import storage
from tebench.base.errors import CacheError, unknown_name
from tebench.pretraining import sources
from tebench.pretraining.recipe import Recipe
from tebench.runtime.threads import one_thread

log = logging.getLogger(__name__)

SHAPES = ("resenc_s", "unet_s", "primus_s")


def name_of(recipe: str, dose: str = "full", seed: int = 0, steps: int | None = None, shape: str = SHAPES[0]) -> str:
    """Name of an encoder and of its files: ssl_mae, ssl_mae_short, ssl_mae_seed1, unet_s_mae, resenc_s_sup_lobes.

    The self-supervised encoders of the first shape came before there were others, and are called ssl_.
    """
    first = shape == SHAPES[0] and not recipe.startswith("sup_")
    parts = [f"ssl_{recipe}" if first else f"{shape}_{recipe}"]
    parts += [f"steps{steps}"] if steps is not None else [dose] if dose != "full" else []
    return "_".join(parts + ([f"seed{seed}"] if seed else []))


def twin_of(shape: str) -> str:
    """The random encoder whose weights a shape's pre-trainings start from."""
    if shape not in SHAPES:
        raise unknown_name("shape", shape, SHAPES)
    return f"{shape}_random"


def key_of(recipe: Recipe, steps: int, seed: int, crops: tuple = sources.TRAINING, shape: str = SHAPES[0]) -> str:
    """Hash of all that determines the weights on one machine with one torch."""
    from tebench.encoders import catalogue
    from tebench.tasks import source_only

    twin = twin_of(shape)
    start = {"shape": catalogue.entry(twin).shape.version, "weights": catalogue.fingerprint(twin)}
    images = source_only.load(recipe.source).fingerprint if recipe.source else sources.fingerprint(crops)
    return storage.hash_json({"recipe": recipe.hash, "steps": steps, "seed": seed, "images": images, "start": start})


def pretrain(
    recipe: Recipe,
    *,
    shape: str = SHAPES[0],
    dose: str = "full",
    seed: int = 0,
    steps: int | None = None,
    folder: Path,
    cache: Path,
    every: int = 50,
    progress: Callable[[int, float], None] = lambda step, loss: None,
) -> tuple[Path, bool]:
    """(weight file, whether it was there already). The record is stored beside it, under the same name, as JSON."""
    name, wanted = name_of(recipe.name, dose, seed, steps, shape), steps or recipe.steps(dose)
    key = key_of(recipe, wanted, seed, shape=shape)
    path = Path(folder) / f"{name}.safetensors"
    if finished(path, key):
        return path, True
    with storage.locked(Path(cache) / name):
        if not finished(path, key):
            _train(recipe, shape, name, key, path, dose, wanted, seed, steps, Path(cache), every, progress)
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


def _train(recipe, shape, name, key, path, dose, steps, seed, asked, cache, every, progress) -> None:
    from tebench.encoders import catalogue
    from tebench.pretraining import train
    from tebench.pretraining.draw import Volumes

    with one_thread():
        unseen = Volumes(sources.HELD_OUT, sources.volumes(sources.HELD_OUT, cache))
        if recipe.source:
            from tebench.pretraining.labelled import Labelled

            seen = Labelled.of(recipe.source)
        else:
            seen = Volumes(sources.TRAINING, sources.volumes(sources.TRAINING, cache))
        twin = catalogue.entry(twin_of(shape))
        module = importlib.import_module(twin.shape.module)
        # Seed 0 starts from the random twin itself: the difference between the two is the pre-training alone.
        start = module.random(twin.seed + 1000 * seed, twin.facts, twin.shape.spec, twin.shape.stages)
        untrained, t = train.build(recipe, start, seed, seen), recipe.training
        checkpoint = cache / f"{name}.checkpoint.safetensors"
        outcome = train.run(
            recipe, start, seen, steps=steps, seed=seed, key=key, checkpoint=checkpoint, every=every, progress=progress
        )
        trained = outcome.method.headed() if recipe.source else outcome.encoder
        weights = {part: value.half().contiguous() for part, value in trained.state_dict().items()}
        # Held-out images carry no labels of the source, so a supervised loss is told of the training image alone.
        checked = {"training images": seen} | ({} if recipe.source else {"held-out images": unseen})
        checks = {
            "loss": {"curve": curve(outcome.losses)},
            "loss_on_fixed_crops": {
                state: {
                    words: round(train.loss_on(method, volumes, t, words.split()[0]), 5)
                    for words, volumes in checked.items()
                }
                for state, method in (("before", untrained), ("after", outcome.method))
            },
            "deepest_features_on_held_out_images": {
                state: train.spread(encoder, unseen)
                for state, encoder in (("before", start), ("after", outcome.encoder))
            },
        }
        if recipe.source:
            checks["dice_on_fixed_crops_of_the_training_image"] = train.source_dice(outcome.method, seen, t)
    from safetensors.torch import save

    data = save(weights)
    parameters = sum(value.numel() for part, value in weights.items() if not part.startswith("top."))
    command = f"python -m tebench job=pretrain {'' if shape == SHAPES[0] else f'shape={shape} '}method={recipe.name}"
    command += f" dose={dose} seed={seed}"
    known = {"source": recipe.source, "classes": list(seen.classes)} if recipe.source else {}
    record = {
        "name": name, "key": key, "method": recipe.name, "paper": recipe.paper, "dose": dose, "seed": seed,
        "shape": twin.shape.version, "steps": steps, **known,
        "command": command if asked is None else f"{command} steps={asked}",
        "config": {"training": asdict(recipe.training), "options": recipe.options}, "config_hash": recipe.hash,
        "weights": {"sha256": storage.sha256_bytes(data), "bytes": len(data), "dtype": "float16"},
        "images": [about(image) for image in images_of(recipe)],
        "held_out_images": [image.id for image in sources.HELD_OUT],
        "facts": facts(recipe, name, dose, steps, seed, parameters, shape),
        "cpu_seconds": round(outcome.seconds, 1), "versions": versions(), "machine": machine(), **checks,
    }  # fmt: skip
    # The record first: without the weights it stands for nothing.
    storage.write_json(path.with_suffix(".json"), record)
    with storage.atomic_path(path) as temporary:
        temporary.write_bytes(data)
    checkpoint.unlink(missing_ok=True)


def images_of(recipe: Recipe) -> tuple[sources.Image, ...]:
    """The images that a recipe trains on."""
    if not recipe.source:
        return sources.TRAINING
    from tebench.pretraining.labelled import images

    return images(recipe.source)


def facts(recipe: Recipe, name: str, dose: str, steps: int, seed: int, parameters: int, shape: str) -> dict:
    """The encoder's facts as plain values."""
    from tebench.encoders import catalogue

    twin = catalogue.facts(twin_of(shape))
    ids = [image.id for image in images_of(recipe)]
    if recipe.source:
        kind, data = "supervised", f"label map of {recipe.source} on {', '.join(ids)}"
    else:
        kind, data = "self-supervised", f"{len(ids)} unlabelled packaged images, 2 mm: {', '.join(ids)}"
    licences = dict.fromkeys(about(image)["licence"] for image in images_of(recipe))
    chosen = "" if shape == SHAPES[0] else f" shape={shape}"
    return {
        "name": name,
        "title": f"{twin.title.removesuffix(', random weights').removesuffix(' shape')}, {recipe.title}"
        + (", short" if dose == "short" else ""),
        "architecture": twin.architecture,
        "pretraining": f"{kind}: {recipe.title} ({recipe.paper}), {steps} steps",
        "training_data": data,
        "licence": "Apache-2.0; of the images: " + "; ".join(licences),
        "source": f"tebench, job=pretrain{chosen} method={recipe.name} dose={dose} seed={seed}",
        "n_parameters": parameters,
        "images": ids,
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
