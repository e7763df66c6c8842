"""What an encoder is: a frozen network that gives one feature map per named stage."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Stage:
    """One resolution level. name: "encoder.K" (0 = shallowest) or "decoder.K" (0 = deepest, last = finest)."""

    name: str
    kind: str  # "encoder" | "decoder"
    channels: int
    stride: int | tuple[int, int, int]  # input voxels per feature cell, along each axis of a case where they differ

    def __post_init__(self):
        if not isinstance(self.stride, int):
            steps = tuple(int(step) for step in self.stride)
            object.__setattr__(self, "stride", steps[0] if len(set(steps)) == 1 else steps)

    @property
    def steps(self) -> tuple[int, int, int]:
        """The stride along each axis."""
        return (self.stride,) * 3 if isinstance(self.stride, int) else self.stride


@dataclass(frozen=True)
class InputSpec:
    """What the network expects.

    normalisation: a text of `tebench.encoders.normalisation`, such as "zscore" or "window(-175,250,0,1)".
    spacing: None = the task's own.
    patch: default sliding window, a multiple of `divisor` along each axis.
    """

    channels: int = 1
    normalisation: str = "zscore"
    spacing: tuple[float, float, float] | None = None
    patch: tuple[int, int, int] = (64, 64, 64)
    divisor: int = 32


@dataclass(frozen=True)
class EncoderFacts:
    """What is known of an encoder without running it.

    images: ids of the packaged images that it was trained on, such as "deepmriprep:Template_05mm_bet"; empty where
    it was trained on none of them.
    shape: architecture by a short name; encoders of one shape are ranked against each other in the within-shape tests.
    "" where it is unknown: `architecture` stands for it.
    family: encoders whose weights are relatives (one recipe at several doses, mixes of two encoders and both ends), by
    a name that no other shape uses; tests move and leave out families as a whole. "": the encoder stands alone.
    dose: share of its recipe's whole pre-training, 0 (random) to 1; None: unknown.
    """

    name: str
    title: str
    architecture: str
    pretraining: str  # "none (random initialisation)" for a twin
    training_data: str
    licence: str
    source: str
    n_parameters: int
    images: tuple[str, ...] = ()
    shape: str = ""
    family: str = ""
    dose: float | None = None

    @property
    def stratum(self) -> str:
        """The shape, or the architecture in words where no short name is known."""
        return self.shape or self.architecture

    @property
    def kin(self) -> str:
        """The family, or the encoder's own name where it stands alone."""
        return self.family or self.name
