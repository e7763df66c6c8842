"""The pretext of Swin UNETR: which rotation, what was cut out, which views belong together."""

from __future__ import annotations

from typing import Annotated

import torch
from torch import Tensor, nn
from torch.nn import functional

from tebench.metrics.parameters import Interval
from tebench.pretraining.draw import Draw
from tebench.pretraining.heads import Dense, Pooled, nt_xent
from tebench.pretraining.methods.masks import blocks, grow

Weight = Annotated[float, Interval(0.0)]


class Method(nn.Module):
    """loss = rotation * CE(k of k 90 degrees about z) + inpainting * mean |x - f(x cut)| + contrast * NT-Xent.

    Two views of every place, each rotated and cut on its own; the voxels of `share` of the blocks of 8^3 are 0.
    The recipe keeps flips and rotations of the augmentation small, or the rotation could not be told.
    Source: Tang et al. 2022, arXiv 2111.14791.
    """

    def __init__(
        self,
        encoder: nn.Module,
        *,
        rotation: Weight = 1.0,
        inpainting: Weight = 4.0,
        contrast: Weight = 1.0,
        share: Annotated[float, Interval(0.05, 0.95)] = 0.3,
        shift: Weight = 3.0,
        temperature: Annotated[float, Interval(0.01)] = 0.5,
    ):
        super().__init__()
        self.encoder, self.dense = encoder, Dense(encoder.stages)
        self.turn, self.project = Pooled(encoder.stages, 4), Pooled(encoder.stages, 64)
        self.weights = (rotation, inpainting, contrast)
        self.share, self.shift, self.temperature = share, shift, temperature

    def loss(self, draw: Draw) -> Tensor:
        x = torch.cat(draw.pairs(self.shift))
        turns = draw.rng("turns").integers(0, 4, len(x))
        x = torch.stack([crop.rot90(int(k), (1, 2)) for crop, k in zip(x, turns, strict=True)])
        mask = grow(blocks(draw.rng("mask"), len(x), x.shape[-1] // 8, self.share), 8)
        maps = self.encoder(x.masked_fill(mask, 0.0))
        turned = functional.cross_entropy(self.turn(maps), torch.from_numpy(turns))
        restored = (self.dense(maps) - x).abs().mean()
        contrast = nt_xent(*self.project(maps).chunk(2), self.temperature)
        return sum(weight * part for weight, part in zip(self.weights, (turned, restored, contrast), strict=True))
