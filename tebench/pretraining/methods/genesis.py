"""Models Genesis: restore a crop that was re-coloured, shuffled locally, and painted over inside or outside."""

from __future__ import annotations

from typing import Annotated

import numpy as np
import torch
from torch import Tensor, nn

from tebench.metrics.parameters import Interval
from tebench.pretraining.draw import Draw, _look_up
from tebench.pretraining.heads import Dense

Share = Annotated[float, Interval(0.0, 1.0)]


class Method(nn.Module):
    """loss = mean (x - f(T x))^2, T of four transformations, each with its own probability.

    recolour: a monotone transfer function (Bezier curve of two random control points), rising or falling.
    shuffle: voxels are permuted inside `windows` small random boxes.   paint: boxes of noise over the crop, inside
    (in-painting, `inside` of the time) or everywhere but in the boxes (out-painting).
    Source: Zhou et al. 2019, arXiv 1908.06912; 2020, arXiv 2004.07882.
    """

    def __init__(
        self,
        encoder: nn.Module,
        *,
        recolour: Share = 0.9,
        shuffle: Share = 0.5,
        windows: Annotated[int, Interval(1)] = 60,
        paint: Share = 0.9,
        inside: Share = 0.8,
    ):
        super().__init__()
        self.encoder, self.head = encoder, Dense(encoder.stages)
        self.recolour, self.shuffle, self.windows, self.paint, self.inside = recolour, shuffle, windows, paint, inside

    def loss(self, draw: Draw) -> Tensor:
        x = draw.batch()
        broken = torch.stack([self.breaks(crop[0], draw.rng("break", k)) for k, crop in enumerate(x)])[:, None]
        return ((self.head(self.encoder(broken)) - x) ** 2).mean()

    def breaks(self, crop: Tensor, rng: np.random.Generator) -> Tensor:
        """The four transformations of one (X, Y, Z) crop."""
        # Every number is drawn whether it is used or not.
        recolour, shuffle, paint, inside = rng.random(4) < (self.recolour, self.shuffle, self.paint, self.inside)
        table = bezier(rng)
        if recolour:
            crop = _look_up(crop, table)
        if shuffle:
            crop = local_shuffle(crop, rng, self.windows)
        return painted(crop, rng, inside=bool(inside)) if paint else crop


def bezier(rng: np.random.Generator) -> Tensor:
    """257 values of a cubic Bezier curve from (0, 0) to (1, 1), or half of the time from (0, 1) to (1, 0)."""
    t = np.linspace(0.0, 1.0, 1001)
    (x1, y1), (x2, y2) = rng.random((2, 2))
    x = 3 * (1 - t) ** 2 * t * x1 + 3 * (1 - t) * t**2 * x2 + t**3
    y = 3 * (1 - t) ** 2 * t * y1 + 3 * (1 - t) * t**2 * y2 + t**3
    values = np.interp(np.linspace(0.0, 1.0, 257), x, y)
    return torch.from_numpy(values if rng.random() < 0.5 else 1.0 - values).float()


def local_shuffle(crop: Tensor, rng: np.random.Generator, windows: int) -> Tensor:
    """Voxels permuted inside random boxes of 2 to 6 voxels an edge."""
    found = crop.clone()
    for _ in range(windows):
        size = rng.integers(2, 7, 3)
        box = tuple(slice(a, a + n) for a, n in zip(_corner(rng, crop.shape, size), size, strict=True))
        order = torch.from_numpy(rng.permutation(int(size.prod())))
        found[box] = crop[box].reshape(-1)[order].reshape(tuple(size))
    return found


def painted(crop: Tensor, rng: np.random.Generator, *, inside: bool) -> Tensor:
    """Up to five boxes of uniform noise over the crop; or noise everywhere but in them."""
    generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
    noise = torch.rand(crop.shape, generator=generator)
    edge = crop.shape[0]
    low, high = (edge // 6, edge // 3) if inside else (edge // 2, 4 * edge // 6)
    mask = torch.zeros(crop.shape, dtype=torch.bool)
    for _ in range(int(rng.integers(1, 6))):
        size = rng.integers(low, high + 1, 3)
        mask[tuple(slice(a, a + n) for a, n in zip(_corner(rng, crop.shape, size), size, strict=True))] = True
    return torch.where(mask if inside else ~mask, noise, crop)


def _corner(rng: np.random.Generator, shape, size) -> list[int]:
    return [int(rng.integers(0, edge - n + 1)) for edge, n in zip(shape, size, strict=True)]
