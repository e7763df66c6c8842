"""Encoders whose quality falls by construction: trained weights moved towards a random twin."""

from __future__ import annotations

import torch

from tebench.base.errors import InputError
from tebench.encoders.base import EncoderFacts
from tebench.encoders.network import Encoder


@torch.no_grad()
def between(trained: Encoder, twin: Encoder, share: float, facts: EncoderFacts) -> Encoder:
    """W = (1 - share) W_trained + share W_twin, tensor by tensor; a frozen copy of the encoder stages.

    share: in [0, 1]; 0 gives the trained encoder, 1 its twin. The two are shapes of one network.
    """
    if not 0.0 <= share <= 1.0:
        raise InputError(f"share must be between 0 and 1, got {share!r}.")
    mixed, other = trained.without_head(), twin.without_head().state_dict()
    own = mixed.state_dict()
    if own.keys() != other.keys():
        raise InputError(f"encoders {trained.name!r} and {twin.name!r} are not of one shape.")
    mixed.load_state_dict({key: torch.lerp(value, other[key], share) for key, value in own.items()}, strict=True)
    mixed.name, mixed.facts = facts.name, facts
    return mixed.freeze()
