"""UNet-S: the encoder of a plain convolutional U-Net, 0.4 million parameters, pre-trained in `tebench.pretraining`.

A full-resolution stem of 8 channels, then four stages at strides 2, 4, 8 and 16: 2x2x2 max pooling and two times
3x3x3 convolution, instance normalisation, ReLU; 12, 24, 48 and 80 channels. No residual connection. Source: Ronneberger
et al. 2015, arXiv 1505.04597; in 3D: Cicek et al. 2016, arXiv 1606.06650 (there with batch normalisation).
"""

from __future__ import annotations

from torch import Tensor, nn

from tebench.encoders.base import EncoderFacts, InputSpec, Stage
from tebench.encoders.initialisation import he_normal, without_global_draws
from tebench.encoders.network import Encoder

STEM = 8


def _convolve(inside: int, out: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv3d(inside, out, 3, padding=1, bias=False), nn.InstanceNorm3d(out, affine=True), nn.ReLU()
    )


class UNetEncoder(Encoder):
    """One map a stage, shallow to deep."""

    def __init__(self, facts: EncoderFacts, spec: InputSpec, stages: tuple[Stage, ...]):
        super().__init__(facts, spec, stages)
        self.minimum_patch = 2 * stages[-1].stride  # instance normalisation needs more than one cell
        self.stem = _convolve(spec.channels, STEM)
        inside = (STEM, *(stage.channels for stage in stages[:-1]))
        self.levels = nn.ModuleList(
            nn.Sequential(nn.MaxPool3d(2), _convolve(before, stage.channels), _convolve(stage.channels, stage.channels))
            for before, stage in zip(inside, stages, strict=True)
        )

    def maps(self, x: Tensor) -> list[Tensor]:
        x, found = self.stem(x), []
        for level in self.levels:
            x = level(x)
            found.append(x)
        return found


@without_global_draws
def empty(facts: EncoderFacts, spec: InputSpec, stages: tuple[Stage, ...]) -> UNetEncoder:
    """The network, its weights still to be filled."""
    return UNetEncoder(facts, spec, stages)


def random(seed: int, facts: EncoderFacts, spec: InputSpec, stages: tuple[Stage, ...]) -> UNetEncoder:
    """The same shape with He-normal weights."""
    return he_normal(empty(facts, spec, stages), seed=seed, slope=0.0).freeze()
