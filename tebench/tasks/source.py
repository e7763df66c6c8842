"""Real images and their label maps, read from unpacked packages onto one canonical grid.

Every volume is turned to RAS order and resampled to isotropic voxels: block means by the whole
part of the factor, then linear interpolation for what is left. Labels are resampled into the
image's grid through both affines, never by array index: packages store them in other orders.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Protocol

import numpy as np

from tebench.assets import catalogue as assets
from tebench.base.errors import AssetError, InputError
from tebench.tasks import nrrd
from tebench.tasks.base import Case

MARGIN = 3  # voxels of air kept around the body, so that a boundary voxel has neighbours on all sides


@dataclass(frozen=True)
class Volume:
    """An array with the affine (4, 4) that takes voxel index to mm, in RAS order."""

    data: np.ndarray
    affine: np.ndarray

    @cached_property
    def spacing(self) -> np.ndarray:
        return np.linalg.norm(self.affine[:3, :3], axis=0)


def read_volume(package: str, path: str) -> Volume:
    """One NIfTI or NRRD file of a pinned package, axes reordered to RAS, stored values kept."""
    import nibabel

    file = Path(assets.fetch(package)) / path
    try:
        if file.suffix == ".nrrd":
            return Volume(*nrrd.read(file))
        image = nibabel.as_closest_canonical(nibabel.load(file))
        return Volume(np.asanyarray(image.dataobj), np.asarray(image.affine, dtype=np.float64))
    except FileNotFoundError as error:
        raise AssetError(f"package {package!r} holds no file {path!r}.") from error
    except (OSError, EOFError, ValueError, nibabel.filebasedimages.ImageFileError) as error:
        raise AssetError(
            f"cannot read {path!r} of package {package!r}: {error}. Delete {file} and try again."
        ) from error


def resample_mean(volume: Volume, spacing: float) -> Volume:
    """Volume on isotropic voxels of `spacing` mm: block means, then linear for a fractional remainder."""
    data = np.asarray(volume.data, dtype=np.float32)
    whole = np.maximum(1, np.floor(spacing / volume.spacing + 1e-6).astype(int))
    kept = [n // f for n, f in zip(data.shape, whole, strict=True)]
    data = data[tuple(slice(0, n * f) for n, f in zip(kept, whole, strict=True))]
    blocks = data.reshape(kept[0], whole[0], kept[1], whole[1], kept[2], whole[2])
    data = blocks.mean(axis=(1, 3, 5), dtype=np.float64).astype(np.float32)
    affine = volume.affine.copy()
    affine[:3, :3] *= whole
    affine[:3, 3] += volume.affine[:3, :3] @ ((whole - 1) / 2)
    volume = Volume(data, affine)
    step = spacing / volume.spacing
    if np.allclose(step, 1.0, atol=1e-3):
        return volume
    shape = tuple(np.maximum(1, np.floor((np.array(data.shape) - 1) / step + 1e-6).astype(int) + 1))
    target = affine.copy()
    target[:3, :3] *= step
    return Volume(to_grid(volume, target, shape, order=1), target)


def to_grid(volume: Volume, affine: np.ndarray, shape: tuple, *, order: int, shift=(0.0, 0.0, 0.0)) -> np.ndarray:
    """Values of `volume` at the voxel centres of another grid, moved by `shift` of its voxels; 0 outside."""
    from scipy import ndimage

    matrix = np.linalg.inv(volume.affine) @ affine
    offset = matrix[:3, 3] + matrix[:3, :3] @ np.asarray(shift)
    return ndimage.affine_transform(volume.data, matrix[:3, :3], offset, output_shape=tuple(shape), order=order)


@dataclass(frozen=True)
class Atlas:
    """Labels from an atlas volume: class name -> the atlas ids that make it up."""

    package: str
    path: str
    classes: dict[str, tuple[int, ...]]

    def packages(self) -> tuple[str, ...]:
        return (self.package,)

    def volume(self) -> Volume:
        return read_volume(self.package, self.path)

    def read(self, image: Volume, classes: tuple[str, ...]) -> np.ndarray:
        """Majority of 8 nearest-neighbour sub-samples a voxel; ties go to the lower class. [choice]"""
        atlas = self.volume()
        table = np.zeros(int(atlas.data.max()) + 1, dtype=np.uint8)
        for name, ids in self.classes.items():
            known = [i for i in ids if i < len(table)]
            table[known] = classes.index(name)
        merged = Volume(table[atlas.data.astype(np.int64)], atlas.affine)
        corners = [(a, b, c) for a in (-0.25, 0.25) for b in (-0.25, 0.25) for c in (-0.25, 0.25)]
        votes = np.zeros((len(classes), *image.data.shape), dtype=np.uint8)
        for corner in corners:
            sampled = to_grid(merged, image.affine, image.data.shape, order=0, shift=corner)
            for index in range(len(classes)):
                votes[index] += sampled == index
        return votes.argmax(axis=0).astype(np.int16)


@dataclass(frozen=True)
class ProbabilityMaps:
    """Labels from one probability volume a class: the largest, where it reaches `threshold` of `full`."""

    package: str
    classes: dict[str, str]
    full: float = 255.0
    threshold: float = 0.5

    def packages(self) -> tuple[str, ...]:
        return (self.package,)

    def read(self, image: Volume, classes: tuple[str, ...]) -> np.ndarray:
        spacing = float(image.spacing[0])
        stack = np.zeros((len(classes), *image.data.shape), dtype=np.float32)
        for name, path in self.classes.items():
            volume = resample_mean(read_volume(self.package, path), spacing)
            stack[classes.index(name)] = to_grid(volume, image.affine, image.data.shape, order=1) / self.full
        best = stack.argmax(axis=0)
        return np.where(stack.max(axis=0) >= self.threshold, best, 0).astype(np.int16)


@dataclass(frozen=True)
class MovedAtlas(Atlas):
    """An atlas brought to another image by `move`: rows of the (3, 4) map of the atlas's mm to the image's mm."""

    move: tuple[tuple[float, float, float, float], ...] = ((1, 0, 0, 0), (0, 1, 0, 0), (0, 0, 1, 0))

    def volume(self) -> Volume:
        atlas = read_volume(self.package, self.path)
        return Volume(atlas.data, np.vstack([self.move, [0, 0, 0, 1]]) @ atlas.affine)


@dataclass(frozen=True)
class ProbabilityStack:
    """Labels from one 4-D probability volume: class name -> its maps (0-based), summed; the largest class wins.

    rivals: maps that win as background.   A voxel whose best sum is below `threshold` of `full` is background.
    """

    package: str
    path: str
    classes: dict[str, tuple[int, ...]]
    rivals: tuple[int, ...] = ()
    full: float = 100.0
    threshold: float = 0.5

    def packages(self) -> tuple[str, ...]:
        return (self.package,)

    def read(self, image: Volume, classes: tuple[str, ...]) -> np.ndarray:
        maps = read_volume(self.package, self.path)
        stack = np.zeros((len(classes), *image.data.shape), dtype=np.float32)
        for name, indices in (("background", self.rivals), *self.classes.items()):
            if indices:
                total = Volume(sum(maps.data[..., k].astype(np.float32) for k in indices), maps.affine)
                total = resample_mean(total, float(image.spacing[0]))
                stack[classes.index(name)] = to_grid(total, image.affine, image.data.shape, order=1) / self.full
        best = stack.argmax(axis=0)
        return np.where(stack.max(axis=0) >= self.threshold, best, 0).astype(np.int16)


@lru_cache(maxsize=4)  # several tasks read the same image; the coarse one is small, reading takes seconds
def _coarse(folder: str, package: str, path: str, spacing: float, outside: float) -> tuple[Volume, np.ndarray]:
    """The image at `spacing` and which of its voxels are body. folder: part of the cache's key only."""
    raw = read_volume(package, path)
    image = resample_mean(raw, spacing)
    body = np.asarray(raw.data > outside, dtype=np.float32)
    # A voxel less than half inside the body is air: block means would leave a dim rim of partial volume.
    inside = resample_mean(Volume(body, raw.affine), spacing).data >= 0.5
    for array in (image.data, inside):
        array.flags.writeable = False
    return image, inside


