"""Volume Fusion: two crops are mixed by random boxes; the network says in which proportion, voxel by voxel."""

from __future__ import annotations

from typing import Annotated

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from tebench.metrics.parameters import Interval
from tebench.pretraining.draw import Draw
from tebench.pretraining.heads import Dense


class Method(nn.Module):
    """x = a x_1 + (1 - a) x_2 with a in {0, 1/K, ..., 1} constant in boxes; segment the K + 1 values of a.

    loss = cross-entropy + soft Dice over the K + 1 classes.   levels: K.   boxes: most boxes of a crop.
    Source: Wang et al. 2023, arXiv 2306.16925.
    """

    def __init__(
        self, encoder: nn.Module, *, levels: Annotated[int, Interval(2)] = 4, boxes: Annotated[int, Interval(1)] = 24
    ):
        super().__init__()
        self.encoder, self.head = encoder, Dense(encoder.stages, out=levels + 1)
        self.levels, self.boxes = levels, boxes

    def loss(self, draw: Draw) -> Tensor:
        x = draw.batch()
        size = x.shape[-1]
        # The second crop comes from its own place, mostly of another image.
        other = torch.stack([draw.crop(size, "other", index) for index in range(len(x))])[:, None]
        labels = torch.stack([fusion(draw.rng("fusion", k), size, self.levels, self.boxes) for k in range(len(x))])
        a = labels[:, None] / self.levels
        logits = self.head(self.encoder(a * x + (1 - a) * other))
        return functional.cross_entropy(logits, labels) + soft_dice(logits, labels)


def fusion(rng: np.random.Generator, size: int, levels: int, boxes: int) -> Tensor:
    """(size, size, size) int64 in 0..levels: random boxes of random level over level 0."""
    labels = torch.zeros((size,) * 3, dtype=torch.int64)
    for _ in range(int(rng.integers(boxes // 2, boxes + 1))):
        edges = rng.integers(max(2, size // 8), size // 2 + 1, 3)
        start = [int(rng.integers(0, size - n + 1)) for n in edges]
        box = tuple(slice(a, a + n) for a, n in zip(start, edges, strict=True))
        labels[box] = int(rng.integers(0, levels + 1))
    return labels


def soft_dice(logits: Tensor, labels: Tensor) -> Tensor:
    """1 - mean over classes of 2 sum(p y) / (sum(p) + sum(y)), sums over the batch; range 0..1."""
    p = logits.softmax(1)
    y = functional.one_hot(labels, logits.shape[1]).movedim(-1, 1).float()
    axes = (0, 2, 3, 4)
    dice = 2 * (p * y).sum(axes) / ((p + y).sum(axes) + 1e-5)
    return 1 - dice.mean()
