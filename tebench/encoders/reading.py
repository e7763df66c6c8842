"""What is known of a checkpoint once it was read: enough to list it, to key its features and to build it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tebench.encoders.base import EncoderFacts, InputSpec, Stage

KERAS = ".h5"  # by name only: folders are not searched for it, since .h5 files mostly hold other things

if TYPE_CHECKING:
    from tebench.encoders.network import Encoder


@dataclass(frozen=True)
class Reading:
    """warnings: what is unusual, in words.   axes: axis k of the network is axis axes[k] of a case.

    version: of the architecture's code.   build: makes the frozen network with its weights.
    """

    facts: EncoderFacts
    spec: InputSpec
    stages: tuple[Stage, ...]
    version: str
    warnings: tuple[str, ...]
    axes: tuple[int, int, int]
    build: Callable[[], Encoder] = field(repr=False)
    family: str = ""  # of checkpoints: the title in `readers.families`


def n_parameters(module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())
