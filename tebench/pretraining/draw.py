"""Random crops: every choice is a function of (method, seed, step, name), none of what was drawn before.

Strong random geometry and contrast stand between the few source images and the encoder: without them an encoder of
this size learns the images by heart, and its features are worse than random ones (as label-to-image synthesis showed
for segmentation: Billot et al. 2023, arXiv 2107.09559).
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from tebench.pretraining.sources import SPACING, Image
from tebench.pretraining.training import Training, entropy

CENTRES = 8192  # voxels of the body kept per image to centre crops on
_KNOTS = 6  # of the displacement field along each axis, of the transfer function
_AIR = 0.01  # below this an intensity is air


class Volumes:
    """The source images as tensors, with the body voxels on which crops are centred."""

    def __init__(self, images: tuple[Image, ...], arrays: dict[str, np.ndarray]):
        self.names = [image.id for image in images]
        weights = np.array([image.weight for image in images])
        self.share = np.cumsum(weights / weights.sum())
        self.data = [torch.from_numpy(arrays[name].astype(np.float32))[None, None] for name in self.names]
        self.centres = [self._body(name, data[0, 0].numpy()) for name, data in zip(self.names, self.data, strict=True)]

    @staticmethod
    def _body(name: str, data: np.ndarray) -> np.ndarray:
        flat = np.flatnonzero(data.ravel() > 0.1)
        rng = np.random.default_rng(entropy("centres", name))
        flat = np.sort(rng.choice(flat, min(CENTRES, len(flat)), replace=False))
        return np.stack(np.unravel_index(flat, data.shape), 1)


class Draw:
    """Crops of one step. words: the name of the step's random streams, such as (method, seed, "step", 12)."""

    def __init__(self, volumes: Volumes, training: Training, *words):
        self.volumes = volumes
        self.training = training
        self.words = words

    def rng(self, *name) -> np.random.Generator:
        return np.random.default_rng(entropy(*self.words, *name))

    def place(self, *name) -> tuple[int, np.ndarray]:
        """A source image and a body voxel in it."""
        rng = self.rng("place", *name)
        index = min(int(np.searchsorted(self.volumes.share, rng.random(), "right")), len(self.volumes.share) - 1)
        centres = self.volumes.centres[index]
        return index, centres[int(rng.integers(len(centres)))].astype(float)

    def region(self, size: int, *name, place: tuple[int, np.ndarray] | None = None, shift: float = 0.0) -> Tensor:
        """(size, size, size) of a source image under a random affine map and a random smooth displacement.

        place: where; drawn if not given.   shift: half-width, in voxels, of a further random move of the centre.
        """
        index, centre = self.place(*name) if place is None else place
        return _read(self.volumes.data[index], self.grid(size, index, centre, *name, shift=shift))

    def grid(self, size: int, index: int, centre: np.ndarray, *name, shift: float = 0.0) -> Tensor:
        """Where the voxels of such a region lie in the image, in `grid_sample`'s coordinates."""
        t = self.training
        rng = self.rng("geometry", *name)
        angles = np.radians(rng.uniform(-t.rotation, t.rotation, 3))
        scales = np.exp(rng.uniform(-t.zoom, t.zoom) + rng.uniform(-t.zoom, t.zoom, 3) / 3)
        mirror = np.where((rng.random(3) < 0.5) & [axis in t.mirror for axis in "xyz"], -1.0, 1.0)
        matrix = _rotation(*angles) @ np.diag(scales * mirror)
        centre = centre + rng.uniform(-shift, shift, 3)
        knots = rng.normal(0.0, t.deformation / SPACING * rng.random(), (1, 3, _KNOTS, _KNOTS, _KNOTS))
        return _grid(self.volumes.data[index].shape, matrix, centre, torch.from_numpy(knots).float(), size)

    def labelled(self, size: int, *name, foreground: float) -> tuple[Tensor, Tensor]:
        """A region of a labelled image and its labels (int64) under one geometry, before any change of contrast.

        foreground: share of the regions that are centred on a voxel of a random foreground class.
        """
        rng = self.rng("class", *name)
        index, centre = self.place(*name)
        if rng.random() < foreground:
            voxels = self.volumes.by_class[index]
            voxels = voxels[int(rng.integers(len(voxels)))]
            centre = voxels[int(rng.integers(len(voxels)))].astype(float)
        grid = self.grid(size, index, centre, *name)
        image = _read(self.volumes.data[index], grid)
        return image, _read(self.volumes.labels[index], grid, mode="nearest").round().long()

    def contrast(self, values: Tensor, *name) -> Tensor:
        """A random appearance of a region, clipped to 0..1: transfer function, bias field, blur, noise."""
        t = self.training
        rng = self.rng("contrast", *name)
        table = _transfer(rng, t.contrast)
        keeps_air = rng.random() < 0.8
        knots = torch.from_numpy(rng.normal(0.0, t.bias * rng.random(), (1, 1, 3, 3, 3))).float()
        blur = t.blur * rng.random() if rng.random() < 0.3 else 0.0
        noise = t.noise * rng.random() if rng.random() < 0.7 else 0.0
        air = values < _AIR
        found = _look_up(values, table)
        field = functional.interpolate(knots, size=values.shape, mode="trilinear", align_corners=True)[0, 0]
        found = found * field.exp()
        if keeps_air:
            found = found.masked_fill(air, 0.0)
        if blur:
            smooth = functional.avg_pool3d(found[None, None], 3, 1, 1, count_include_pad=False)[0, 0]
            found = torch.lerp(found, smooth, blur)
        if noise:
            generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
            found = found + noise * torch.randn(values.shape, generator=generator)
        return found.clamp(0.0, 1.0)

    def crop(self, size: int, *name) -> Tensor:
        """A region with a random appearance."""
        return self.contrast(self.region(size, *name), *name)

    def batch(self) -> Tensor:
        """(batch, 1, crop, crop, crop) of the recipe's sizes."""
        t = self.training
        return torch.stack([self.crop(t.crop, index) for index in range(t.batch)])[:, None]

    def pairs(self, shift: float) -> tuple[Tensor, Tensor]:
        """Two batches: row k of both shows the same place, deformed and coloured independently."""
        t = self.training
        views = []
        for view in "ab":
            crops = []
            for index in range(t.batch):
                place = self.place("pair", index)
                region = self.region(t.crop, view, index, place=place, shift=shift)
                crops.append(self.contrast(region, view, index))
            views.append(torch.stack(crops)[:, None])
        return views[0], views[1]


