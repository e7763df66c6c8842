"""The residual encoder of nnU-Net (ResEnc-L), on torch alone.

Stem (3x3x3 convolution, norm, activation), then stages of residual blocks: conv1 (with the stage's stride),
norm, activation, conv2, norm; plus a shortcut that is average-pooled where the stride is not 1 and projected
by a 1x1x1 convolution with norm where the width changes; activation after the sum. InstanceNorm with affine,
LeakyReLU .01, unless the plan says otherwise. Source: Isensee et al. 2024, arXiv 2404.09556; Wald et al. 2024,
arXiv 2410.23132. Module names are those of the public weights, but for `levels`, which are `stages` there.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from tebench.encoders.axes import FILE_ORDER, AxisEncoder, in_case_order
from tebench.encoders.base import EncoderFacts, InputSpec, Stage
from tebench.encoders.dynamic_blocks import SLOPE, USUAL, Convolve, Layers, Step, check_plan, stages_of, triple
from tebench.encoders.initialisation import he_normal, without_global_draws

VERSION = "resenc/1"  # raise with every change that alters features


@dataclass(frozen=True)
class Plan:
    """The shape of the network. features, blocks, strides (of each stage against the one before): one a stage.

    kernels: one a stage, () for 3.   stem_stride: of the stem's convolution; 1 in the public networks.
    """

    features: tuple[int, ...] = (32, 64, 128, 256, 320, 320)
    blocks: tuple[int, ...] = (1, 3, 4, 6, 6, 6)
    strides: tuple[Step, ...] = (1, 2, 2, 2, 2, 2)
    channels: int = 1
    stem_stride: int = 1
    kernels: tuple[Step, ...] = ()
    layers: Layers = USUAL

    def __post_init__(self):
        check_plan("ResEnc", self.features, self.blocks, self.strides, self.kernels, self.channels, self.stem_stride)

    @property
    def stages(self) -> tuple[Stage, ...]:
        """In the network's axis order."""
        return stages_of(self.features, self.strides, self.stem_stride)

    def kernel(self, stage: int) -> Step:
        return self.kernels[stage] if self.kernels else 3


L = Plan()


class _Block(nn.Module):
    def __init__(self, inside: int, out: int, stride: Step, kernel: Step = 3, layers: Layers = USUAL):
        super().__init__()
        self.conv1 = Convolve(inside, out, kernel, stride, layers)
        self.conv2 = Convolve(out, out, kernel, 1, layers, active=False)
        shortcut: list[nn.Module] = [nn.AvgPool3d(stride, stride)] if max(triple(stride)) > 1 else []
        if inside != out:
            shortcut.append(Convolve(inside, out, 1, 1, layers, bias=False, active=False))
        if shortcut:
            self.skip = nn.Sequential(*shortcut)
        self.nonlin = layers.make_activation()

    def forward(self, x: Tensor) -> Tensor:
        shortcut = self.skip(x) if hasattr(self, "skip") else x
        return self.nonlin(self.conv2(self.conv1(x)) + shortcut)


class _Stem(nn.Module):
    def __init__(self, channels: int, features: int, stride: int, kernel: Step, layers: Layers):
        super().__init__()
        self.convs = nn.Sequential(Convolve(channels, features, kernel, stride, layers))

    def forward(self, x: Tensor) -> Tensor:
        return self.convs(x)


class _Stage(nn.Module):
    def __init__(self, inside: int, out: int, blocks: int, stride: Step, kernel: Step, layers: Layers):
        super().__init__()
        first = _Block(inside, out, stride, kernel, layers)
        self.blocks = nn.Sequential(first, *(_Block(out, out, 1, kernel, layers) for _ in range(blocks - 1)))

    def forward(self, x: Tensor) -> Tensor:
        return self.blocks(x)


class ResEnc(AxisEncoder):
    """One map a stage, shallow to deep: ResEnc-L has 32, 64, 128, 256, 320, 320 channels at strides 1 .. 32."""

    STEM = "stem.convs.0.conv.weight"  # the weight that reads the input channels

    def __init__(self, facts: EncoderFacts, spec: InputSpec, plan: Plan = L, axes=FILE_ORDER):
        super().__init__(facts, spec, in_case_order(plan.stages, axes), axes)
        self.plan = plan
        self.minimum_patch = 2 * max(plan.stages[-1].steps)  # instance normalisation needs more than one cell
        self.stem = _Stem(plan.channels, plan.features[0], plan.stem_stride, plan.kernel(0), plan.layers)
        inside = (plan.features[0], *plan.features[:-1])
        # `stages` is the contract's list of stages; the public weights' `stages.` load into `levels.`
        self.levels = nn.Sequential(
            *(
                _Stage(inside[k], plan.features[k], plan.blocks[k], plan.strides[k], plan.kernel(k), plan.layers)
                for k in range(len(inside))
            )
        )

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
