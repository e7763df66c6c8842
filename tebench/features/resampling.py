"""The grid that an encoder reads a case on, known from shape and voxel size before anything is computed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from tebench.base.errors import InputError

MOST_VOXELS = 2**30  # of a resampled channel: 4 GiB, and twice that while its spline is formed [choice]
FEW = 8  # voxels along an axis below which hardly a feature cell differs from the next [choice]

Triple = tuple[int, int, int]


def grid(shape: Iterable[int], spacing: Iterable[float], target: Iterable[float] | None) -> Triple:
    """Voxels along each axis at the target spacing; the shape itself where there is none, or it is the same.

    >>> grid((40, 40, 20), (1.0, 1.0, 2.5), (1.0, 1.0, 1.0))
    (40, 40, 50)
    """
    shape, spacing = tuple(int(n) for n in shape), tuple(float(mm) for mm in spacing)
    if target is None or np.allclose(tuple(target), spacing, rtol=0, atol=1e-3):
        return shape
    new = np.maximum(1, np.rint(np.array(shape) * np.asarray(spacing) / np.asarray(tuple(target), dtype=np.float64)))
    if np.prod(new) > MOST_VOXELS:
        raise InputError(
            f"a case of {times(shape)} voxels of {times(spacing)} mm would have {times(new)} = {np.prod(new):.3g} at "
            f"{times(target)} mm, more than {MOST_VOXELS:.3g}. Check the unit of its voxel size."
        )
    return tuple(int(n) for n in new)


def times(values: Iterable[float]) -> str:
    """1x1x2.5"""
    return "x".join(f"{value:.4g}" for value in values)


@dataclass(frozen=True)
class Grids:
    """What one encoder reads. smallest, largest: grids of the cases with fewest and most voxels.

    few: cases with fewer than FEW voxels along an axis.   resampled: whether any case is.   shapes: of all cases.
    """

    spacing: tuple[float, float, float] | None
    smallest: Triple
    largest: Triple
    few: tuple[str, ...]
    resampled: bool
    shapes: tuple[Triple, ...] = ()

    def text(self) -> str:
        """One line: the voxels read, and at which size."""
        sizes = (
            times(self.smallest)
            if self.smallest == self.largest
            else f"{times(self.smallest)} to {times(self.largest)}"
        )
        where = f"resampled to {times(self.spacing)} mm" if self.resampled else "as stored"
        return f"{sizes} voxels, {where}"


def grids(cases: Mapping[str, Mapping], target: tuple[float, float, float] | None) -> Grids:
    """Grids of cases (name -> {shape, spacing}) for an encoder of this spacing; InputError names one that explodes."""
    found: dict[str, Triple] = {}
    for name, case in cases.items():
        try:
            found[name] = grid(case["shape"], case["spacing"], target)
        except InputError as error:
            raise InputError(f"case {name!r}: {error}") from error
    order = sorted(found.values(), key=lambda shape: (int(np.prod(shape)), shape))
    few = tuple(name for name, shape in found.items() if min(shape) < FEW)
    changed = any(found[name] != tuple(case["shape"]) for name, case in cases.items())
    return Grids(target, order[0], order[-1], few, changed, tuple(found.values()))
