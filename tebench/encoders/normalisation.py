"""How a case's intensities become what an encoder was trained on.

A normalisation is written as one scheme, or as one scheme a channel joined by `|`, or as steps joined by `>`:
`zscore_image`, `window(-175,250,0,1)`, `ct(-1004,1588,-50.4,503.4)|zscore_mask`, `zscore>minmax(-1,1)`. It enters cache
keys as written.
nnU-Net's schemes: Isensee et al. 2021, doi:10.1038/s41592-020-01008-z; the others carry the names of MONAI's
transforms in `SCHEMES`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from tebench.base.errors import InputError, unknown_name

EPS = 1e-8  # least deviation or range that is divided by
# name: (its numbers, where it applies, what it does). Where: "image"; "nonzero" voxels of the channel; the "box" or the
# hole-filled "mask" of the voxels that are not zero in some channel. Elsewhere the result is 0.
SCHEMES: dict[str, tuple[tuple[str, ...], str, str]] = {
    "zscore": ((), "nonzero", "z-score over the channel's non-zero voxels (NormalizeIntensity, nonzero=True)"),
    "zscore_all": ((), "box", "z-score over the box of non-zero voxels (nnU-Net, use_mask_for_norm false)"),
    "zscore_mask": ((), "mask", "z-score over the hole-filled non-zero mask (nnU-Net, use_mask_for_norm true)"),
    "zscore_image": ((), "image", "z-score over all voxels (NormalizeIntensity)"),
    "unit": ((), "nonzero", "0.5th to 99.5th percentile of the non-zero voxels to 0..1, clipped"),
    "none": ((), "image", "values as they are"),
    "rescale01": ((), "box", "the box's range to 0..1 (nnU-Net's RescaleTo01Normalization)"),
    "minmax": (("low", "high"), "image", "the image's range to low..high (ScaleIntensity)"),
    "window": (("a_min", "a_max", "b_min", "b_max"), "image", "window to b_min..b_max, clipped (ScaleIntensityRange)"),
    "scale": (("a_min", "a_max", "b_min", "b_max"), "image", "the same without clipping"),
    "percentiles": (("lower", "upper", "b_min", "b_max"), "image", "two percentiles to b_min..b_max, clipped "
                    "(ScaleIntensityRangePercentiles)"),
    "ct": (("low", "high", "mean", "sd"), "box", "clip to low..high, minus mean, over sd (nnU-Net's CTNormalization)"),
}  # fmt: skip
NORMALISATIONS = tuple(SCHEMES)
_FORM = re.compile(r"([a-z0-9_]+)(?:\(([^()]*)\))?")


@dataclass(frozen=True)
class Scheme:
    name: str
    numbers: tuple[float, ...] = ()

    def __str__(self) -> str:
        return self.name + (f"({','.join(f'{number:.10g}' for number in self.numbers)})" if self.numbers else "")


@lru_cache(maxsize=256)
def parse(text: str) -> tuple[Scheme, ...]:
    """The schemes that one step names, one for all channels or one a channel; InputError where it names none."""
    return tuple(_scheme(part, text) for part in str(text).split("|"))


def _scheme(part: str, text: str) -> Scheme:
    form = _FORM.fullmatch(part.replace(" ", ""))
    if not form or form[1] not in SCHEMES:
        raise unknown_name("normalisation", part, NORMALISATIONS)
    expected = SCHEMES[form[1]][0]
    try:
        numbers = tuple(float(number) for number in form[2].split(",")) if form[2] else ()
    except ValueError:
        numbers = (math.nan,)
    fits = len(numbers) == len(expected) and all(map(math.isfinite, numbers))
    if fits and form[1] in ("window", "scale", "percentiles", "ct"):
        fits = numbers[0] < numbers[1] and (form[1] != "ct" or numbers[3] > 0)
    if fits and form[1] == "percentiles":
        fits = numbers[0] >= 0 and numbers[1] <= 100
    if not fits:
        raise InputError(
            f"normalisation {text!r}: {form[1]} takes {len(expected)} finite numbers"
            f"{' (' + ', '.join(expected) + '), the first below the second' if expected else ''}."
        )
    return Scheme(form[1], numbers)


def normalise(image: np.ndarray, how: str) -> np.ndarray:
    """(C, X, Y, Z) float32 -> normalised copy, channel by channel, as `how` says.

    Statistics are those of float64 values; no array of that size is made, see `tebench.encoders.statistics`.
    """
    *before, how = str(how).split(">")
    for step in before:
        image = normalise(image, step)
    schemes = parse(how)
    if len(schemes) not in (1, len(image)):
        raise InputError(f"normalisation {how!r} is for {len(schemes)} channels, the image has {len(image)}.")
    schemes = schemes * len(image) if len(schemes) == 1 else schemes
    places = {SCHEMES[scheme.name][1] for scheme in schemes}
    box = nonzero_box(image) if places & {"box", "mask"} else None
    filled = _filled(image, box) if "mask" in places else None
    out = np.zeros(image.shape, dtype=np.float32)  # zeros_like would take the memory now
    for channel, (values, scheme) in enumerate(zip(image, schemes, strict=True)):
        where = SCHEMES[scheme.name][1]
        if not values.any():
            raise InputError(f"channel {channel} of the image is zero everywhere; nothing to normalise.")
        region = _Region(values, where, box, filled)
        offset, scale, shift, limits = _line(region, scheme)
        for x, mask in region.chosen:
            moved = (values[x][mask].astype(np.float64) - offset) / scale
            if limits is not None:
                moved = np.clip(moved, *limits)
            out[channel][x][mask] = moved if shift is None else moved * (shift[1] - shift[0]) + shift[0]
    return out


class _Region:
    """The voxels of a channel that a scheme looks at, slab by slab along the first axis."""

    def __init__(self, values: np.ndarray, where: str, box, filled):
        self.values, self.where = values, where
        slabs = range(len(values)) if where in ("image", "nonzero") else range(*box[0].indices(len(values)))
        whole = (slice(None), slice(None)) if where == "image" else None if where == "nonzero" else box[1:]
        if where == "mask":
            self.chosen = [(x, filled[x]) for x in slabs]
        else:
            self.chosen = [(x, values[x] != 0 if whole is None else whole) for x in slabs]

    def pieces(self) -> Iterator[np.ndarray]:
        return (self.values[x][mask].reshape(-1) for x, mask in self.chosen)

    def count(self) -> int:
        return sum(self.values[x][mask].size for x, mask in self.chosen)

    def all(self) -> np.ndarray:
        """A copy of the values, of the image or of its non-zero voxels."""
        return self.values.flatten() if self.where == "image" else self.values[self.values != 0]

    def ends(self) -> tuple[float, float]:
        pairs = [(float(piece.min()), float(piece.max())) for piece in self.pieces() if piece.size]
        return min(low for low, _ in pairs), max(high for _, high in pairs)


def _line(region: _Region, scheme: Scheme):
    """(offset, scale, (b_min, b_max) or None, limits before that or None) of one channel."""
    from tebench.encoders.statistics import mean_and_deviation, percentiles

    name, numbers = scheme.name, scheme.numbers
    if name.startswith("zscore"):
        offset, scale = mean_and_deviation(region.pieces, region.count())
        return offset, max(scale, EPS), None, None
    if name == "unit":
        low, high = percentiles(region.all(), (0.5, 99.5))
        return low, max(high - low, EPS), None, (0.0, 1.0)
    if name == "none":
        return 0.0, 1.0, None, None
    if name in ("rescale01", "minmax"):
        low, high = region.ends()
        return low, max(high - low, EPS), numbers or None, None
    if name == "ct":
        low, high, mean, sd = numbers
        sd = max(sd, EPS)
        return mean, sd, None, ((low - mean) / sd, (high - mean) / sd)
    low, high, b_min, b_max = numbers
    if name == "percentiles":
        low, high = percentiles(region.all(), (low, high))
    return low, max(high - low, EPS), (b_min, b_max), None if name == "scale" else (0.0, 1.0)


def nonzero_box(image: np.ndarray) -> tuple[slice, slice, slice]:
    """The smallest box that holds every voxel that is not zero in some channel of (C, X, Y, Z)."""
    there = (image != 0).any(axis=0)
    box = []
    for axis in range(3):
        hit = np.flatnonzero(there.any(axis=tuple(other for other in range(3) if other != axis)))
        box.append(slice(int(hit[0]), int(hit[-1]) + 1) if len(hit) else slice(0, 0))
    return tuple(box)


def _filled(image: np.ndarray, box) -> np.ndarray:
    """nnU-Net's mask: not zero in some channel, holes filled."""
    from scipy.ndimage import binary_fill_holes

    there = (image != 0).any(axis=0)
    there[box] = binary_fill_holes(there[box])
    return there
