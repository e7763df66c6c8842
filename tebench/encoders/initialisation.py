"""Random weights from an explicit generator; nothing seeds globally."""

from __future__ import annotations

import functools

import torch
from torch import nn


def without_global_draws(build):
    """Decorate a function that makes modules: torch draws default weights, here without moving the global state."""

    @functools.wraps(build)
    def quiet(*arguments, **options):
        with torch.random.fork_rng(devices=[]):
            return build(*arguments, **options)

    return quiet


def he_normal(module: nn.Module, *, seed: int, slope: float) -> nn.Module:
    """Draw every convolution weight from N(0, 2 / ((1 + slope^2) fan_in)), in the modules' order; biases 0.

    fan_in as torch defines it: size(1) of the weight x kernel voxels. Normalisation layers start as the
    identity. Source: He et al. 2015, arXiv 1502.01852. The draw is made on the CPU in float32, so one
    seed gives one network on every device.
    """
    generator = torch.Generator().manual_seed(seed)
    for part in module.modules():
        if isinstance(part, nn.Conv3d | nn.ConvTranspose3d):
            nn.init.kaiming_normal_(part.weight, a=slope, nonlinearity="leaky_relu", generator=generator)
            if part.bias is not None:
                nn.init.zeros_(part.bias)
        elif isinstance(part, nn.InstanceNorm3d) and part.affine:
            nn.init.ones_(part.weight)
            nn.init.zeros_(part.bias)
    return module
