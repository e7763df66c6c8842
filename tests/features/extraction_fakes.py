"""A small convolutional encoder, a synthetic task and a sample: what extraction needs, without any download."""

from __future__ import annotations

import functools
import time

import numpy as np
import torch
from torch import nn

from tebench.base import storage
from tebench.encoders.base import EncoderFacts, InputSpec, Stage
from tebench.features import partial
from tebench.features.sample import Role, Sample
from tebench.tasks.base import Case, Task

# Every case is written at once, here and in each worker that unpickles an encoder of this file.
partial.KEEP_AFTER = 0.0
CLASSES = ("background", "ball", "shell")


def load_case(case_id: str, shape=(20, 24, 18), channels: int = 1, spacing=(1.0, 1.0, 1.0)) -> Case:
    """A ball in a shell in noise; the id alone fixes it."""
    rng = np.random.default_rng([7, int(case_id[4:])])
    grid = np.stack(np.meshgrid(*(np.arange(size) for size in shape), indexing="ij"), -1)
    radius = np.linalg.norm((grid - np.array(shape) / 2) / np.array(shape), axis=-1)
    labels = np.where(radius < 0.2, 1, np.where(radius < 0.35, 2, 0)).astype(np.int16)
    image = rng.uniform(0.5, 1.5, (channels, *shape)) + labels
    return Case(case_id, image.astype(np.float32), labels, spacing, "virtual")


def make_task(n_cases: int = 3, name: str = "balls", **options) -> Task:
    cases = tuple(f"case{index}" for index in range(n_cases))
    loader = functools.partial(load_case, **options)
    digest = storage.hash_json(
        [name, n_cases, sorted((key, np.ravel(value).tolist()) for key, value in options.items())]
    )
    return Task(name, "Balls", CLASSES, cases, (), {}, digest, loader)


def make_sample(task: Task, per_case: int = 50, seed: int = 0, shuffled: bool = True) -> Sample:
    rng = np.random.default_rng(seed)
    coordinates, labels, case = [], [], []
    for index, case_id in enumerate(task.cases):
        loaded = task.load(case_id)
        where = np.stack([rng.integers(0, size, per_case) for size in loaded.labels.shape], 1)
        coordinates.append(where)
        labels.append(loaded.labels[tuple(where.T)])
        case.append(np.full(per_case, index))
    order = rng.permutation(per_case * len(task.cases)) if shuffled else slice(None)
    coordinates = np.concatenate(coordinates).astype(np.int32)[order]
    labels = np.concatenate(labels).astype(np.int16)[order]
    case = np.concatenate(case).astype(np.int16)[order]
    role = np.full(len(labels), Role.GLOBAL, dtype=np.int8)
    patch = np.full(len(labels), -1, dtype=np.int32)
    digest = storage.hash_json([storage.hash_array(array) for array in (coordinates, labels, case)])
    return Sample(
        task.name, task.classes, task.cases, coordinates, labels, case, role, patch,
        {"seed": seed, "general": per_case}, digest, storage.hash_array(labels),
    )  # fmt: skip


class ConvEncoder(nn.Module):
    """Three strided convolutions.

    pause: seconds slept for every window.   broken: the stage that gives NaN.   passes: windows read so far.
    """

    def __init__(self, name: str = "conv", seed: int = 0, patch=(16, 16, 16), pause: float = 0.0, broken: int = -1):
        super().__init__()
        self.stages = tuple(Stage(f"encoder.{i}", "encoder", 4 * 2**i, 2**i) for i in range(3))
        self.facts = EncoderFacts(name, name, "conv", "none", "none", "none", "test", 0)
        self.name, self.fingerprint = name, f"conv-{seed}"
        self.spec = InputSpec(normalisation="zscore", patch=patch, divisor=4)
        self.pause, self.broken, self.passes = pause, broken, 0
        widths = (1, 4, 8, 16)
        self.layers = nn.ModuleList(nn.Conv3d(widths[i], widths[i + 1], 3, 1 if i == 0 else 2, 1) for i in range(3))
        generator = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            for parameter in self.parameters():
                parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.2)

    def forward(self, x):
        self.passes += len(x)
        time.sleep(self.pause * len(x))
        maps = []
        for index, layer in enumerate(self.layers):
            x = torch.tanh(layer(x))
            maps.append(x * float("nan") if index == self.broken else x)
        return maps


class ConvEncoderWithHead(ConvEncoder):
    def head(self, x):
        return torch.softmax(torch.cat([x, -x, 2 * x], dim=1), dim=1)
