"""The network of deepdefacer (face mask on whole-head T1), from its Keras file, without Keras.

A 3D U-Net without normalisation: two 3x3x3 convolutions with ReLU a stage, 8, 16, 32, 64, 128 channels at strides 1, 2,
4, 8, 16, max pooling between them; dropout is the identity in use. The package resamples a head to 160^3 in the file's
own axis order and scales its whole range to 0..1, so "unit" is the nearest option. Its output is 1 where the image is
kept. Source: Khazane et al. 2022, doi:10.1117/1.JMI.9.6.066001 is the later paper of the same tool; package
deepdefacer 2.1.2. Layers carry the file's names.
"""

from __future__ import annotations

import io

import torch
from torch import Tensor, nn
from torch.nn import functional

from tebench.encoders import hdf5
from tebench.encoders.base import EncoderFacts, InputSpec, Stage
from tebench.encoders.initialisation import he_normal, without_global_draws
from tebench.encoders.network import Encoder, same_weights

_WIDTHS = (8, 16, 32, 64, 128)


def _convolve(inside: int, out: int, kernel: int = 3) -> nn.Conv3d:
    # Keras' "same" at kernel 2 pads behind the last voxel only, which `_up` does itself.
    return nn.Conv3d(inside, out, kernel, padding=kernel // 2 if kernel % 2 else 0)


class Deepdefacer(Encoder):
    """The encoder stages alone: conv3d_1 to conv3d_10."""

    def __init__(self, facts: EncoderFacts, spec: InputSpec, stages: tuple[Stage, ...]):
        super().__init__(facts, spec, stages)
        for level, (inside, out) in enumerate(zip((1, *_WIDTHS[:-1]), _WIDTHS, strict=True)):
            self.add_module(f"conv3d_{2 * level + 1}", _convolve(inside, out))
            self.add_module(f"conv3d_{2 * level + 2}", _convolve(out, out))

    def layer(self, number: int, x: Tensor) -> Tensor:
        """A convolution by its number in the file, and ReLU."""
        return torch.relu(self.get_submodule(f"conv3d_{number}")(x))

    def maps(self, x: Tensor) -> list[Tensor]:
        maps = []
        for level in range(len(_WIDTHS)):
            x = functional.max_pool3d(x, 2) if level else x
            x = self.layer(2 * level + 2, self.layer(2 * level + 1, x))
            maps.append(x)
        return maps


class DeepdefacerSegmenter(Deepdefacer):
    """The whole packaged network; its head tells what is kept (0) from the face (1)."""

    def __init__(self, facts: EncoderFacts, spec: InputSpec, stages: tuple[Stage, ...]):
        super().__init__(facts, spec, stages)
        for step, out in enumerate(reversed(_WIDTHS[:-1])):
            self.add_module(f"conv3d_{11 + 3 * step}", _convolve(2 * out, out, 2))
            self.add_module(f"conv3d_{12 + 3 * step}", _convolve(2 * out, out))
            self.add_module(f"conv3d_{13 + 3 * step}", _convolve(out, out))
        self.conv3d_23 = _convolve(8, 2)
        self.conv3d_24 = _convolve(2, 1, 1)

    @torch.no_grad()
    def head(self, x: Tensor) -> Tensor:
        """(B, 1, X, Y, Z) normalised patch -> (B, 2, X, Y, Z) probabilities of what is kept and of the face."""
        self.check(x)
        return self.head_from_maps(self.maps(self.prepare(x)), x)

    @torch.no_grad()
    def head_from_maps(self, maps: list[Tensor], x: Tensor) -> Tensor:
        """The same from the maps of the patch `x`, without a second pass."""
        *skips, x = maps
        for step, skip in enumerate(reversed(skips)):
            x = functional.interpolate(x, scale_factor=2, mode="nearest")
            x = self.layer(11 + 3 * step, functional.pad(x, (0, 1) * 3))
            x = self.layer(13 + 3 * step, self.layer(12 + 3 * step, torch.cat([skip, x], 1)))
        kept = torch.sigmoid(self.conv3d_24(self.layer(23, x)))
        return torch.cat([kept, 1 - kept], 1)

    @without_global_draws
    def without_head(self) -> Deepdefacer:
        return same_weights(Deepdefacer(self.facts, self.spec, self.stages), self)


@without_global_draws
def load(data: bytes, facts: EncoderFacts, spec: InputSpec, stages: tuple[Stage, ...]) -> DeepdefacerSegmenter:
    """The packaged network from the bytes of its Keras file; every kernel and bias must find its place."""
    network = DeepdefacerSegmenter(facts, spec, stages)
    network.load_state_dict(hdf5.tensors(io.BytesIO(data), f"encoder {facts.name!r}: its weight file"), strict=True)
    return network.freeze()


@without_global_draws
def random(seed: int, facts: EncoderFacts, spec: InputSpec, stages: tuple[Stage, ...]) -> Deepdefacer:
    """The same shape with He-normal weights and zero biases."""
    return he_normal(Deepdefacer(facts, spec, stages), seed=seed, slope=0.0).freeze()
