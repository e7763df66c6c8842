"""The encoder of deepbrain (skull stripping on T1), rebuilt as plain modules.

A 3D U-Net: two 3x3x3 convolutions with ReLU a stage, 8, 16, 32 channels at strides 1, 2, 4, and the pooled
map (32 channels, stride 8) as the deepest stage; no normalisation layer. Dropout of the package is the
identity in use. Source: package deepbrain 0.1 (https://github.com/iitzco/deepbrain). Its input is the volume
divided by its maximum, so "unit" normalisation is the nearest option. Convolutions carry the graph's names.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from tebench.base.errors import InputError
from tebench.encoders import graphdef
from tebench.encoders.base import EncoderFacts, InputSpec, Stage
from tebench.encoders.initialisation import he_normal, without_global_draws
from tebench.encoders.network import Encoder, same_weights


def _convolve(inside: int, out: int, kernel: int = 3) -> nn.Conv3d:
    return nn.Conv3d(inside, out, kernel, padding=kernel // 2)


class Deepbrain(Encoder):
    """The encoder stages alone."""

    def __init__(self, facts: EncoderFacts, spec: InputSpec, stages: tuple[Stage, ...]):
        super().__init__(facts, spec, stages)
        self.conv3d = _convolve(1, 8)
        self.conv3d_1 = _convolve(8, 8)
        self.conv3d_2 = _convolve(8, 16)
        self.conv3d_3 = _convolve(16, 16)
        self.conv3d_4 = _convolve(16, 32)
        self.conv3d_5 = _convolve(32, 32)

    def maps(self, x: Tensor) -> list[Tensor]:
        maps = []
        pairs = ((self.conv3d, self.conv3d_1), (self.conv3d_2, self.conv3d_3), (self.conv3d_4, self.conv3d_5))
        for first, second in pairs:
            maps.append(torch.relu(second(torch.relu(first(x)))))
            x = functional.max_pool3d(maps[-1], 2)
        return [*maps, x]


class DeepbrainSegmenter(Deepbrain):
    """The whole packaged network; its head tells background (0) from brain (1)."""

    def __init__(self, facts: EncoderFacts, spec: InputSpec, stages: tuple[Stage, ...]):
        super().__init__(facts, spec, stages)
        self.conv3d_transpose = nn.ConvTranspose3d(32, 32, 3, 2, bias=False)
        self.conv3d_6 = _convolve(64, 32)
        self.conv3d_transpose_1 = nn.ConvTranspose3d(32, 16, 3, 2, bias=False)
        self.conv3d_7 = _convolve(32, 16)
        self.conv3d_transpose_2 = nn.ConvTranspose3d(16, 8, 3, 2, bias=False)
        self.conv3d_8 = _convolve(16, 8)
        self.conv3d_9 = _convolve(8, 1, 1)

    @torch.no_grad()
    def head(self, x: Tensor) -> Tensor:
        """(B, 1, X, Y, Z) normalised patch -> (B, 2, X, Y, Z) probabilities of background and brain."""
        self.check(x)
        *skips, x = self.maps(self.prepare(x))
        steps = (
            (self.conv3d_transpose, self.conv3d_6),
            (self.conv3d_transpose_1, self.conv3d_7),
            (self.conv3d_transpose_2, self.conv3d_8),
        )
        for (up, convolve), skip in zip(steps, reversed(skips), strict=True):
            # TensorFlow's "SAME" at kernel 3, stride 2 pads the far side only: drop the last slice.
            x = torch.relu(convolve(torch.cat([up(x)[..., :-1, :-1, :-1], skip], 1)))
        brain = torch.sigmoid(self.conv3d_9(x))
        return torch.cat([1 - brain, brain], 1)

    @without_global_draws
    def without_head(self) -> Deepbrain:
        return same_weights(Deepbrain(self.facts, self.spec, self.stages), self)


@without_global_draws
def load(data: bytes, facts: EncoderFacts, spec: InputSpec, stages: tuple[Stage, ...]) -> DeepbrainSegmenter:
    """The packaged network from the bytes of its frozen graph; every kernel and bias must find its place."""
    network = DeepbrainSegmenter(facts, spec, stages)
    weights = {}
    for name, values in graphdef.constants(data).items():
        layer, _, kind = name.rpartition("/")
        if kind == "kernel":  # (x, y, z, in, out), transposed layers (x, y, z, out, in)
            if values.ndim != 5:
                raise InputError(f"the graph's {name} has shape {values.shape}, expected five axes.")
            weights[f"{layer}.weight"] = torch.from_numpy(values.transpose(4, 3, 0, 1, 2).copy())
        elif kind == "bias":
            weights[f"{layer}.bias"] = torch.from_numpy(values)
    network.load_state_dict(weights, strict=True)
    return network.freeze()


@without_global_draws
def random(seed: int, facts: EncoderFacts, spec: InputSpec, stages: tuple[Stage, ...]) -> Deepbrain:
    """The same shape with He-normal weights and zero biases."""
    return he_normal(Deepbrain(facts, spec, stages), seed=seed, slope=0.0).freeze()
