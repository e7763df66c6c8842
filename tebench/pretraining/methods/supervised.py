"""Supervised: segment the label map of another task's training image; the head is kept."""

from __future__ import annotations

from typing import Annotated

import torch
from torch import Tensor, nn

from tebench.encoders.source_head import Headed, SourceHead
from tebench.finetuning.loss import dice_cross_entropy
from tebench.metrics.parameters import Interval
from tebench.pretraining.draw import Draw


class Method(nn.Module):
    """loss = weighted cross-entropy + soft Dice over the source classes, as in nnU-Net.

    classes: names of the source classes, background first.   foreground: share of the crops that are centred on a
    voxel of a random foreground class.   Source: Isensee et al. 2021, doi:10.1038/s41592-020-01008-z; as pre-training
    for other organs: Wasserthal et al. 2023, arXiv 2208.05868; Huang et al. 2023 (STU-Net), arXiv 2304.06716.
    """

    def __init__(
        self,
        encoder: nn.Module,
        classes: tuple[str, ...],
        *,
        foreground: Annotated[float, Interval(0.0, 1.0)] = 0.8,
    ):
        super().__init__()
        self.encoder, self.head = encoder, SourceHead(encoder.stages, len(classes))
        self.classes, self.foreground = classes, foreground

    def loss(self, draw: Draw) -> Tensor:
        images, labels = self.batch(draw)
        return dice_cross_entropy(self.head(self.encoder(images)), labels, draw.volumes.class_weights)

    def batch(self, draw: Draw) -> tuple[Tensor, Tensor]:
        """Images (batch, 1, crop, crop, crop) and labels (batch, crop, crop, crop) of one step."""
        t = draw.training
        pairs = [self.crop(draw, t.crop, index) for index in range(t.batch)]
        return torch.stack([image for image, _ in pairs])[:, None], torch.stack([labels for _, labels in pairs])

    def crop(self, draw: Draw, size: int, index: int) -> tuple[Tensor, Tensor]:
        image, labels = draw.labelled(size, index, foreground=self.foreground)
        return draw.contrast(image, index), labels

    def headed(self) -> Headed:
        """Encoder and source head as one encoder."""
        return Headed(self.encoder, self.head, self.classes)
