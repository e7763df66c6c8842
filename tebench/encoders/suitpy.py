"""The isolation network of suitpy (cerebellum and brain stem on T1 and T2), from its pickle of numpy arrays.

A 3D U-Net: two 3x3x3 convolutions with affine instance normalisation and LeakyReLU .01 a stage, 16, 32, 64, 128, 128
channels at strides 1, 2, 4, 8, 16, strided convolutions between them. The package reads a cube of 128 mm around the
cerebellum at 1 mm, whose first axis runs from right to left, z-scored over the cube; an absent T2 is all zeros, as it
is here. Source: package suitpy 2.1.2 (https://github.com/DiedrichsenLab/SUITPy), after Diedrichsen 2006,
doi:10.1016/j.neuroimage.2006.05.056. Module names are the package's.
"""

from __future__ import annotations

from collections import OrderedDict

import torch
from torch import Tensor, nn

from tebench.encoders import array_pickle
from tebench.encoders.base import EncoderFacts, InputSpec, Stage
from tebench.encoders.initialisation import he_normal, without_global_draws
from tebench.encoders.network import Encoder, same_weights

SLOPE = 0.01
_WIDTHS = (16, 32, 64, 128, 128)
# Mean and deviation of the package's cube on its own template in unit range, the same for all windows [choice]:
# instance normalisation follows every convolution, so the two act through the zero padding at borders only.
UNIT_MEAN, UNIT_STD = 0.49, 0.3
_LEFT_RIGHT = 2  # axis of (B, C, X, Y, Z)


def _layer(*plan: tuple[int, int, int]) -> nn.Sequential:
    """(inside, out, stride) a convolution, each with norm and activation, numbered as in the package."""
    parts: list[nn.Module] = []
    for inside, out, stride in plan:
        parts += [nn.Conv3d(inside, out, 3, stride, 1), nn.InstanceNorm3d(out, affine=True), nn.LeakyReLU(SLOPE)]
    return nn.Sequential(OrderedDict(layer=nn.Sequential(*parts)))


class Suitpy(Encoder):
    """The encoder stages alone."""

    def __init__(self, facts: EncoderFacts, spec: InputSpec, stages: tuple[Stage, ...]):
        super().__init__(facts, spec, stages)
        self.minimum_patch = 2 * stages[-1].stride  # instance normalisation needs more than one cell
        for number, (inside, out) in enumerate(zip((2, *_WIDTHS[:-1]), _WIDTHS, strict=True), 1):
            self.add_module("bottleneck" if number == 5 else f"enc{number}", _layer((inside, out, 1), (out, out, 1)))
            if number < 5:
                self.add_module(f"down{number}", _layer((out, out, 2)))

    def prepare(self, x: Tensor) -> Tensor:
        x = (x.flip(_LEFT_RIGHT) - UNIT_MEAN) / UNIT_STD
        return torch.cat([x, torch.zeros_like(x)], 1)

    def own_maps(self, x: Tensor) -> list[Tensor]:
        """Maps of T1 and T2 (B, 2, ...) as the package orders them, right to left."""
        maps = [self.enc1(x)]
        for number in (2, 3, 4, 5):
            block = self.bottleneck if number == 5 else self.get_submodule(f"enc{number}")
            maps.append(block(self.get_submodule(f"down{number - 1}")(maps[-1])))
        return maps

    def maps(self, x: Tensor) -> list[Tensor]:
        return [found.flip(_LEFT_RIGHT) for found in self.own_maps(x)]


class _Up(nn.Module):
    """Transposed convolution, then the skip map behind it, then a convolution to the same width."""

    def __init__(self, channels: int):
        super().__init__()
        transposed = nn.ConvTranspose3d(channels, channels, 2, 2)
        self.up = nn.Sequential(transposed, nn.InstanceNorm3d(channels, affine=True), nn.LeakyReLU(SLOPE))
        self.layer = _layer((2 * channels, channels, 1)).layer

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        return self.layer(torch.cat([self.up(x), skip], 1))


class SuitpySegmenter(Suitpy):
    """The whole packaged network; its head tells background (0) from cerebellum with brain stem (1)."""

    def __init__(self, facts: EncoderFacts, spec: InputSpec, stages: tuple[Stage, ...]):
        super().__init__(facts, spec, stages)
        for number, (inside, out) in enumerate(((16, 2), (32, 16), (64, 32), (128, 64)), 1):
            self.add_module(f"up{number}", _Up(inside))
            self.add_module(f"dec{number}", _layer((inside, out, 1), (out, out, 1)))

    @torch.no_grad()
    def head(self, x: Tensor) -> Tensor:
        """(B, 1, X, Y, Z) normalised patch -> (B, 2, X, Y, Z) probabilities."""
        self.check(x)
        return self.head_from_maps(self.maps(self.prepare(x)), x)

    @torch.no_grad()
    def head_from_maps(self, maps: list[Tensor], x: Tensor) -> Tensor:
        """The same from the maps of the patch `x`, without a second pass."""
        return self.own_head([found.flip(_LEFT_RIGHT) for found in maps]).flip(_LEFT_RIGHT)

    def own_head(self, maps: list[Tensor]) -> Tensor:
        *skips, x = maps
        for number, skip in zip((4, 3, 2, 1), reversed(skips), strict=True):
            x = self.get_submodule(f"dec{number}")(self.get_submodule(f"up{number}")(x, skip))
        return x.softmax(1).flip(1)  # the package's first class is the structure

    @without_global_draws
    def without_head(self) -> Suitpy:
        return same_weights(Suitpy(self.facts, self.spec, self.stages), self)


@without_global_draws
def load(data: bytes, facts: EncoderFacts, spec: InputSpec, stages: tuple[Stage, ...]) -> SuitpySegmenter:
    """The packaged network from the bytes of its pickle, of which arrays alone are read; every name must match."""
    network = SuitpySegmenter(facts, spec, stages)
    found = array_pickle.arrays(data, f"encoder {facts.name!r}: its weight file")
    network.load_state_dict({name: torch.from_numpy(values.copy()) for name, values in found.items()}, strict=True)
    return network.freeze()


@without_global_draws
def random(seed: int, facts: EncoderFacts, spec: InputSpec, stages: tuple[Stage, ...]) -> Suitpy:
    """The same shape with He-normal weights and zero biases."""
    return he_normal(Suitpy(facts, spec, stages), seed=seed, slope=SLOPE).freeze()
