"""The self-supervised methods, one file each, by the name of their recipe.

A method is a module `Method(encoder, *, options...)` whose `loss(draw)` gives the loss of one step from the crops
that `draw` makes; `encoder` is a trainable copy, everything else is a head that is thrown away.
"""

from __future__ import annotations

import importlib

from tebench.base.errors import unknown_name

NAMES = ("mae", "genesis", "volume_fusion", "simclr", "voco", "swin", "spark")


def method_class(name: str):
    """The class of one method; imports torch."""
    if name not in NAMES:
        raise unknown_name("pre-training method", name, NAMES)
    return importlib.import_module(f"tebench.pretraining.methods.{name}").Method
