"""The 3D U-Net of Models Genesis and of SuPreM, encoder only.

Four levels of twice (3x3x3 convolution, batch normalisation, ReLU), max-pooled by 2 between them; a map is what the
level gives before pooling. The authors' normalisation uses the statistics of the batch at hand in evaluation, too; here
those of each window, which is what one window at a time gives. Source: Zhou et al. 2019, arXiv 1908.06912. Module names
are those of the public weights.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn import functional

from tebench.encoders.axes import FILE_ORDER
from tebench.encoders.base import EncoderFacts, InputSpec, Stage
from tebench.encoders.network import Encoder

VERSION = "genesis/1"  # raise with every change that alters features
STEM = "down_tr64.ops.0.conv1.weight"
LEVELS = ("down_tr64", "down_tr128", "down_tr256", "down_tr512")
ROOTS = tuple(f"{level}." for level in LEVELS)


@dataclass(frozen=True)
class Plan:
    """pairs: channels of the two convolutions, one pair a level."""

    channels: int
    pairs: tuple[tuple[int, int], ...]
    axes: tuple[int, int, int] = FILE_ORDER

    @property
    def divisor(self) -> int:
        return 8


def plan_of(weights: dict) -> Plan | None:
    shapes = [[weights.get(f"{level}.ops.{index}.conv1.weight") for index in (0, 1)] for level in LEVELS]
    if any(weight is None or weight.ndim != 5 for pair in shapes for weight in pair):
        return None
    return Plan(shapes[0][0].shape[1], tuple((one.shape[0], two.shape[0]) for one, two in shapes))


class _WindowNorm(nn.BatchNorm3d):
    def forward(self, x: Tensor) -> Tensor:
        return functional.instance_norm(x, None, None, self.weight, self.bias, True, 0.0, self.eps)


class _Unit(nn.Module):
    def __init__(self, inside: int, out: int):
        super().__init__()
        self.conv1 = nn.Conv3d(inside, out, 3, padding=1)
        self.bn1 = _WindowNorm(out)

    def forward(self, x: Tensor) -> Tensor:
        return functional.relu(self.bn1(self.conv1(x)))


class _Down(nn.Module):
    def __init__(self, inside: int, pair: tuple[int, int]):
        super().__init__()
        self.ops = nn.Sequential(_Unit(inside, pair[0]), _Unit(*pair))

    def forward(self, x: Tensor) -> Tensor:
        return self.ops(x)


class Network(Encoder):
    """64, 128, 256, 512 channels at strides 1, 2, 4, 8 in the public weights."""

    def __init__(self, facts: EncoderFacts, spec: InputSpec, plan: Plan):
        stages = tuple(Stage(f"encoder.{k}", "encoder", pair[1], 2**k) for k, pair in enumerate(plan.pairs))
        super().__init__(facts, spec, stages)
        self.minimum_patch = 16  # a single cell has no statistics
        inside = (plan.channels, *(pair[1] for pair in plan.pairs))
        for level, before, pair in zip(LEVELS, inside, plan.pairs, strict=False):
            self.add_module(level, _Down(before, pair))

    def maps(self, x: Tensor) -> list[Tensor]:
        found = []
        for level in LEVELS:
            found.append(self.get_submodule(level)(functional.max_pool3d(found[-1], 2) if found else x))
        return found