class Labels(Protocol):
    """Where a source's labels come from: named packages, and a label map on the image's grid."""

    def packages(self) -> tuple[str, ...]: ...
    def read(self, image: Volume, classes: tuple[str, ...]) -> np.ndarray: ...


@dataclass(frozen=True)
class Source:
    """One real image and where its labels come from.

    prefix: put before the case ids made from it ("" for training, "test-" for test).
    origin: "template" (an averaged image) or "subject" (one person).
    outside: intensity of what is not body; the image is cropped to the rest.
    """

    package: str
    image: str
    labels: Labels
    prefix: str = ""
    origin: str = "template"
    outside: float = 0.0

    @property
    def case_id(self) -> str:
        return self.prefix + self.origin

    def packages(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys((self.package, *self.labels.packages())))

    def coarse(self, spacing: float) -> tuple[Volume, np.ndarray]:
        """The image at `spacing` mm, and which of its voxels are body."""
        return _coarse(str(assets.fetch(self.package)), self.package, self.image, spacing, self.outside)

    def stored(self, values: np.ndarray) -> np.ndarray:
        """What a case holds for image values inside the body: here the values themselves."""
        return values

    def read(self, classes: tuple[str, ...], spacing: float) -> Case:
        """The case of the real image at isotropic `spacing` mm, cropped to the body with a margin."""
        image, inside = self.coarse(float(spacing))
        labels = np.where(inside, self.labels.read(image, classes), 0).astype(np.int16)
        missing = [name for index, name in enumerate(classes) if index and not (labels == index).any()]
        if missing:
            raise InputError(f"{self.package}/{self.image}: the label map holds no voxel of {', '.join(missing)}.")
        data = np.where(inside, self.stored(image.data), np.float32(self.outside))
        window = body_window(inside)
        return Case(
            id=self.case_id,
            image=pad_to(data, window, self.outside)[None],
            labels=pad_to(labels, window, 0),
            spacing=(float(spacing),) * 3,
            origin=self.origin,
        )


def body_window(inside: np.ndarray) -> tuple[tuple[int, int], ...]:
    """(start, stop) along each axis of the true voxels with MARGIN around; may reach past the array."""
    if not inside.any():
        raise InputError("the image holds no body voxels (all at or below the outside intensity).")
    window = []
    for axis in range(3):
        hit = np.flatnonzero(inside.any(axis=tuple(a for a in range(3) if a != axis)))
        window.append((int(hit[0]) - MARGIN, int(hit[-1]) + 1 + MARGIN))
    return tuple(window)


def pad_to(array: np.ndarray, window: tuple[tuple[int, int], ...], value: float) -> np.ndarray:
    """The window of `array` as a new contiguous array, filled with `value` where it reaches past it."""
    out = np.full([stop - start for start, stop in window], value, dtype=array.dtype)
    source = tuple(slice(max(0, a), min(n, b)) for (a, b), n in zip(window, array.shape, strict=True))
    target = tuple(slice(s.start - a, s.stop - a) for s, (a, _) in zip(source, window, strict=True))
    out[target] = array[source]
    return out
