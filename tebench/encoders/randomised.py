"""All weights of a network drawn anew, whatever its layers are."""

from __future__ import annotations

import torch
from torch import nn

from tebench.encoders.initialisation import he_normal

SLOPE = 0.01  # of the leaky rectifier, as in the catalogue's random encoders
_SCALES = ("weight", "gamma", "scale", "alpha")


@torch.no_grad()
def randomised(network: nn.Module, seed: int) -> nn.Module:
    """Every parameter of the network drawn anew, in place; running statistics start over."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        reset = set()
        for part in network.modules():
            if hasattr(part, "reset_parameters"):
                part.reset_parameters()
                reset |= {id(parameter) for parameter in part.parameters(recurse=False)}
        for name, parameter in network.named_parameters():
            if id(parameter) in reset:
                continue
            last = name.rsplit(".", 1)[-1].lower()
            if parameter.ndim > 1:
                nn.init.normal_(parameter, std=0.02)
            else:
                nn.init.constant_(parameter, 1.0 if any(word in last for word in _SCALES) else 0.0)
    return he_normal(network, seed=seed, slope=SLOPE)
