"""Networks that were trained on arrays in another axis order than a case has."""

from __future__ import annotations

from dataclasses import replace

from torch import Tensor

from tebench.base.errors import InputError
from tebench.encoders.base import EncoderFacts, InputSpec, Stage
from tebench.encoders.network import Encoder

FILE_ORDER = (0, 1, 2)  # as a case has it: x, y, z in the file's own order
REVERSED = (2, 1, 0)  # (z, y, x), what SimpleITK gives and nnU-Net's readers imitate


def in_case_order(stages: tuple[Stage, ...], axes) -> tuple[Stage, ...]:
    """Stages whose strides follow the network's axes -> with strides along a case's axes."""
    return tuple(replace(stage, stride=tuple(stage.steps[axes.index(axis)] for axis in range(3))) for stage in stages)


class AxisEncoder(Encoder):
    """An encoder that turns the patch into its own axis order and its maps back.

    axes: axis k of the network is axis axes[k] of the case. A subclass writes `own_maps`.
    """

    def __init__(self, facts: EncoderFacts, spec: InputSpec, stages: tuple[Stage, ...], axes=FILE_ORDER):
        super().__init__(facts, spec, stages)
        if sorted(axes) != [0, 1, 2]:
            raise InputError(f"axes must be a permutation of 0, 1, 2, got {axes!r}.")
        self.axes = tuple(int(axis) for axis in axes)

    def own_maps(self, x: Tensor) -> list[Tensor]:
        """(B, C, ...) in the network's axis order -> one map per stage, same order."""
        raise NotImplementedError

    def maps(self, x: Tensor) -> list[Tensor]:
        there = [0, 1, *(2 + axis for axis in self.axes)]
        back = [0, 1, *(2 + self.axes.index(axis) for axis in range(3))]
        return [found.permute(back) for found in self.own_maps(x.permute(there))]
