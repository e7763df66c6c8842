"""A case as an encoder wants it: channels, normalisation, spacing, and the sampled voxels in that grid."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tebench.base.errors import InputError
from tebench.encoders.base import InputSpec
from tebench.encoders.normalisation import normalise
from tebench.features.resampling import grid
from tebench.features.sample import Sample
from tebench.tasks.base import Case, Task


@dataclass(frozen=True)
class Volume:
    """image: (C, X, Y, Z) float32 as the network reads it.   positions: (n, 3) float64 voxels of that grid."""

    image: np.ndarray
    positions: np.ndarray

    @property
    def n_bytes(self) -> int:
        return self.image.nbytes + self.positions.nbytes


class Kept:
    """Prepared volumes for the next encoder that reads the same cases in the same way: the last ones, while small."""

    MOST = 2**26  # bytes of all together

    def __init__(self):
        self._volumes: dict[tuple, Volume] = {}
        self._n_bytes = 0

    def n_bytes_held(self) -> int:
        return self._n_bytes

    def prepare(self, task: Task, case_id: str, sample: Sample, rows: np.ndarray, spec: InputSpec) -> Volume:
        """`prepare`, or what it gave before."""
        spacing = None if spec.spacing is None else tuple(spec.spacing)
        key = task.name, task.fingerprint, case_id, sample.hash, spec.channels, spec.normalisation, spacing
        volume = self._volumes.pop(key, None)
        if volume is not None:
            self._volumes[key] = volume  # the last of all
            return volume
        volume = prepare(task, case_id, sample, rows, spec)
        if volume.n_bytes <= self.MOST:
            self._volumes[key] = volume
            self._n_bytes += volume.n_bytes
            while self._n_bytes > self.MOST:
                self._n_bytes -= self._volumes.pop(next(iter(self._volumes))).n_bytes
        return volume


def prepare(task: Task, case_id: str, sample: Sample, rows: np.ndarray, spec: InputSpec) -> Volume:
    """Load one case, check that the sample belongs to it, normalise and, if the encoder asks, resample."""
    case = task.load(case_id)
    coordinates = sample.coordinates[rows]
    _check_sample(task, case, coordinates, sample.labels[rows])
    where = f"task {task.name!r}, case {case_id!r}"
    image = _channels(_normalised(case.image, spec.normalisation), spec, where)
    spacing, positions = case.spacing, coordinates.astype(np.float64)
    del case  # as large as what follows
    if spec.spacing is None or np.allclose(spec.spacing, spacing, rtol=0, atol=1e-3):
        return Volume(image, positions)
    return _resample(image, positions, spacing, spec.spacing)


def _check_sample(task: Task, case: Case, coordinates: np.ndarray, labels: np.ndarray) -> None:
    where = f"task {task.name!r}, case {case.id!r}"
    shape = case.labels.shape
    if (coordinates < 0).any() or (coordinates >= shape).any():
        raise InputError(f"{where}: sample coordinates reach outside the volume {shape}. Draw the sample again.")
    if not np.array_equal(case.labels[tuple(coordinates.T)], labels):
        raise InputError(f"{where}: sample labels differ from the label map. Draw the sample again from this task.")


def _normalised(image: np.ndarray, how: str) -> np.ndarray:
    """`normalise`; a channel of zeros stands for one that is missing, and stays zero."""
    there = [bool(channel.any()) for channel in image]
    if all(there) or not any(there):
        return normalise(image, how)
    filled = image.copy()
    filled[np.logical_not(there)] = image[there.index(True)]  # the other channels' support, and what it gives is unused
    out = normalise(filled, how)
    out[np.logical_not(there)] = 0
    return out


def _channels(image: np.ndarray, spec: InputSpec, where: str) -> np.ndarray:
    """One-channel encoders read the mean of several channels.

    Repeating the first layer's weights over C channels and dividing by C [released] is the same, since a
    convolution is linear: sum_c (W / C) x_c = W mean(x).
    """
    if image.shape[0] == spec.channels:
        return image
    if spec.channels != 1:
        raise InputError(f"{where}: the encoder reads {spec.channels} channels, the image has {image.shape[0]}.")
    return image.mean(axis=0, keepdims=True, dtype=np.float64).astype(np.float32)


def _resample(image, positions, spacing, target) -> Volume:
    """Cubic spline onto the target spacing, corner voxels onto corner voxels [choice]; positions move along."""
    from scipy.ndimage import zoom

    old = np.array(image.shape[1:])
    factors = np.array(grid(old, spacing, target)) / old
    resampled = np.stack([zoom(channel, factors, order=3, mode="nearest") for channel in image])
    # zoom rounds old * factor; whatever it chose is the grid that positions must refer to.
    scale = (np.array(resampled.shape[1:]) - 1) / np.maximum(old - 1, 1)
    return Volume(resampled.astype(np.float32, copy=False), positions * scale)
