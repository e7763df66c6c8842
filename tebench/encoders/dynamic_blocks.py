"""What the encoders of nnU-Net are built of: convolution, norm, activation, as a plan's arguments say.

Source: Isensee et al. 2021, doi:10.1038/s41592-020-01008-z; Isensee et al. 2024, arXiv 2404.09556. Module names are
those of the public weights.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from dataclasses import dataclass

from torch import nn

from tebench.base.errors import InputError
from tebench.encoders.base import Stage

Step = int | tuple[int, int, int]
SLOPE = 0.01
NORMS = {"instance": nn.InstanceNorm3d, "batch": nn.BatchNorm3d}
ACTIVATIONS = ("leaky_relu", "relu", "gelu")


@dataclass(frozen=True)
class Layers:
    """What follows a convolution. slope: of the leaky ReLU.   bias: of the convolutions (never of a shortcut's)."""

    norm: str = "instance"
    eps: float = 1e-5
    affine: bool = True
    activation: str = "leaky_relu"
    slope: float = SLOPE
    bias: bool = True

    def make_norm(self, channels: int) -> nn.Module:
        return NORMS[self.norm](channels, eps=self.eps, affine=self.affine)

    def make_activation(self) -> nn.Module:
        return {"leaky_relu": nn.LeakyReLU(self.slope), "relu": nn.ReLU(), "gelu": nn.GELU()}[self.activation]


USUAL = Layers()


class Convolve(nn.Sequential):
    """conv, norm and, if asked, the activation; the names `conv` and `norm` carry the weights."""

    def __init__(self, inside: int, out: int, kernel: Step, stride: Step, layers: Layers, *, active: bool = True,
                 bias: bool | None = None):  # fmt: skip
        padding = tuple((size - 1) // 2 for size in triple(kernel))
        conv = nn.Conv3d(inside, out, kernel, stride, padding, bias=layers.bias if bias is None else bias)
        parts = [("conv", conv), ("norm", layers.make_norm(out))]
        if active:
            parts.append(("nonlin", layers.make_activation()))
        super().__init__(OrderedDict(parts))


def triple(step: Step) -> tuple[int, int, int]:
    return (step,) * 3 if isinstance(step, int) else tuple(step)


def stages_of(features: tuple[int, ...], strides: tuple[Step, ...], first: Step = 1) -> tuple[Stage, ...]:
    """Stages from the stride of each against the one before, in the network's axis order."""
    found, total = [], triple(first)
    for index, (channels, step) in enumerate(zip(features, strides, strict=True)):
        total = tuple(old * new for old, new in zip(total, triple(step), strict=True))
        found.append(Stage(f"encoder.{index}", "encoder", channels, total))
    return tuple(found)


def divisor_of(stages: tuple[Stage, ...]) -> int:
    """What every edge of a patch must be a multiple of."""
    return math.lcm(*(step for stage in stages for step in stage.steps))


def check_plan(name: str, features, counts, strides, kernels, *others: int) -> None:
    """InputError unless all name the same stages and every number is at least 1."""
    if not len(features) == len(counts) == len(strides) or not features or (kernels and len(kernels) != len(features)):
        raise InputError(
            f"{name}: features {features}, blocks {counts}, strides {strides} and kernels {kernels} must name the "
            "same stages."
        )
    sizes = [size for step in (*strides, *kernels) for size in triple(step)]
    if min(*features, *counts, *sizes, *others) < 1:
        raise InputError(f"{name}: all features, blocks, strides, kernels and channels must be at least 1.")
    if any(size % 2 == 0 for step in kernels for size in triple(step)):
        raise InputError(f"{name}: kernels must be odd, got {kernels}.")
