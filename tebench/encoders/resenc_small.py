"""ResEnc-S: the small sibling of ResEnc-L (0.65 million parameters) that is pre-trained in `tebench.pretraining`.

Four stages of one residual block, 16, 32, 64 and 96 channels at strides 2, 4, 8 and 16. The stem already halves the
patch: at full resolution the stem alone would cost more than all other layers together.
"""

from __future__ import annotations

from tebench.encoders import resenc
from tebench.encoders.base import EncoderFacts, InputSpec, Stage
from tebench.encoders.initialisation import without_global_draws
from tebench.encoders.resenc import Plan, ResEnc

PLAN = Plan(features=(16, 32, 64, 96), blocks=(1, 1, 1, 1), strides=(1, 2, 2, 2), stem_stride=2)


@without_global_draws
def empty(facts: EncoderFacts, spec: InputSpec, stages: tuple[Stage, ...]) -> ResEnc:
    """The network, its weights still to be filled."""
    return ResEnc(facts, spec, PLAN)


def random(seed: int, facts: EncoderFacts, spec: InputSpec, stages: tuple[Stage, ...]) -> ResEnc:
    """The same shape with He-normal weights."""
    return resenc.random(seed, facts, spec, PLAN)