def _rotation(a: float, b: float, c: float) -> np.ndarray:
    ca, sa, cb, sb, cc, sc = math.cos(a), math.sin(a), math.cos(b), math.sin(b), math.cos(c), math.sin(c)
    x = np.array([[1, 0, 0], [0, ca, -sa], [0, sa, ca]])
    y = np.array([[cb, 0, sb], [0, 1, 0], [-sb, 0, cb]])
    z = np.array([[cc, -sc, 0], [sc, cc, 0], [0, 0, 1]])
    return x @ y @ z


def _grid(shape: tuple[int, ...], matrix: np.ndarray, centre: np.ndarray, knots: Tensor, size: int) -> Tensor:
    """The points centre + matrix offset + displacement(offset) of a volume of `shape`, (1, 1, X, Y, Z)."""
    scale = 2.0 / (torch.tensor(shape[2:], dtype=torch.float32) - 1)  # voxel index -> -1..1
    # In grid_sample's order the last coordinate runs along the first axis.
    theta = torch.zeros(1, 3, 4)
    half = (size - 1) / 2
    m = torch.from_numpy(matrix).float()
    theta[0, :, :3] = ((scale[:, None] * m) * half).flip(0, 1)
    theta[0, :, 3] = (torch.from_numpy(centre).float() * scale - 1).flip(0)
    grid = functional.affine_grid(theta, [1, 1, size, size, size], align_corners=True)
    field = functional.interpolate(knots * scale.view(1, 3, 1, 1, 1), size=(size,) * 3, mode="trilinear")
    return grid + field.flip(1).permute(0, 2, 3, 4, 1)


def _read(data: Tensor, grid: Tensor, mode: str = "bilinear") -> Tensor:
    """Values at the points of `grid`, 0 outside the volume."""
    return functional.grid_sample(data, grid, mode=mode, align_corners=True)[0, 0]


def _transfer(rng: np.random.Generator, amount: float) -> Tensor:
    """A function on 0..1 as 257 values: identity mixed with a rising, falling or arbitrary piecewise linear one."""
    kind, mix = rng.random(), amount * rng.uniform(0.3, 1.0)
    steps = rng.exponential(1.0, _KNOTS)
    knots = np.concatenate([[0.0], np.cumsum(steps) / steps.sum()])
    if kind >= 0.7:
        knots = rng.random(_KNOTS + 1)
    elif kind >= 0.45:
        knots = 1.0 - knots
    x = np.linspace(0.0, 1.0, 257)
    table = np.interp(x, np.linspace(0.0, 1.0, _KNOTS + 1), knots)
    return torch.from_numpy((1 - mix) * x + mix * table).float()


def _look_up(values: Tensor, table: Tensor) -> Tensor:
    position = values.clamp(0.0, 1.0) * (len(table) - 1)
    low = position.floor().clamp(max=len(table) - 2)
    first, index = position - low, low.long()
    return torch.lerp(table[index], table[index + 1], first)
