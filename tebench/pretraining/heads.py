"""What stands on the encoder during pre-training and is thrown away after it."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from tebench.encoders.base import Stage


def _block(inside: int, out: int, kernel: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv3d(inside, out, kernel, padding=kernel // 2, bias=False), nn.InstanceNorm3d(out), nn.LeakyReLU(0.01)
    )


class Dense(nn.Module):
    """One map per stage -> (B, out, X, Y, Z): laterals, top-down sums, at the finest stage stride^3 values a cell."""

    def __init__(self, stages: tuple[Stage, ...], out: int = 1, width: int = 24):
        super().__init__()
        self.laterals = nn.ModuleList([nn.Conv3d(stage.channels, width, 1) for stage in stages])
        self.fuse = nn.ModuleList([_block(width, width, 3) for _ in stages])
        self.stride = stages[0].stride
        self.last = nn.Conv3d(width, out * self.stride**3, 1)

    def forward(self, maps: list[Tensor]) -> Tensor:
        total = None
        for level in reversed(range(len(maps))):
            lateral = self.laterals[level](maps[level])
            if total is not None:
                lateral = lateral + functional.interpolate(total, size=lateral.shape[2:], mode="nearest")
            total = self.fuse[level](lateral)
        return unfold(self.last(total), self.stride)


def unfold(x: Tensor, stride: int) -> Tensor:
    """(B, C s^3, x, y, z) -> (B, C, s x, s y, s z): the inverse of cutting cells of s^3 voxels."""
    b, c, *size = x.shape
    x = x.reshape(b, c // stride**3, stride, stride, stride, *size).permute(0, 1, 5, 2, 6, 3, 7, 4)
    return x.reshape(b, c // stride**3, *(edge * stride for edge in size))


class Pooled(nn.Module):
    """One map per stage -> (B, out): mean and maximum of the two deepest stages through two linear layers.

    The mean alone would say little: instance normalisation has set the mean of what the last activation receives.
    """

    def __init__(self, stages: tuple[Stage, ...], out: int, hidden: int = 128):
        super().__init__()
        inside = 2 * sum(stage.channels for stage in stages[-2:])
        self.layers = nn.Sequential(nn.Linear(inside, hidden), nn.ReLU(), nn.Linear(hidden, out))

    def forward(self, maps: list[Tensor]) -> Tensor:
        parts = [part for found in maps[-2:] for part in (found.mean((2, 3, 4)), found.amax((2, 3, 4)))]
        return self.layers(torch.cat(parts, 1))


def nt_xent(first: Tensor, second: Tensor, temperature: float) -> Tensor:
    """Mean of -log softmax(cos(z_i, z_j) / T) over the 2B views, j the other view of i, i itself left out.

    first, second: (B, D), row k of both from the same place. Source: Chen et al. 2020, arXiv 2002.05709.
    """
    z = functional.normalize(torch.cat([first, second]), dim=1)
    logits = (z @ z.T / temperature).masked_fill(torch.eye(len(z), dtype=torch.bool, device=z.device), float("-inf"))
    other = torch.arange(len(z), device=z.device).roll(len(first))
    return functional.cross_entropy(logits, other)
