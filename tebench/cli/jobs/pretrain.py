"""job=pretrain: weights for the small encoders, from a shape, a recipe, a dose and a seed."""

from __future__ import annotations

from pathlib import Path

from tebench.base.errors import InputError
from tebench.benchmark.spec import cache_folder


def run(config: dict) -> None:
    """Pre-train every method that `method` names, one after the other; print each weight file and its sha256."""
    from tqdm import tqdm

    from tebench.base import storage
    from tebench.pretraining import runs
    from tebench.pretraining.recipe import Recipe

    job = config["job"]
    steps = job["steps"]
    if steps is not None and (type(steps) is not int or steps < 1):
        raise InputError(f"steps must be a whole number >= 1 or null, got {steps!r}.")
    if config["device"] != "cpu":
        raise InputError(
            f"job=pretrain runs on the CPU: its weights are pinned by hash. Got device={config['device']}."
        )
    shape = job["shape"]
    runs.twin_of(shape)
    recipes = [Recipe.load(name) for name in methods(job["method"], shape)]
    lengths = [steps or recipe.steps(job["dose"]) for recipe in recipes]
    cache = storage.make_folder(cache_folder(config) / "pretraining")
    folder = storage.make_folder(Path(job["folder"]).expanduser()) if job["folder"] else cache
    for recipe, length in zip(recipes, lengths, strict=True):
        name = runs.name_of(recipe.name, job["dose"], config["seed"], steps, shape)
        with tqdm(total=length, desc=name, unit="step", disable=not config["progress"], mininterval=2.0) as bar:

            def step(at: int, loss: float, bar=bar) -> None:
                if not bar.n:
                    bar.initial = at - 1  # steps of an earlier session count as done, not as speed
                bar.update(at - bar.n)
                bar.set_postfix(loss=f"{loss:.4f}", refresh=False)

            path, found = runs.pretrain(
                recipe, shape=shape, dose=job["dose"], seed=config["seed"], steps=steps, folder=folder, cache=cache,
                progress=step,
            )  # fmt: skip
        print(f"{path} sha256 {storage.sha256_file(path)}" + (" (was there)" if found else ""))


def methods(asked, shape: str = "resenc_s") -> list[str]:
    """Recipe names from a name, a list of names, or "all": every recipe that can train `shape`."""
    from tebench.pretraining.methods import RESIDUAL_ONLY
    from tebench.pretraining.recipe import names

    if asked == "all":
        return [name for name in names() if shape == "resenc_s" or name not in RESIDUAL_ONLY]
    chosen = [asked] if isinstance(asked, str) else asked
    if not isinstance(chosen, list) or not chosen or not all(isinstance(name, str) for name in chosen):
        raise InputError(f"method must be a name, a list of names, or all, got {asked!r}.")
    if len(set(chosen)) < len(chosen):
        raise InputError(f"method={chosen}: name each once.")
    if shape != "resenc_s" and (wrong := sorted(set(chosen) & set(RESIDUAL_ONLY))):
        raise InputError(f"method={wrong[0]} is computed inside residual blocks: shape must be resenc_s, got {shape}.")
    return chosen
