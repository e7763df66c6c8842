"""A randomly initialised decoder of nnU-Net shape on any encoder: what the topology metric reads."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from tebench.base.errors import InputError
from tebench.encoders.base import Stage
from tebench.encoders.initialisation import he_normal, without_global_draws

SLOPE = 0.01


class _Merge(nn.Module):
    """Transposed convolution to the finer grid, skip concatenated, two convolutions."""

    def __init__(self, deep: int, skip: int, ratio: int):
        super().__init__()
        self.up = nn.ConvTranspose3d(deep, skip, ratio, ratio)
        layers = []
        for inside in (2 * skip, skip):
            layers += [
                nn.Conv3d(inside, skip, 3, padding=1),
                nn.InstanceNorm3d(skip, affine=True),
                nn.LeakyReLU(SLOPE),
            ]
        self.convolutions = nn.Sequential(*layers)

    def forward(self, deep: Tensor, skip: Tensor) -> Tensor:
        return self.convolutions(torch.cat([self.up(deep), skip], 1))


class RandomDecoder(nn.Module):
    """nnU-Net's decoder with He-normal weights (slope 0.01), frozen; one stage per skip [paper].

    stages: of the encoder, shallow to deep. Stage decoder.0 merges the deepest map with the one above
    it, the last merges with the shallowest; each has the channels and the stride of the map that it
    merges with, as nnU-Net does. Per stage: transposed convolution with kernel = stride = the ratio of
    the two strides (1 where they are equal: no upsampling), concatenation, then twice 3x3x3 convolution,
    instance normalisation with affine, leaky ReLU [choice: two convolutions, as plain nnU-Net].
    seed alone fixes the weights for given stages. Source: Isensee et al. 2021, doi:10.1038/s41592-020-01008-z.
    """

    @without_global_draws
    def __init__(self, stages: tuple[Stage, ...], seed: int = 0):
        super().__init__()
        self.encoder_stages = tuple(stages)
        if len(self.encoder_stages) < 2 or any(stage.kind != "encoder" for stage in self.encoder_stages):
            found = [stage.name for stage in self.encoder_stages]
            raise InputError(f"stages: a decoder needs at least two encoder stages, shallow to deep, got {found}.")
        own, merges = [], []
        deep = self.encoder_stages[-1]
        for index, skip in enumerate(reversed(self.encoder_stages[:-1])):
            if any(large % small for large, small in zip(deep.steps, skip.steps, strict=True)):
                raise InputError(
                    f"stages: the stride of {deep.name} ({deep.stride}) must be a multiple of the stride of "
                    f"{skip.name} ({skip.stride})."
                )
            ratio = tuple(large // small for large, small in zip(deep.steps, skip.steps, strict=True))
            merges.append(_Merge(deep.channels, skip.channels, ratio))
            deep = Stage(f"decoder.{index}", "decoder", skip.channels, skip.stride)
            own.append(deep)
        self.stages = tuple(own)
        self.merges = nn.ModuleList(merges)
        he_normal(self, seed=seed, slope=SLOPE)
        self.requires_grad_(False)
        self.eval()

    @torch.no_grad()
    def forward(self, maps: list[Tensor]) -> list[Tensor]:
        """The encoder's maps, shallow to deep -> the decoder's maps, deep to fine."""
        expected = [stage.channels for stage in self.encoder_stages]
        if [item.shape[1] for item in maps] != expected:
            raise InputError(
                f"maps: expected {len(expected)} maps of {expected} channels, got {[tuple(m.shape) for m in maps]}."
            )
        deep, found = maps[-1], []
        for merge, skip in zip(self.merges, reversed(maps[:-1]), strict=True):
            deep = merge(deep, skip)
            found.append(deep)
        return found
