"""job=pretrain: weights for the small encoders, from a shape, a recipe, a dose and a seed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar, Literal

from tebench.base.errors import InputError
from tebench.benchmark.options import option
from tebench.benchmark.settings import Settings
from tebench.benchmark.spec import cache_folder
from tebench.metrics.parameters import Interval


@dataclass(frozen=True)
class Options:
    """Pre-train small encoders on packaged images, labelled or not (resumable).

    tebench pretrain method=[mae,simclr] dose=short
    tebench pretrain shape=unet_s method=sup_lobes
    """

    READS: ClassVar = ("seed",)

    shape: str = option("resenc_s", "architecture: resenc_s, unet_s or primus_s")
    method: tuple[str, ...] = option(("all",), "recipes of conf/pretraining: mae, [mae,sup_lobes], or all")
    dose: Literal["full", "short"] = option("full", "short: a sixth of the steps")
    steps: Annotated[int, Interval(1)] | None = option(None, "another number of steps; the encoder's name shows it")
    folder: str | None = option(None, "weights and records, two files an encoder; null: <cache>/pretraining")


def run(settings: Settings, options: Options) -> None:
    """Pre-train every method that `method` names, one after the other; print each weight file and its sha256."""
    from tqdm import tqdm

    from tebench.base import storage
    from tebench.pretraining import runs
    from tebench.pretraining.recipe import Recipe

    steps, dose = options.steps, options.dose
    if settings.device != "cpu":
        raise InputError(f"job=pretrain runs on the CPU: its weights are pinned by hash. Got device={settings.device}.")
    runs.twin_of(options.shape)
    recipes = [Recipe.load(name) for name in methods(options.method, options.shape)]
    lengths = [steps or recipe.steps(dose) for recipe in recipes]
    cache = storage.make_folder(cache_folder(settings) / "pretraining")
    folder = storage.make_folder(Path(options.folder).expanduser()) if options.folder else cache
    for recipe, length in zip(recipes, lengths, strict=True):
        name = runs.name_of(recipe.name, dose, settings.seed, steps, options.shape)
        with tqdm(total=length, desc=name, unit="step", disable=not settings.progress, mininterval=2.0) as bar:

            def step(at: int, loss: float, bar=bar) -> None:
                if not bar.n:
                    bar.initial = at - 1  # steps of an earlier session count as done, not as speed
                bar.update(at - bar.n)
                bar.set_postfix(loss=f"{loss:.4f}", refresh=False)

            path, found = runs.pretrain(
                recipe, shape=options.shape, dose=dose, seed=settings.seed, steps=steps, folder=folder, cache=cache,
                progress=step,
            )  # fmt: skip
        print(f"{path} sha256 {storage.sha256_file(path)}" + (" (was there)" if found else ""))


def methods(asked: tuple[str, ...], shape: str = "resenc_s") -> list[str]:
    """Recipe names; ("all",) is every one that can train `shape`."""
    from tebench.pretraining.methods import RESIDUAL_ONLY
    from tebench.pretraining.recipe import names

    wrong = set() if shape == "resenc_s" else set(RESIDUAL_ONLY)
    if asked == ("all",):
        return [name for name in names() if name not in wrong]
    if wrong & set(asked):
        raise InputError(
            f"method={min(wrong & set(asked))} is computed inside residual blocks: shape must be resenc_s, got {shape}."
        )
    return list(asked)
