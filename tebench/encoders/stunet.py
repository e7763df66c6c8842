"""The encoder of STU-Net: residual stages of nnU-Net's kind with a strided 1x1x1 convolution as shortcut.

Block: convolution (with the stage's stride), InstanceNorm, leaky ReLU .01, convolution, InstanceNorm; plus the
shortcut; activation after the sum. Source: Huang et al. 2023, arXiv 2304.06716. Module names are those of the public
weights.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from tebench.encoders.axes import REVERSED, AxisEncoder
from tebench.encoders.base import EncoderFacts, InputSpec, Stage

VERSION = "stunet/1"  # raise with every change that alters features
STEM = "conv_blocks_context.0.0.conv1.weight"
ROOTS = ("conv_blocks_context.",)


@dataclass(frozen=True)
class Plan:
    """features, blocks: one a stage; strides between stages are 2."""

    channels: int
    features: tuple[int, ...]
    blocks: tuple[int, ...]
    axes: tuple[int, int, int] = REVERSED

    @property
    def divisor(self) -> int:
        return 2 ** (len(self.features) - 1)


def plan_of(weights: dict) -> Plan | None:
    found: dict[int, set[int]] = {}
    for key in weights:
        parts = key.split(".")
        if parts[0] == "conv_blocks_context" and len(parts) == 5 and parts[1].isdigit() and parts[2].isdigit():
            found.setdefault(int(parts[1]), set()).add(int(parts[2]))
    stages = sorted(found)
    firsts = [weights.get(f"conv_blocks_context.{stage}.0.conv1.weight") for stage in stages]
    if (
        stages != list(range(len(stages)))
        or len(stages) > 12
        or any(first is None or first.ndim != 5 for first in firsts)
    ):
        return None
    return Plan(firsts[0].shape[1], tuple(w.shape[0] for w in firsts), tuple(len(found[stage]) for stage in stages))


class _Block(nn.Module):
    def __init__(self, inside: int, out: int, stride: int, first: bool):
        super().__init__()
        self.conv1 = nn.Conv3d(inside, out, 3, stride, 1)
        self.norm1 = nn.InstanceNorm3d(out, affine=True)
        self.conv2 = nn.Conv3d(out, out, 3, padding=1)
        self.norm2 = nn.InstanceNorm3d(out, affine=True)
        self.conv3 = nn.Conv3d(inside, out, 1, stride) if first else None
        self.act = nn.LeakyReLU(0.01)

    def forward(self, x: Tensor) -> Tensor:
        shortcut = x if self.conv3 is None else self.conv3(x)
        return self.act(self.norm2(self.conv2(self.act(self.norm1(self.conv1(x))))) + shortcut)


class Network(AxisEncoder):
    """One map a stage, shallow to deep."""

    def __init__(self, facts: EncoderFacts, spec: InputSpec, plan: Plan):
        stages = tuple(Stage(f"encoder.{k}", "encoder", out, 2**k) for k, out in enumerate(plan.features))
        super().__init__(facts, spec, stages, plan.axes)
        self.minimum_patch = 2 * plan.divisor  # instance normalisation needs more than one cell
        inside = (plan.channels, *plan.features)
        self.conv_blocks_context = nn.ModuleList(
            nn.Sequential(
                *(_Block(inside[k] if index == 0 else out, out, (2 if k else 1) if index == 0 else 1, index == 0)
                  for index in range(plan.blocks[k]))
            )
            for k, out in enumerate(plan.features)
        )  # fmt: skip

    def own_maps(self, x: Tensor) -> list[Tensor]:
        found = []
        for stage in self.conv_blocks_context:
            x = stage(x)
            found.append(x)
        return found
