"""Virtual subjects: new cases simulated from one real case.

x -> image(A x + u(x)) with a small affine A and a smooth random displacement u, then contrast
(gamma), a smooth multiplicative bias field, a gain and white noise. Labels follow the same map by
nearest neighbour, so image and labels stay in register. A virtual subject adds variation of shape
and intensity; it adds no new anatomy. Strengths are [choice].
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np

from tebench.tasks.base import Case
from tebench.tasks.source import body_window, pad_to

CANVAS = 12  # voxels added on each side before the deformation, so that a turned or grown head is not cut


@dataclass(frozen=True)
class Variation:
    """How strongly a virtual subject differs from its source.

    rotation: degrees, uniform +- about each axis.   scale: share, uniform +- along each axis.
    deformation: ((control-point distance in mm, standard deviation in mm), ...), summed.
    gamma: bounds, log-uniform.   bias: standard deviation of the log bias field at its control points.
    gain: bounds, log-uniform.    noise: standard deviation as share of the 99th percentile.
    """

    rotation: float = 10.0
    scale: float = 0.08
    deformation: tuple[tuple[float, float], ...] = ((44.0, 3.0), (18.0, 0.9))
    gamma: tuple[float, float] = (0.7, 1.4)
    bias: float = 0.15
    gain: tuple[float, float] = (0.6, 1.6)
    noise: float = 0.03


def generator(*parts: str) -> np.random.Generator:
    """A generator that depends on these words alone, so adding a case never changes another."""
    digest = hashlib.sha256("\0".join(parts).encode()).digest()
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(np.frombuffer(digest, dtype="<u4").tolist())))


def simulate(case: Case, case_id: str, variation: Variation, rng: np.random.Generator, outside: float = 0.0) -> Case:
    """One virtual subject of `case`; the same generator state gives the same bytes."""
    shape = np.array(case.labels.shape) + 2 * CANVAS
    points = sampling_map(tuple(shape), case.spacing, variation, rng)
    points -= CANVAS
    body = _sample((case.image[0] > outside).astype(np.float32), points, order=1) >= 0.5
    channels = []
    for channel in case.image:
        values = _sample(channel, points, order=1, fill=outside)
        channels.append(_restyle(values, body, case.spacing, variation, rng, outside))
    labels = np.where(body, _sample(case.labels, points, order=0), 0).astype(np.int16)
    window = body_window(body)
    return Case(
        id=case_id,
        image=np.stack([pad_to(channel, window, outside) for channel in channels]),
        labels=pad_to(labels, window, 0),
        spacing=case.spacing,
        origin="virtual",
    )


def sampling_map(shape: tuple, spacing: tuple, variation: Variation, rng: np.random.Generator) -> np.ndarray:
    """(3, X, Y, Z) voxel positions A (x - centre) + centre + u(x) that an output voxel x reads from."""
    mm = np.asarray(spacing, dtype=np.float64)
    angles = np.deg2rad(rng.uniform(-variation.rotation, variation.rotation, 3))
    scales = 1.0 / (1.0 + rng.uniform(-variation.scale, variation.scale, 3))
    affine = np.diag(1 / mm) @ _rotation(angles) @ np.diag(scales) @ np.diag(mm)
    centre = (np.array(shape) - 1) / 2
    axes = [np.arange(n) - c for n, c in zip(shape, centre, strict=True)]
    points = np.empty((3, *shape))
    for axis in range(3):
        x, y, z = (affine[axis, k] * axes[k] for k in range(3))
        points[axis] = x[:, None, None] + y[None, :, None] + z[None, None, :] + centre[axis]
        for distance, deviation in variation.deformation:
            points[axis] += smooth_field(shape, spacing, distance, rng) * (deviation / mm[axis])
    return points


def smooth_field(shape: tuple, spacing: tuple, distance: float, rng: np.random.Generator) -> np.ndarray:
    """Cubic B-spline field over `shape`: unit normal values at control points `distance` mm apart."""
    weights = [_spline_weights(n, distance / mm) for n, mm in zip(shape, spacing, strict=True)]
    field = rng.standard_normal([w.shape[1] for w in weights])
    # One axis at a time: the spline is separable, and this costs three small matrix products.
    for axis, weight in enumerate(weights):
        field = np.moveaxis(np.einsum("nk,k...->n...", weight, np.moveaxis(field, axis, 0)), 0, axis)
    # A B-spline average of unit normals has variance below 1; the factor brings the field back to 1.
    return field / np.sqrt(np.prod([np.mean((w**2).sum(axis=1)) for w in weights]))


def _spline_weights(n: int, distance: float) -> np.ndarray:
    """(n, control points) uniform cubic B-spline weights; every row sums to 1."""
    position = np.arange(n) / distance + 1.0
    count = int(np.floor(position[-1])) + 3
    offset = np.abs(position[:, None] - np.arange(count)[None])
    near = 2 / 3 - offset**2 + offset**3 / 2
    far = np.clip(2 - offset, 0, None) ** 3 / 6
    return np.where(offset < 1, near, far)


def _rotation(angles: np.ndarray) -> np.ndarray:
    (cx, cy, cz), (sx, sy, sz) = np.cos(angles), np.sin(angles)
    about_x = np.array([[1, 0, 0], [0, cx, -sx], [0, sx, cx]])
    about_y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    about_z = np.array([[cz, -sz, 0], [sz, cz, 0], [0, 0, 1]])
    return about_z @ about_y @ about_x


def _sample(array: np.ndarray, points: np.ndarray, *, order: int, fill: float = 0.0) -> np.ndarray:
    from scipy import ndimage

    return ndimage.map_coordinates(array, points, order=order, mode="constant", cval=fill, output=array.dtype)


def _restyle(values, body, spacing, variation: Variation, rng, outside: float) -> np.ndarray:
    """Contrast, bias field, gain and noise inside the body; exactly `outside` elsewhere."""
    gamma = np.exp(rng.uniform(*np.log(variation.gamma)))
    gain = np.exp(rng.uniform(*np.log(variation.gain)))
    bias = np.exp(variation.bias * smooth_field(body.shape, spacing, 80.0, rng)[body])
    noise = variation.noise * rng.standard_normal(int(body.sum()))
    top = np.percentile(values[body].astype(np.float64), 99) - outside
    share = np.clip((values[body] - outside) / top, 0, None)
    # At least a thousandth above `outside`: body voxels stay recognisable as body.
    styled = np.clip(share**gamma * bias + noise, 1e-3, None) * gain * top + outside
    out = np.full(body.shape, outside, dtype=np.float32)
    out[body] = styled
    return out
