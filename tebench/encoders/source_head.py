"""The head of a supervised pre-training, kept: an encoder that also says which source class a voxel is.

What LEEP, NCE, PACTran and the zero-shot control read. The head is a light pyramid, the same for every shape.
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn
from torch.nn import functional

from tebench.base.errors import InputError
from tebench.encoders.base import Stage
from tebench.encoders.network import Encoder

FINEST = 2  # voxels a logit along each axis
WIDTH = 16


class SourceHead(nn.Module):
    """One map per stage -> logits (B, classes, X/2, Y/2, Z/2).

    A level for every power of two from 2 to the deepest stride; 1x1x1 laterals of `width` channels, top-down sums with
    trilinear upsampling, at each level a 3x3x3 convolution with instance normalisation and LeakyReLU .01.
    """

    def __init__(self, stages: tuple[Stage, ...], classes: int, width: int = WIDTH):
        super().__init__()
        strides = [stage.stride for stage in stages]
        if any(stride < FINEST or stride & (stride - 1) for stride in strides):
            raise InputError(f"source head: strides must be powers of two of at least {FINEST}, got {strides}.")
        self.strides = strides
        self.levels = [FINEST << k for k in range((max(strides) // FINEST).bit_length())]
        self.laterals = nn.ModuleList([nn.Conv3d(stage.channels, width, 1) for stage in stages])
        self.fuse = nn.ModuleDict({str(level): _block(width) for level in self.levels})
        self.last = nn.Conv3d(width, classes, 1)

    def forward(self, maps: list[Tensor]) -> Tensor:
        sums: dict[int, Tensor] = {}
        for stride, lateral, found in zip(self.strides, self.laterals, maps, strict=True):
            value = lateral(found)
            sums[stride] = sums[stride] + value if stride in sums else value
        total = None
        for level in reversed(self.levels):
            if total is None:
                total = sums[level]
            else:
                total = functional.interpolate(total, scale_factor=2, mode="trilinear", align_corners=False)
                total = total + sums[level] if level in sums else total
            total = self.fuse[str(level)](total)
        return self.last(total)


def _block(width: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv3d(width, width, 3, padding=1, bias=False), nn.InstanceNorm3d(width, affine=True), nn.LeakyReLU(0.01)
    )


class Headed(Encoder):
    """An encoder (`body`) under its source head (`top`); its stages and features are those of the body.

    classes: names of the source classes, background first.
    """

    def __init__(self, body: Encoder, top: SourceHead, classes: tuple[str, ...]):
        super().__init__(body.facts, body.spec, body.stages)
        self.minimum_patch = body.minimum_patch
        self.body, self.top, self.classes = body, top, tuple(classes)

    def prepare(self, x: Tensor) -> Tensor:
        return self.body.prepare(x)

    def maps(self, x: Tensor) -> list[Tensor]:
        return self.body.maps(x)

    @torch.no_grad()
    def head(self, x: Tensor) -> Tensor:
        """(B, C, X, Y, Z) normalised patch -> (B, classes, X, Y, Z) probabilities."""
        return self.head_from_maps(self(x), x)

    @torch.no_grad()
    def head_from_maps(self, maps: list[Tensor], x: Tensor) -> Tensor:
        """The same from the maps that `forward` gave for x: logits, interpolated to voxels, softmax."""
        logits = functional.interpolate(self.top(maps), scale_factor=FINEST, mode="trilinear", align_corners=False)
        return logits.softmax(1)

    def without_head(self) -> Encoder:
        return copy.deepcopy(self.body)
