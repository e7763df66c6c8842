"""Masked reconstruction: hide blocks of the crop, restore the hidden voxels."""

from __future__ import annotations

from typing import Annotated

from torch import Tensor, nn

from tebench.metrics.parameters import Interval
from tebench.pretraining.draw import Draw
from tebench.pretraining.heads import Dense
from tebench.pretraining.methods.masks import blocks, grow


class Method(nn.Module):
    """loss = mean over hidden voxels of (x - f(x masked))^2; hidden voxels are given as the crop's mean.

    block: edge of a hidden block, voxels.   share: of the blocks that are hidden.
    Source: He et al. 2022, arXiv 2111.06377; convolutional, as in Wald et al. 2024, arXiv 2410.23132.
    """

    def __init__(
        self,
        encoder: nn.Module,
        *,
        block: Annotated[int, Interval(2)] = 8,
        share: Annotated[float, Interval(0.05, 0.95)] = 0.6,
    ):
        super().__init__()
        self.encoder, self.head = encoder, Dense(encoder.stages)
        self.block, self.share = block, share

    def loss(self, draw: Draw) -> Tensor:
        x = draw.batch()
        cells = x.shape[-1] // self.block
        mask = grow(blocks(draw.rng("mask"), len(x), cells, self.share), self.block)
        hidden = x.lerp(x.mean((2, 3, 4), keepdim=True), mask.float())
        error = (self.head(self.encoder(hidden)) - x) ** 2
        return (error * mask).sum() / mask.sum()
