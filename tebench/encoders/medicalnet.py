"""The 3D ResNets of MedicalNet, encoder only: strides 2, 4, 8, 8, 8, layers 3 and 4 dilated by 2 and 4.

Basic blocks (ResNet-10, 18, 34) or bottlenecks (50 and more); shortcuts of a widened block are a strided 1x1x1
convolution with norm (B), or a strided identity padded with zero channels (A), told apart by the weights. Source: Chen
et al. 2019, arXiv 1904.00625. Module names are those of the public weights.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from tebench.encoders.axes import FILE_ORDER
from tebench.encoders.base import EncoderFacts, InputSpec, Stage
from tebench.encoders.network import Encoder

VERSION = "medicalnet/1"  # raise with every change that alters features
STEM = "conv1.weight"
ROOTS = ("conv1.", "bn1.", "layer1.", "layer2.", "layer3.", "layer4.")
STEPS = ((1, 1), (2, 1), (1, 2), (1, 4))  # stride and dilation of layers 1 to 4


@dataclass(frozen=True)
class Plan:
    """blocks, widths: one a layer.   bottleneck: three convolutions a block.   projected: shortcuts of type B."""

    channels: int
    stem: int
    blocks: tuple[int, ...]
    widths: tuple[int, ...]
    bottleneck: bool
    projected: bool
    axes: tuple[int, int, int] = FILE_ORDER

    @property
    def divisor(self) -> int:
        return 8


def plan_of(weights: dict) -> Plan | None:
    stem = weights[STEM]
    firsts = [weights.get(f"layer{layer}.0.conv1.weight") for layer in (1, 2, 3, 4)]
    if any(first is None or first.ndim != 5 for first in firsts) or stem.shape[2:] != (7, 7, 7):
        return None
    counts = [len({key.split(".")[1] for key in weights if key.startswith(f"layer{layer}.")}) for layer in (1, 2, 3, 4)]
    return Plan(
        stem.shape[1], stem.shape[0], tuple(counts), tuple(first.shape[0] for first in firsts),
        "layer1.0.conv3.weight" in weights, "layer2.0.downsample.0.weight" in weights,
    )  # fmt: skip


class _Padded(nn.Module):
    """Shortcut A: every stride-th voxel, new channels zero."""

    def __init__(self, out: int, stride: int):
        super().__init__()
        self.out, self.stride = out, stride

    def forward(self, x: Tensor) -> Tensor:
        x = x[..., :: self.stride, :: self.stride, :: self.stride]
        return torch.cat([x, x.new_zeros(len(x), self.out - x.shape[1], *x.shape[2:])], 1)


class _Block(nn.Module):
    def __init__(self, inside: int, width: int, out: int, stride: int, dilation: int, plan: Plan):
        super().__init__()
        self.bottleneck = plan.bottleneck
        wide = {"kernel_size": 3, "padding": dilation, "dilation": dilation, "bias": False}
        if plan.bottleneck:
            self.conv1 = nn.Conv3d(inside, width, 1, bias=False)
            self.conv2 = nn.Conv3d(width, width, stride=stride, **wide)
            self.conv3 = nn.Conv3d(width, out, 1, bias=False)
            self.bn3 = nn.BatchNorm3d(out)
        else:
            self.conv1 = nn.Conv3d(inside, width, stride=stride, **wide)
            self.conv2 = nn.Conv3d(width, width, **wide)
        self.bn1, self.bn2 = nn.BatchNorm3d(width), nn.BatchNorm3d(width)
        self.downsample = None
        if stride != 1 or inside != out:
            strided = nn.Sequential(nn.Conv3d(inside, out, 1, stride, bias=False), nn.BatchNorm3d(out))
            self.downsample = strided if plan.projected else _Padded(out, stride)

    def forward(self, x: Tensor) -> Tensor:
        shortcut = x if self.downsample is None else self.downsample(x)
        x = self.bn2(self.conv2(torch.relu(self.bn1(self.conv1(x)))))
        if self.bottleneck:
            x = self.bn3(self.conv3(torch.relu(x)))
        return torch.relu(x + shortcut)


class Network(Encoder):
    """The stem's map before pooling, then one map a layer."""

    def __init__(self, facts: EncoderFacts, spec: InputSpec, plan: Plan):
        outs = tuple(width * (4 if plan.bottleneck else 1) for width in plan.widths)
        found = [Stage("encoder.0", "encoder", plan.stem, 2)]
        stride = 4
        for index, (out, (step, _)) in enumerate(zip(outs, STEPS, strict=True), start=1):
            stride *= step
            found.append(Stage(f"encoder.{index}", "encoder", out, stride))
        super().__init__(facts, spec, tuple(found))
        self.conv1 = nn.Conv3d(plan.channels, plan.stem, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm3d(plan.stem)
        inside = plan.stem
        for index, (count, width, out, (step, dilation)) in enumerate(
            zip(plan.blocks, plan.widths, outs, STEPS, strict=True), start=1
        ):
            blocks = [_Block(inside, width, out, step, dilation, plan)]
            blocks += [_Block(out, width, out, 1, dilation, plan) for _ in range(count - 1)]
            self.add_module(f"layer{index}", nn.Sequential(*blocks))
            inside = out

    def maps(self, x: Tensor) -> list[Tensor]:
        found = [torch.relu(self.bn1(self.conv1(x)))]
        x = nn.functional.max_pool3d(found[0], 3, 2, 1)
        for index in (1, 2, 3, 4):
            x = self.get_submodule(f"layer{index}")(x)
            found.append(x)
        return found
