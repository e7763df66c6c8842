"""One pre-training run: an encoder, one method's heads, many small steps."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from tebench.base.errors import TebenchError
from tebench.encoders.network import Encoder
from tebench.finetuning import checkpoint as checkpoints
from tebench.pretraining.draw import Draw, Volumes
from tebench.pretraining.methods import method_class
from tebench.pretraining.recipe import Recipe
from tebench.pretraining.training import Training, entropy

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Outcome:
    """The pre-trained encoder (trainable copy), the loss of every step, seconds of the process's CPU time."""

    encoder: Encoder
    method: torch.nn.Module
    losses: list[float]
    seconds: float


def learning_rate(step: int, steps: int, warmup: float) -> float:
    """Factor of the peak rate: linear warm-up, then half a cosine to zero. Range 0..1."""
    warm = warmup * steps
    if step < warm:
        return (step + 1) / (warm + 1)
    return 0.5 * (1 + math.cos(math.pi * (step - warm) / max(steps - warm, 1)))


def build(recipe: Recipe, encoder: Encoder, seed: int, volumes: Volumes | None = None) -> torch.nn.Module:
    """The method around a trainable copy of `encoder`; heads are drawn from (recipe, seed).

    volumes: what it will be trained on; needed by a supervised method, for the names of its classes.
    """
    given = (volumes.classes,) if recipe.source else ()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(entropy(recipe.name, seed, "heads"))
        return method_class(recipe.method)(encoder.trainable(), *given, **recipe.options)


def run(
    recipe: Recipe,
    encoder: Encoder,
    volumes: Volumes,
    *,
    steps: int,
    seed: int,
    key: str = "",
    checkpoint: Path | None = None,
    every: int = 50,
    progress: Callable[[int, float], None] = lambda step, loss: None,
) -> Outcome:
    """Train `steps` steps from the weights of `encoder`, which itself is not changed.

    checkpoint: where the state is left every `every` steps; one with the same `key` is continued and ends in the
    same bytes as a run without a break.
    """
    begun = time.process_time()
    t = recipe.training
    method = build(recipe, encoder, seed, volumes).to(memory_format=torch.channels_last_3d)
    parameters = dict(method.named_parameters())
    optimiser = torch.optim.AdamW(parameters.values(), lr=0.0, weight_decay=t.weight_decay)
    first, losses, before = 0, [], 0.0
    if checkpoint and (found := checkpoints.restore(checkpoint, key=key)):
        tensors, note = found
        _load(tensors, parameters, optimiser)
        first, losses, before = note["step"], note["losses"], note["seconds"]
        log.info("continues %s from step %d", checkpoint, first)
    for step in range(first, steps):
        for group in optimiser.param_groups:
            group["lr"] = t.lr * learning_rate(step, steps, t.warmup)
        optimiser.zero_grad(set_to_none=True)
        loss = method.loss(Draw(volumes, t, recipe.name, seed, "step", step))
        value = float(loss.detach())
        if not math.isfinite(value):
            raise TebenchError(f"pre-training {recipe.name!r}, seed {seed} diverged at step {step}. Lower its lr.")
        loss.backward()
        torch.nn.utils.clip_grad_norm_(list(parameters.values()), t.clip)
        optimiser.step()
        losses.append(value)
        progress(step + 1, value)
        if checkpoint and (step + 1) % every == 0 and step + 1 < steps:
            seconds = before + time.process_time() - begun
            state = _tensors(parameters, optimiser)
            checkpoints.save(checkpoint, state, key=key, step=step + 1, losses=losses, seconds=seconds)
    return Outcome(method.encoder, method, losses, before + time.process_time() - begun)


def _tensors(parameters: dict, optimiser) -> dict[str, torch.Tensor]:
    found = {f"weights/{name}": parameter for name, parameter in parameters.items()}
    for name, parameter in parameters.items():
        for part, value in optimiser.state.get(parameter, {}).items():
            found[f"adamw.{part}/{name}"] = value
    return found


@torch.no_grad()
def _load(tensors: dict[str, torch.Tensor], parameters: dict, optimiser) -> None:
    for name, parameter in parameters.items():
        parameter.copy_(tensors[f"weights/{name}"])
    for full, value in tensors.items():
        kind, _, name = full.partition("/")
        if kind.startswith("adamw."):
            optimiser.state[parameters[name]][kind.removeprefix("adamw.")] = value


@torch.no_grad()
def loss_on(method: torch.nn.Module, volumes: Volumes, training: Training, name: str, draws: int = 6) -> float:
    """Mean loss over fixed draws from `volumes`: the same draws for every state of the method."""
    losses = [float(method.loss(Draw(volumes, training, "loss", name, index))) for index in range(draws)]
    return sum(losses) / len(losses)


@torch.no_grad()
def source_dice(method: torch.nn.Module, volumes: Volumes, training: Training, draws: int = 12) -> dict[str, float]:
    """Dice of a supervised method's head with its source labels, by class, over fixed crops of the training image."""
    joint = torch.zeros(len(volumes.classes), len(volumes.classes), dtype=torch.float64)
    headed = method.headed()
    for index in range(draws):
        images, labels = method.batch(Draw(volumes, training, "source dice", index))
        found = headed.head(images).argmax(1)
        joint += torch.bincount((labels * len(joint) + found).flatten(), minlength=joint.numel()).view_as(joint)
    dice = 2 * joint.diagonal() / (joint.sum(0) + joint.sum(1)).clamp(min=1)
    return {name: round(float(value), 3) for name, value in zip(volumes.classes[1:], dice[1:], strict=True)}


@torch.no_grad()
def spread(encoder: Encoder, volumes: Volumes, crops: int = 12, size: int = 64) -> dict[str, float]:
    """How far the deepest features are from collapse, over the cells of fixed crops.

    effective_rank: exp of the entropy of the covariance's eigenvalues, 1..channels (Roy and Vetterli 2007,
    doi:10.5281/zenodo.40510).   mean_cosine: mean cosine of two cells' features, -1..1; near 1 means collapse.
    """
    draw = Draw(volumes, Training(), "spread")
    x = torch.stack([draw.crop(size, index) for index in range(crops)])[:, None]
    features = encoder(x)[-1].movedim(1, -1).flatten(0, -2).double()
    values = torch.linalg.eigvalsh(torch.cov(features.T)).clamp(min=0)
    p = values / values.sum()
    entropy = -(p * p.clamp(min=1e-12).log()).sum()
    unit = torch.nn.functional.normalize(features, dim=1)
    n = len(unit)
    cosine = (unit.sum(0).square().sum() - n) / (n * (n - 1))
    return {"effective_rank": round(float(entropy.exp()), 3), "mean_cosine": round(float(cosine), 4)}
