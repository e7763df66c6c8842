"""The plain encoder of nnU-Net (PlainConvUNet), on torch alone: stages of 3x3x3 convolution, norm, activation.

The first convolution of a stage carries its stride. Source: Isensee et al. 2021, doi:10.1038/s41592-020-01008-z.
Module names are those of the public weights, but for `levels`, which are `stages` there.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from tebench.encoders.axes import FILE_ORDER, AxisEncoder, in_case_order
from tebench.encoders.base import EncoderFacts, InputSpec, Stage
from tebench.encoders.dynamic_blocks import USUAL, Convolve, Layers, Step, check_plan, stages_of

VERSION = "plainconv/1"  # raise with every change that alters features


@dataclass(frozen=True)
class Plan:
    """The shape of the network. features, convolutions, strides (against the stage before), kernels: one a stage."""

    features: tuple[int, ...]
    convolutions: tuple[int, ...]
    strides: tuple[Step, ...]
    kernels: tuple[Step, ...]
    channels: int = 1
    layers: Layers = USUAL

    def __post_init__(self):
        check_plan("PlainConv", self.features, self.convolutions, self.strides, self.kernels, self.channels)

    @property
    def stages(self) -> tuple[Stage, ...]:
        """In the network's axis order."""
        return stages_of(self.features, self.strides)


class _Stacked(nn.Module):
    def __init__(self, plan: Plan, level: int):
        super().__init__()
        inside, out, kernel = plan.features[level - 1] if level else plan.channels, plan.features[level], plan.kernels
        self.convs = nn.Sequential(
            Convolve(inside, out, kernel[level], plan.strides[level], plan.layers),
            *(Convolve(out, out, kernel[level], 1, plan.layers) for _ in range(plan.convolutions[level] - 1)),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.convs(x)


class PlainConv(AxisEncoder):
    """One map a stage, shallow to deep."""

    STEM = "stages.0.0.convs.0.conv.weight"  # the weight that reads the input channels, as the files spell it

    def __init__(self, facts: EncoderFacts, spec: InputSpec, plan: Plan, axes=FILE_ORDER):
        super().__init__(facts, spec, in_case_order(plan.stages, axes), axes)
        self.plan = plan
        self.minimum_patch = 2 * max(plan.stages[-1].steps)  # instance normalisation needs more than one cell
        self.levels = nn.Sequential(*(nn.Sequential(_Stacked(plan, level)) for level in range(len(plan.features))))

    def own_maps(self, x: Tensor) -> list[Tensor]:
        found = []
        for level in self.levels:
            x = level(x)
            found.append(x)
        return found
