"""Sparse masked modelling (SparK, S3D): hidden cells are never computed, at any stage; the decoder restores them."""

from __future__ import annotations

from typing import Annotated

import torch
from torch import Tensor, nn
from torch.nn import functional

from tebench.encoders.resenc import SLOPE, ResEnc
from tebench.metrics.parameters import Interval
from tebench.pretraining.draw import Draw
from tebench.pretraining.heads import Dense
from tebench.pretraining.methods.masks import blocks, grow


class Method(nn.Module):
    """loss = mean over hidden patches of (x' - f(visible x))^2, x' the patch with mean 0 and deviation 1.

    A hidden cell is one cell of the deepest stage; after every convolution hidden cells are set to 0 again and
    normalisation counts visible cells only, which is what a sparse convolution computes. Each stage's hidden cells
    then receive a learned vector before the decoder.   share: of the cells that are hidden.   patch: edge of the
    patches that are normalised.   Source: Tian et al. 2023, arXiv 2301.03580; Wald et al. 2024, arXiv 2410.23132 (S3D).
    """

    def __init__(
        self,
        encoder: ResEnc,
        *,
        share: Annotated[float, Interval(0.05, 0.95)] = 0.6,
        patch: Annotated[int, Interval(2)] = 8,
    ):
        super().__init__()
        self.encoder, self.head = encoder, Dense(encoder.stages)
        self.tokens = nn.ParameterList([torch.zeros(1, stage.channels, 1, 1, 1) for stage in encoder.stages])
        self.share, self.patch = share, patch

    def loss(self, draw: Draw) -> Tensor:
        x = draw.batch()
        stride = self.encoder.stages[-1].stride
        hidden = blocks(draw.rng("mask"), len(x), x.shape[-1] // stride, self.share)
        maps = sparse_maps(self.encoder, x, ~hidden)
        filled = []
        for found, token, stage in zip(maps, self.tokens, self.encoder.stages, strict=True):
            filled.append(torch.where(grow(hidden, stride // stage.stride), token, found))
        mask = grow(hidden, stride)
        error = (self.head(filled) - standardised(x, self.patch)) ** 2
        return (error * mask).sum() / mask.sum()


def standardised(x: Tensor, patch: int) -> Tensor:
    """Every patch with mean 0 and deviation 1 (deviations below 0.02, flat patches, count as 0.02)."""
    b, c, *size = x.shape
    cells = [part for edge in size for part in (edge // patch, patch)]
    y = x.reshape(b, c, *cells)
    y = (y - y.mean((3, 5, 7), keepdim=True)) / y.std((3, 5, 7), keepdim=True).clamp(min=0.02)
    return y.reshape(x.shape)


def sparse_maps(encoder: ResEnc, x: Tensor, visible: Tensor) -> list[Tensor]:
    """The encoder's maps computed from visible cells only; hidden cells are 0.

    visible: (B, 1, x, y, z) bool, cells of the deepest stage.
    """
    deepest = encoder.stages[-1].stride

    def mask(stride: int) -> Tensor:
        return grow(visible, deepest // stride).float()

    def convolve(module: nn.Module, value: Tensor, stride: int) -> Tensor:
        """conv and norm of one `_Convolve`, then the activation where it has one."""
        seen = mask(stride)
        value = sparse_norm(module.norm, module.conv(value) * seen, seen)
        return functional.leaky_relu(value, SLOPE) if hasattr(module, "nonlin") else value

    value = convolve(encoder.stem.convs[0], x * mask(1), encoder.plan.stem_stride)
    found = []
    for level, stage in zip(encoder.levels, encoder.stages, strict=True):
        for block in level.blocks:
            shortcut = value
            for part in getattr(block, "skip", ()):
                pools = isinstance(part, nn.AvgPool3d)
                shortcut = part(shortcut) if pools else convolve(part, shortcut, stage.stride)
            inner = convolve(block.conv2, convolve(block.conv1, value, stage.stride), stage.stride)
            value = functional.leaky_relu(inner + shortcut, SLOPE)
        found.append(value)
    return found


def sparse_norm(norm: nn.InstanceNorm3d, value: Tensor, seen: Tensor) -> Tensor:
    """Instance normalisation whose mean and variance count visible cells only; hidden cells stay 0."""
    axes = (2, 3, 4)
    count = seen.sum(axes, keepdim=True)
    mean = value.sum(axes, keepdim=True) / count
    centred = (value - mean) * seen
    variance = (centred**2).sum(axes, keepdim=True) / count
    scaled = centred * (variance + norm.eps).rsqrt()
    weight, bias = (part.view(1, -1, 1, 1, 1) for part in (norm.weight, norm.bias))
    return (scaled * weight + bias) * seen
