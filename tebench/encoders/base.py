"""What an encoder is: a frozen network that gives one feature map per named stage."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

NORMALISATIONS = ("zscore", "zscore_all", "unit")


@dataclass(frozen=True)
class Stage:
    """One resolution level. name: "encoder.K" (0 = shallowest) or "decoder.K" (0 = deepest, last = finest)."""

    name: str
    kind: str  # "encoder" | "decoder"
    channels: int
    stride: int  # input voxels per feature cell, along each axis


@dataclass(frozen=True)
class InputSpec:
    """What the network expects.

    normalisation: "zscore" (over the non-zero voxels of the case, zeros stay zero),
    "zscore_all" (over the smallest box that holds the non-zero voxels of all channels, zeros inside it
    included; 0 outside the box) or
    "unit" (0.5th..99.5th percentile of the non-zero voxels mapped to 0..1, clipped).
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


def normalise(image: np.ndarray, how: str) -> np.ndarray:
    """(C, X, Y, Z) float32 -> normalised copy, per channel, over non-zero voxels (or their box).

    Statistics are those of float64 values; no array of that size is made, see `tebench.encoders.statistics`.
    """
    from tebench.base.errors import InputError
    from tebench.encoders.statistics import mean_and_deviation, percentiles

    box = nonzero_box(image) if how == "zscore_all" else None
    out = np.zeros(image.shape, dtype=np.float32)  # zeros_like would take the memory now
    for channel, values in enumerate(image):
        if not values.any():
            raise InputError(f"channel {channel} of the image is zero everywhere; nothing to normalise.")
        # Slab by slab along the first axis: a view of the box, or the non-zero voxels in their order.
        slabs = range(len(values)) if box is None else range(*box[0].indices(len(values)))
        inside = [values[x] != 0 for x in slabs] if box is None else [box[1:]] * len(slabs)
        chosen = [(x, mask) for x, mask in zip(slabs, inside, strict=True)]
        if how in ("zscore", "zscore_all"):
            count = sum(np.count_nonzero(mask) for _, mask in chosen) if box is None else values[box].size
            offset, scale = mean_and_deviation(
                lambda v=values, c=chosen: (v[x][mask].reshape(-1) for x, mask in c), count
            )
            scale, limits = max(scale, 1e-8), (-np.inf, np.inf)
        elif how == "unit":
            offset, high = percentiles(values[values != 0], (0.5, 99.5))
            scale, limits = max(high - offset, 1e-8), (0.0, 1.0)
        else:
            raise InputError(f"normalisation must be one of {', '.join(NORMALISATIONS)}, got {how!r}.")
        for x, mask in chosen:
            out[channel][x][mask] = np.clip((values[x][mask].astype(np.float64) - offset) / scale, *limits)
    return out


def nonzero_box(image: np.ndarray) -> tuple[slice, slice, slice]:
    """The smallest box that holds every voxel that is not zero in some channel of (C, X, Y, Z)."""
    there = (image != 0).any(axis=0)
    box = []
    for axis in range(3):
        hit = np.flatnonzero(there.any(axis=tuple(other for other in range(3) if other != axis)))
        box.append(slice(int(hit[0]), int(hit[-1]) + 1) if len(hit) else slice(0, 0))
    return tuple(box)
