"""The pre-training methods, one file each: the self-supervised ones by the name of their recipe, and two supervised.

A method is a module `Method(encoder, *, options...)` whose `loss(draw)` gives the loss of one step from the crops
that `draw` makes; `encoder` is a trainable copy, everything else is a head that is thrown away. A supervised method
keeps its head: it also takes `classes` and offers `headed()`.
"""

from __future__ import annotations

import importlib

from tebench.base.errors import unknown_name

NAMES = ("mae", "genesis", "volume_fusion", "simclr", "voco", "swin", "spark")
RESIDUAL_ONLY = ("spark",)  # masks between the layers of ResEnc's blocks
SUPERVISED = ("supervised", "synthesis")


def method_class(name: str):
    """The class of one method; imports torch."""
    if name not in NAMES + SUPERVISED:
        raise unknown_name("pre-training method", name, NAMES + SUPERVISED)
    return importlib.import_module(f"tebench.pretraining.methods.{name}").Method
