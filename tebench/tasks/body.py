"""Images whose body holds dark parts (lungs, skull, sinuses), and lung labels derived on chest CT."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from tebench.assets import catalogue as assets
from tebench.tasks.source import Source, Volume, read_volume, resample_mean, to_grid

ROUNDS = 2  # erosions and dilations, voxels: table, clothes and wires part from the body


@dataclass(frozen=True)
class BodySource(Source):
    """A source whose body is all that its outer surface encloses, however dark.

    threshold: stored values above it are solid; the body is the largest solid piece, closed and with
    holes filled in each axial slice.   floor, top: values are clipped to them and shifted so that the body
    holds 1 .. top - floor + 1; all else is exactly 0, as normalisation by the non-zero voxels needs.
    """

    threshold: float = 0.0
    floor: float = 0.0
    top: float | None = None

    def coarse(self, spacing: float) -> tuple[Volume, np.ndarray]:
        return _coarse(str(assets.fetch(self.package)), self.package, self.image, spacing, self.threshold)

    def stored(self, values: np.ndarray) -> np.ndarray:
        return (np.clip(values, self.floor, self.top) - self.floor + 1.0).astype(np.float32)


@lru_cache(maxsize=4)
def _coarse(folder: str, package: str, path: str, spacing: float, threshold: float) -> tuple[Volume, np.ndarray]:
    """folder: part of the cache's key only."""
    image = resample_mean(read_volume(package, path), spacing)
    inside = enclosed(image.data > threshold)
    for array in (image.data, inside):
        array.flags.writeable = False
    return image, inside


def enclosed(solid: np.ndarray) -> np.ndarray:
    """The largest piece of `solid` after opening, closed by ROUNDS + 1 and holes filled in each axial slice."""
    from scipy import ndimage

    body = largest(ndimage.binary_opening(solid, iterations=ROUNDS))
    room = ROUNDS + 2  # the closing must not see the array's edge
    out = np.zeros_like(body)
    for z in range(body.shape[2]):
        closed = ndimage.binary_closing(np.pad(body[:, :, z], room), iterations=ROUNDS + 1)
        out[:, :, z] = ndimage.binary_fill_holes(closed)[room:-room, room:-room]
    return out


def largest(mask: np.ndarray) -> np.ndarray:
    """The largest piece (faces joined) of a mask."""
    from scipy import ndimage

    pieces, count = ndimage.label(mask)
    return pieces == 1 + np.bincount(pieces.ravel())[1:].argmax() if count else mask.copy()


def ball(radius: float) -> np.ndarray:
    """Boolean ball; radius in voxels."""
    reach = int(np.floor(radius))
    grid = np.mgrid[-reach : reach + 1, -reach : reach + 1, -reach : reach + 1]
    return (grid**2).sum(axis=0) <= radius**2


@dataclass(frozen=True)
class LungLabels:
    """Both lungs on a chest CT, derived: no expert drew them, except the tumour inside.

    Air (below `air` HU) inside the body; what an opening of 12 mm removes and 12 mm of growth inside the air
    does not bring back (trachea, main bronchi) is left out; pieces below `least` ml (bowel gas) are left
    out; a closing of 6 mm and filling in axial slices take in vessels; the tumour mask of the package is
    added, because a threshold takes solid tumour for chest wall. [choice]
    """

    package: str
    tumour: str
    name: str = "lungs"
    air: float = -400.0
    least: float = 200.0

    def packages(self) -> tuple[str, ...]:
        return (self.package,)

    def read(self, image: Volume, classes: tuple[str, ...]) -> np.ndarray:
        from scipy import ndimage

        mm = float(image.spacing[0])
        inside = enclosed(image.data > self.air)
        air = (image.data < self.air) & ndimage.binary_erosion(inside)
        wide = ndimage.binary_opening(air, structure=ball(12.0 / mm))
        lungs = ndimage.binary_dilation(wide, iterations=round(12.0 / mm), mask=air)
        pieces, count = ndimage.label(lungs)
        volumes = np.bincount(pieces.ravel(), minlength=count + 1) * mm**3 / 1000.0
        lungs = (volumes >= self.least)[pieces] & (pieces > 0)
        room = int(np.ceil(6.0 / mm)) + 1
        closed = ndimage.binary_closing(np.pad(lungs, room), structure=ball(6.0 / mm))
        lungs = closed[room:-room, room:-room, room:-room] & inside
        for z in range(lungs.shape[2]):
            lungs[:, :, z] = ndimage.binary_fill_holes(lungs[:, :, z])
        labels = (lungs | self.tumour_on(image)).astype(np.int16)
        return labels * np.int16(classes.index(self.name))

    def tumour_on(self, image: Volume) -> np.ndarray:
        """The package's tumour mask on the image's grid, where it fills at least half of a voxel."""
        mask = read_volume(self.package, self.tumour)
        mask = resample_mean(Volume((mask.data > 0).astype(np.float32), mask.affine), float(image.spacing[0]))
        return to_grid(mask, image.affine, image.data.shape, order=1) >= 0.5
