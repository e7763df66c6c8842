"""The numbers that every pre-training has, and the seeds of its random streams."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Annotated

from tebench.metrics.parameters import Interval

Count = Annotated[int, Interval(1)]
Share = Annotated[float, Interval(0.0, 1.0)]
Amount = Annotated[float, Interval(0.0)]


@dataclass(frozen=True, kw_only=True)
class Training:
    """Numbers that every method has.

    crop, batch: edge of the cubic crop (voxels of 2 mm), crops a step (pairs of crops, for methods on pairs).
    steps: of the full dose.   lr, warmup: peak rate of AdamW, share of the steps that rise linearly to it before
    half a cosine down to zero.   weight_decay, clip: AdamW's decay, largest gradient norm.
    mirror: axes that are flipped half of the time.   rotation (degrees), zoom (logarithm), deformation (mm, deviation
    of the knots of a smooth displacement), contrast (share of the intensity that a random transfer function gives, at
    most), bias, noise, blur: half-widths of the augmentation.
    """

    crop: Annotated[int, Interval(32)] = 48
    batch: Count = 2
    steps: Count = 800
    lr: Amount = 2e-3
    warmup: Share = 0.1
    weight_decay: Amount = 1e-2
    clip: Annotated[float, Interval(1e-6)] = 1.0
    mirror: str = "xyz"
    rotation: Annotated[float, Interval(0.0, 180.0)] = 25.0
    zoom: Annotated[float, Interval(0.0, 0.9)] = 0.25
    deformation: Amount = 6.0
    contrast: Share = 1.0
    bias: Amount = 0.3
    noise: Amount = 0.08
    blur: Share = 1.0


def entropy(*words) -> int:
    """Seed of one random stream: a function of its name alone."""
    text = "\x1f".join(map(str, words))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1
