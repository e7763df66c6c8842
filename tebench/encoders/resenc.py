"""The residual encoder of nnU-Net (ResEnc-L), on torch alone.

Stem (3x3x3 convolution, norm, activation), then stages of residual blocks: conv1 (with the stage's stride),
norm, activation, conv2, norm; plus a shortcut that is average-pooled where the stride is not 1 and projected
by a 1x1x1 convolution with norm where the width changes; activation after the sum. InstanceNorm with affine,
LeakyReLU .01. Source: Isensee et al. 2024, arXiv 2404.09556; Wald et al. 2024, arXiv 2410.23132. Module names
are those of the public weights, but for `levels`, which are `stages` there.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

from torch import Tensor, nn

from tebench.base.errors import InputError
from tebench.encoders.axes import FILE_ORDER, AxisEncoder
from tebench.encoders.base import EncoderFacts, InputSpec, Stage
from tebench.encoders.initialisation import he_normal, without_global_draws

VERSION = "resenc/1"  # raise with every change that alters features
SLOPE = 0.01


@dataclass(frozen=True)
class Plan:
    """The shape of the network. features, blocks, strides (of each stage against the one before): one a stage.

    stem_stride: of the stem's convolution; 1 in the public networks.
    """

    features: tuple[int, ...] = (32, 64, 128, 256, 320, 320)
    blocks: tuple[int, ...] = (1, 3, 4, 6, 6, 6)
    strides: tuple[int, ...] = (1, 2, 2, 2, 2, 2)
    channels: int = 1
    stem_stride: int = 1

    def __post_init__(self):
        if not len(self.features) == len(self.blocks) == len(self.strides) or not self.features:
            raise InputError(
                f"ResEnc: features {self.features}, blocks {self.blocks} and strides {self.strides} must name the "
                "same stages."
            )
        if min(*self.features, *self.blocks, *self.strides, self.channels, self.stem_stride) < 1:
            raise InputError(f"ResEnc: all features, blocks, strides and channels must be at least 1, got {self}.")

    @property
    def stages(self) -> tuple[Stage, ...]:
        found, stride = [], self.stem_stride
        for index, (features, step) in enumerate(zip(self.features, self.strides, strict=True)):
            stride *= step
            found.append(Stage(f"encoder.{index}", "encoder", features, stride))
        return tuple(found)


L = Plan()


def _norm(channels: int) -> nn.InstanceNorm3d:
    return nn.InstanceNorm3d(channels, eps=1e-5, affine=True)


class _Convolve(nn.Sequential):
    """conv, norm and, if asked, the activation; the names `conv` and `norm` carry the weights."""

    def __init__(self, inside: int, out: int, kernel: int, stride: int = 1, *, bias: bool = True, active: bool = True):
        parts = [("conv", nn.Conv3d(inside, out, kernel, stride, kernel // 2, bias=bias)), ("norm", _norm(out))]
        if active:
            parts.append(("nonlin", nn.LeakyReLU(SLOPE)))
        super().__init__(OrderedDict(parts))


class _Block(nn.Module):
    def __init__(self, inside: int, out: int, stride: int):
        super().__init__()
        self.conv1 = _Convolve(inside, out, 3, stride)
        self.conv2 = _Convolve(out, out, 3, active=False)
        shortcut: list[nn.Module] = [nn.AvgPool3d(stride, stride)] if stride > 1 else []
        if inside != out:
            shortcut.append(_Convolve(inside, out, 1, bias=False, active=False))
        if shortcut:
            self.skip = nn.Sequential(*shortcut)

    def forward(self, x: Tensor) -> Tensor:
        shortcut = self.skip(x) if hasattr(self, "skip") else x
        return nn.functional.leaky_relu(self.conv2(self.conv1(x)) + shortcut, SLOPE)


class _Stem(nn.Module):
    def __init__(self, channels: int, features: int, stride: int):
        super().__init__()
        self.convs = nn.Sequential(_Convolve(channels, features, 3, stride))

    def forward(self, x: Tensor) -> Tensor:
        return self.convs(x)


class _Stage(nn.Module):
    def __init__(self, inside: int, out: int, blocks: int, stride: int):
        super().__init__()
        self.blocks = nn.Sequential(_Block(inside, out, stride), *(_Block(out, out, 1) for _ in range(blocks - 1)))

    def forward(self, x: Tensor) -> Tensor:
        return self.blocks(x)


class ResEnc(AxisEncoder):
    """One map a stage, shallow to deep: ResEnc-L has 32, 64, 128, 256, 320, 320 channels at strides 1 .. 32."""

    STEM = "stem.convs.0.conv.weight"  # the weight that reads the input channels

    def __init__(self, facts: EncoderFacts, spec: InputSpec, plan: Plan = L, axes=FILE_ORDER):
        super().__init__(facts, spec, plan.stages, axes)
        self.plan = plan
        self.minimum_patch = 2 * plan.stages[-1].stride  # instance normalisation needs more than one cell
        self.stem = _Stem(plan.channels, plan.features[0], plan.stem_stride)
        inside = (plan.features[0], *plan.features[:-1])
        # `stages` is the contract's list of stages; the public weights' `stages.` load into `levels.`
        self.levels = nn.Sequential(*map(_Stage, inside, plan.features, plan.blocks, plan.strides))

    def own_maps(self, x: Tensor) -> list[Tensor]:
        x, found = self.stem(x), []
        for stage in self.levels:
            x = stage(x)
            found.append(x)
        return found


@without_global_draws
def random(seed: int, facts: EncoderFacts, spec: InputSpec, plan: Plan = L, axes=FILE_ORDER) -> ResEnc:
    """The same shape with He-normal weights."""
    return he_normal(ResEnc(facts, spec, plan, axes), seed=seed, slope=SLOPE).freeze()
