"""SimCLR: two views of one place are near each other, views of other places are far."""

from __future__ import annotations

from typing import Annotated

from torch import Tensor, nn

from tebench.metrics.parameters import Interval
from tebench.pretraining.draw import Draw
from tebench.pretraining.heads import Pooled, nt_xent


class Method(nn.Module):
    """loss = NT-Xent of the projected pooled features of two views, deformed and coloured independently.

    shift: the centres of the two views differ by at most this many voxels an axis each.   temperature: of the loss.
    Source: Chen et al. 2020, arXiv 2002.05709.
    """

    def __init__(
        self,
        encoder: nn.Module,
        *,
        shift: Annotated[float, Interval(0.0)] = 4.0,
        temperature: Annotated[float, Interval(0.01)] = 0.2,
    ):
        super().__init__()
        self.encoder, self.head = encoder, Pooled(encoder.stages, 64)
        self.shift, self.temperature = shift, temperature

    def loss(self, draw: Draw) -> Tensor:
        first, second = (self.head(self.encoder(view)) for view in draw.pairs(self.shift))
        return nt_xent(first, second, self.temperature)
