"""The architectures of the catalogue: where their code is, what they read, which stages they give."""

from __future__ import annotations

from dataclasses import dataclass

from tebench.encoders.base import InputSpec, Stage


@dataclass(frozen=True)
class Shape:
    """One architecture. version: raise it with every change that alters features; it enters cache keys."""

    module: str
    version: str
    spec: InputSpec
    stages: tuple[Stage, ...]

    @property
    def name(self) -> str:
        """The short name, without the version."""
        return self.version.split("/")[0]


def _stages(*channels_and_strides: tuple[int, int]) -> tuple[Stage, ...]:
    return tuple(
        Stage(f"encoder.{index}", "encoder", channels, stride)
        for index, (channels, stride) in enumerate(channels_and_strides)
    )


DEEPBET = Shape(
    module="tebench.encoders.deepbet",
    version="deepbet/1",
    spec=InputSpec(channels=1, normalisation="unit", patch=(64, 64, 64), divisor=32),
    stages=_stages((16, 4), (16, 4), (32, 8), (64, 16), (128, 32)),
)
DEEPBRAIN = Shape(
    module="tebench.encoders.deepbrain",
    version="deepbrain/1",
    spec=InputSpec(channels=1, normalisation="unit", patch=(64, 64, 64), divisor=8),
    stages=_stages((8, 1), (16, 2), (32, 4), (32, 8)),
)
RESENC_S = Shape(
    module="tebench.encoders.resenc_small",
    version="resenc_s/2",
    # "unit": air is 0 and the range 0..1 on CT and on MR alike; a z-score puts the zero background of a
    # skull-stripped MR at the mean of the brain, and air of a CT far below it.
    spec=InputSpec(channels=1, normalisation="unit", patch=(64, 64, 64), divisor=16),
    stages=_stages((16, 2), (32, 4), (64, 8), (96, 16)),
)
UNET_S = Shape(
    module="tebench.encoders.unet_small",
    version="unet_s/1",
    spec=RESENC_S.spec,
    stages=_stages((12, 2), (24, 4), (48, 8), (80, 16)),
)
PRIMUS_S = Shape(
    module="tebench.encoders.primus_small",
    version="primus_s/1",
    spec=InputSpec(channels=1, normalisation="unit", patch=(64, 64, 64), divisor=8),
    stages=_stages((72, 8), (72, 8), (72, 8), (72, 8)),
)
DEEPDEFACER = Shape(
    module="tebench.encoders.deepdefacer",
    version="deepdefacer/1",
    spec=InputSpec(channels=1, normalisation="unit", patch=(64, 64, 64), divisor=16),
    stages=_stages((8, 1), (16, 2), (32, 4), (64, 8), (128, 16)),
)
SUITPY = Shape(
    module="tebench.encoders.suitpy",
    version="suitpy/1",
    spec=DEEPDEFACER.spec,
    stages=_stages((16, 1), (32, 2), (64, 4), (128, 8), (128, 16)),
)
