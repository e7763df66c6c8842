"""The encoder of deepbet (brain extraction on T1), rebuilt as plain modules.

A residual network of ResNet18's plan with 16, 16, 32, 64, 128 channels at strides 4, 4, 8, 16, 32 and
instance normalisation without affine parameters, under a LinkNet decoder (the source head).
Source: Fisch et al. 2024, doi:10.1016/j.compbiomed.2024.108845; package deepbet 1.0.2. Module names are
the package's, so that its weights load strictly.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from tebench.encoders import torchscript
from tebench.encoders.base import EncoderFacts, InputSpec, Stage
from tebench.encoders.initialisation import he_normal, without_global_draws
from tebench.encoders.network import Encoder, same_weights

# The package feeds .226 z + .449, z the z-score of the clipped volume, background included. Here z comes
# from one mean and deviation, equal for all windows of all cases: those of the MNI 2009a template in unit
# range [choice]. Instance normalisation follows every convolution of the encoder, so the two numbers act
# through the zero padding at patch borders only.
UNIT_MEAN, UNIT_STD = 0.1, 0.25


def _convolve(inside: int, out: int, kernel: int, stride: int = 1, **options) -> nn.Conv3d:
    return nn.Conv3d(inside, out, kernel, stride, kernel // 2, bias=options.pop("bias", False), **options)


def _norm(channels: int) -> nn.InstanceNorm3d:
    return nn.InstanceNorm3d(channels)


class _Block(nn.Module):
    """Two 3x3x3 convolutions and the (projected) input added before the last ReLU."""

    def __init__(self, inside: int, out: int, stride: int):
        super().__init__()
        self.double_conv = nn.Sequential(
            _convolve(inside, out, 3, stride), _norm(out), nn.ReLU(), _convolve(out, out, 3), _norm(out)
        )
        if stride > 1:
            self.downsample = nn.Sequential(_convolve(inside, out, 1, stride), _norm(out))

    def forward(self, x: Tensor) -> Tensor:
        shortcut = self.downsample(x) if hasattr(self, "downsample") else x
        return torch.relu(self.double_conv(x) + shortcut)


class _Down(nn.Module):
    def __init__(self, inside: int, out: int, stride: int):
        super().__init__()
        self.block1 = _Block(inside, out, stride)
        self.block2 = _Block(out, out, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.block2(self.block1(x))


class _Up(nn.Module):
    """LinkNet's decoder step: 1x1x1 to a quarter of the channels, transposed 3x3x3, 1x1x1."""

    def __init__(self, inside: int, out: int, stride: int):
        super().__init__()
        narrow = inside // 4
        transposed = nn.ConvTranspose3d(narrow, narrow, 3, stride, 1, output_padding=stride - 1, bias=False)
        self.conv1 = nn.Sequential(_convolve(inside, narrow, 1), _norm(narrow), nn.ReLU())
        self.tp_conv = nn.Sequential(transposed, _norm(narrow), nn.ReLU())
        self.conv2 = nn.Sequential(_convolve(narrow, out, 1), _norm(out), nn.ReLU())

    def forward(self, x: Tensor) -> Tensor:
        return self.conv2(self.tp_conv(self.conv1(x)))


class Deepbet(Encoder):
    """The encoder stages alone."""

    minimum_patch = 64  # instance normalisation needs more than one cell at stride 32

    def __init__(self, facts: EncoderFacts, spec: InputSpec, stages: tuple[Stage, ...]):
        super().__init__(facts, spec, stages)
        self.init = nn.Sequential(_convolve(1, 16, 7, 2), _norm(16), nn.ReLU(), nn.MaxPool3d(3, 2, 1))
        self.down0 = _Down(16, 16, 1)
        self.down1 = _Down(16, 32, 2)
        self.down2 = _Down(32, 64, 2)
        self.down3 = _Down(64, 128, 2)

    def prepare(self, x: Tensor) -> Tensor:
        return 0.226 * ((x - UNIT_MEAN) / UNIT_STD) + 0.449

    def maps(self, x: Tensor) -> list[Tensor]:
        maps = [self.init(x)]
        for down in (self.down0, self.down1, self.down2, self.down3):
            maps.append(down(maps[-1]))
        return maps


class DeepbetSegmenter(Deepbet):
    """The whole packaged network; its head tells background (0) from brain (1)."""

    def __init__(self, facts: EncoderFacts, spec: InputSpec, stages: tuple[Stage, ...]):
        super().__init__(facts, spec, stages)
        self.up0 = _Up(128, 64, 2)
        self.up1 = _Up(64, 32, 2)
        self.up2 = _Up(32, 16, 2)
        self.up3 = _Up(16, 16, 1)
        self.tp_conv1 = nn.Sequential(nn.ConvTranspose3d(16, 8, 3, 2, 1, output_padding=1), _norm(8), nn.ReLU())
        self.conv = nn.Sequential(_convolve(8, 8, 3, bias=True), _norm(8), nn.ReLU())
        self.tp_conv2 = nn.ConvTranspose3d(8, 2, 2, 2)

    @torch.no_grad()
    def head(self, x: Tensor) -> Tensor:
        """(B, 1, X, Y, Z) normalised patch -> (B, 2, X, Y, Z) probabilities of background and brain."""
        self.check(x)
        first, *skips, deepest = self.maps(self.prepare(x))
        x = self.up0(deepest) + skips[2]
        x = self.up1(x) + skips[1]
        x = self.up2(x) + skips[0]
        x = self.up3(x) + first
        return torch.softmax(self.tp_conv2(self.conv(self.tp_conv1(x))), 1)

    @without_global_draws
    def without_head(self) -> Deepbet:
        return same_weights(Deepbet(self.facts, self.spec, self.stages), self)


@without_global_draws
def load(data: bytes, facts: EncoderFacts, spec: InputSpec, stages: tuple[Stage, ...]) -> DeepbetSegmenter:
    """The packaged network from the bytes of its TorchScript file, read as data; every key must match."""
    network = DeepbetSegmenter(facts, spec, stages)
    network.load_state_dict(torchscript.tensors(data), strict=True)
    return network.freeze()


@without_global_draws
def random(seed: int, facts: EncoderFacts, spec: InputSpec, stages: tuple[Stage, ...]) -> Deepbet:
    """The same shape with He-normal weights."""
    return he_normal(Deepbet(facts, spec, stages), seed=seed, slope=0.0).freeze()
