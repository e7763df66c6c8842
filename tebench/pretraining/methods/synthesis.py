"""Label-to-image synthesis: segment images whose contrast was drawn at random, label by label."""

from __future__ import annotations

from typing import Annotated

import torch
from torch import Tensor, nn

from tebench.metrics.parameters import Interval
from tebench.pretraining.draw import Draw
from tebench.pretraining.methods import supervised


class Method(supervised.Method):
    """x = mean(label, bin) + deviation(label, bin) * noise, then bias field, blur, noise; segment the labels.

    bins: each label is split by the real image's intensity into this many equal steps of 0..1, each with a contrast of
    its own, so that structure inside a label survives without its contrast.   means are uniform on 0..1, deviations
    uniform on 0..`texture`.   Source: Billot et al. 2023 (SynthSeg), arXiv 2107.09559.
    """

    def __init__(
        self,
        encoder: nn.Module,
        classes: tuple[str, ...],
        *,
        foreground: Annotated[float, Interval(0.0, 1.0)] = 0.8,
        bins: Annotated[int, Interval(1)] = 3,
        texture: Annotated[float, Interval(0.0, 1.0)] = 0.12,
    ):
        super().__init__(encoder, classes, foreground=foreground)
        self.bins, self.texture = bins, texture

    def crop(self, draw: Draw, size: int, index: int) -> tuple[Tensor, Tensor]:
        image, labels = draw.labelled(size, index, foreground=self.foreground)
        return draw.contrast(self.paint(draw, image, labels, index), index), labels

    def paint(self, draw: Draw, image: Tensor, labels: Tensor, index: int) -> Tensor:
        """An image of the label map in a contrast of its own; air (0 in the image) stays 0."""
        rng = draw.rng("paint", index)
        kinds = len(self.classes) * self.bins
        means = torch.from_numpy(rng.random(kinds)).float()
        deviations = torch.from_numpy(rng.random(kinds) * self.texture).float()
        kind = labels * self.bins + (image * self.bins).long().clamp(0, self.bins - 1)
        generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
        painted = means[kind] + deviations[kind] * torch.randn(image.shape, generator=generator)
        return painted.clamp(0.02, 1.0).masked_fill((labels == 0) & (image < 0.01), 0.0)
