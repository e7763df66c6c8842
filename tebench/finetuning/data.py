"""Training patches: a pure function of the step, so that an interrupted run continues exactly."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional

from tebench.base.errors import InputError
from tebench.encoders.base import InputSpec
from tebench.encoders.normalisation import normalise
from tebench.finetuning.protocol import Protocol
from tebench.tasks.base import Task

# Voxels kept per case and class to centre patches on: enough to reach every part of a structure.
_CENTRES = 4096
# Patches kept for the next encoder of the same task and seed.
_KEPT_BYTES = 400 * 2**20


@dataclass(frozen=True)
class TrainingCase:
    """One case as the encoder wants it.

    image: (C, X, Y, Z) float32, normalised.   labels: (1, X, Y, Z) float32 (so that grid_sample reads them).
    scale: per channel (low, high), the 0.5th and 99.5th percentile of the non-zero voxels.
    centres: class -> (n, 3) voxel indices.
    """

    image: torch.Tensor
    labels: torch.Tensor
    scale: torch.Tensor
    centres: dict[int, np.ndarray]


class Patches:
    """The patches of one run: `batch(step)` gives images (B, C, P, P, P) and labels (B, P, P, P)."""

    def __init__(self, task: Task, spec: InputSpec, protocol: Protocol, seed: int):
        self.protocol = protocol
        self.task = task
        self.seed = seed
        self.cases = []
        self._made: dict[int, tuple[torch.Tensor, torch.Tensor]] = {}
        counts = np.zeros(len(task.classes), dtype=np.int64)
        for case_id in task.cases:
            case = task.load(case_id)
            if len(case.image) != spec.channels:
                raise InputError(
                    f"task {task.name!r}, case {case_id!r}: the encoder reads {spec.channels} channel(s), "
                    f"the image has {len(case.image)}."
                )
            if case.labels.min() < 0:
                raise InputError(
                    f"task {task.name!r}, case {case_id!r} holds voxels without a label (ignored); fine-tuning does "
                    "not leave them out of its loss and Dice. Fine-tune on cases that are labelled throughout."
                )
            counts += np.bincount(case.labels.ravel(), minlength=len(counts))
            self.cases.append(self._prepare(case, spec, case_id))
        if not counts[1:].any():
            raise InputError(f"task {task.name!r}: no training case has foreground.")
        self.class_weights = class_weights(counts, protocol.class_weight_cap)

    def _prepare(self, case, spec, case_id) -> TrainingCase:
        image = normalise(case.image, spec.normalisation)
        scale = np.array([np.percentile(channel[channel != 0], [0.5, 99.5]) for channel in image], dtype=np.float32)
        centres = {}
        for label in np.unique(case.labels):
            if label == 0:
                continue
            flat = np.flatnonzero(case.labels.ravel() == label)
            if len(flat) > _CENTRES:
                draw = self.protocol.generator(self.task.name, self.seed, "centres", case_id, int(label))
                flat = np.sort(draw.choice(flat, _CENTRES, replace=False))
            centres[int(label)] = np.stack(np.unravel_index(flat, case.labels.shape), 1)
        labels = torch.from_numpy(case.labels.astype(np.float32))[None]
        return TrainingCase(torch.from_numpy(image), labels, torch.from_numpy(scale), centres)

    def batch(self, step: int) -> tuple[torch.Tensor, torch.Tensor]:
        if step in self._made:
            images, labels = self._made[step]
        else:
            pairs = [self._draw(step, index) for index in range(self.protocol.batch)]
            # float16 always, kept or not: what a run computes does not depend on which runs came before.
            images = torch.stack([image for image, _ in pairs]).to(torch.float16)
            labels = torch.stack([labels for _, labels in pairs]).to(torch.int16)
            if (len(self._made) + 1) * (images.nbytes + labels.nbytes) <= _KEPT_BYTES:
                self._made[step] = images, labels
        return images.to(torch.float32), labels.to(torch.int64)

    def plan(self, step: int, index: int) -> dict:
        """Every random choice of one patch. Depends on protocol, task and seed, never on the encoder."""
        p = self.protocol
        rng = p.generator(self.task.name, self.seed, "patch", step, index)
        case = int(rng.integers(len(self.cases)))
        size = self.cases[case].labels.shape[1:]
        # Every number is drawn whether it is used or not: options then change one thing at a time.
        on_foreground, which, where = rng.random() < p.foreground, rng.random(), rng.random(3)
        if on_foreground and self.cases[case].centres:
            present = sorted(self.cases[case].centres)
            voxels = self.cases[case].centres[present[int(which * len(present))]]
            centre = voxels[int(where[0] * len(voxels))]
        else:
            centre = np.floor(where * size)
        angles = np.radians(rng.uniform(-p.rotation, p.rotation, 3))
        zoom = math.exp(rng.uniform(-p.zoom, p.zoom))
        mirror = -1.0 if (rng.random() < 0.5 and p.flip) else 1.0
        return {
            "case": case,
            "start": np.array([_start(c, p.patch, edge) for c, edge in zip(centre, size, strict=True)]),
            "matrix": _rotation(*angles) @ np.diag([mirror, 1.0, 1.0]) * zoom,
            "gamma": math.exp(rng.uniform(-p.gamma, p.gamma)),
            "gain": math.exp(rng.uniform(-p.gain, p.gain)),
            "bias": rng.uniform(-p.bias, p.bias, (3, 3, 3)).astype(np.float32),
            "noise": p.noise * rng.random(),
            "noise_seed": int(rng.integers(2**62)),
        }

    def _draw(self, step: int, index: int) -> tuple[torch.Tensor, torch.Tensor]:
        plan = self.plan(step, index)
        case = self.cases[plan["case"]]
        grid = _grid(plan["start"], plan["matrix"], self.protocol.patch, case.labels.shape[1:])
        image = functional.grid_sample(case.image[None], grid, mode="bilinear", align_corners=True)[0]
        labels = functional.grid_sample(case.labels[None], grid, mode="nearest", align_corners=True)[0, 0]
        return self._intensity(image, case.scale, plan), labels.to(torch.int64)

    def _intensity(self, image, scale, plan) -> torch.Tensor:
        """Contrast, gain, bias field, noise in units of the case's percentile range; zeros stay zero."""
        low, width = scale[:, 0, None, None, None], (scale[:, 1] - scale[:, 0]).clamp(min=1e-6)[:, None, None, None]
        inside = image != 0
        values = ((image - low) / width).clamp(min=0.0).pow(plan["gamma"])
        field = torch.from_numpy(plan["bias"])[None, None]
        field = functional.interpolate(field, size=image.shape[1:], mode="trilinear", align_corners=True)[0]
        values = values * (field + math.log(plan["gain"])).exp()
        draw = torch.Generator().manual_seed(plan["noise_seed"])
        values = values + plan["noise"] * torch.randn(image.shape[1:], generator=draw)
        return (values * width + low) * inside


_SHARED: dict[tuple, Patches] = {}


def shared_patches(task: Task, spec: InputSpec, protocol: Protocol, seed: int) -> Patches:
    """The patches of this task and seed, kept between runs: all encoders of one input spec train on the same ones."""
    block = (task.name, task.fingerprint, protocol.hash, seed)
    key = (*block, spec.channels, spec.normalisation)
    if key not in _SHARED:
        for other in [other for other in _SHARED if other[:4] != block]:
            del _SHARED[other]
        _SHARED[key] = Patches(task, spec, protocol, seed)
    return _SHARED[key]


def class_weights(counts: np.ndarray, cap: float) -> torch.Tensor:
    """w_c = min(cap, sqrt(n_max / n_c)) over voxel counts n; 1 for a class that never occurs."""
    counts = np.asarray(counts, dtype=np.float64)
    weights = np.ones(len(counts))
    seen = counts > 0
    weights[seen] = np.minimum(cap, np.sqrt(counts.max() / counts[seen]))
    return torch.tensor(weights, dtype=torch.float32)


def _start(centre: float, patch: int, edge: int) -> float:
    """First voxel of the patch along one axis; a volume smaller than the patch sits in its middle."""
    if edge <= patch:
        return (edge - patch) / 2
    return float(min(max(int(centre) - patch // 2, 0), edge - patch))


def _rotation(a: float, b: float, c: float) -> np.ndarray:
    ca, sa, cb, sb, cc, sc = math.cos(a), math.sin(a), math.cos(b), math.sin(b), math.cos(c), math.sin(c)
    x = np.array([[1, 0, 0], [0, ca, -sa], [0, sa, ca]])
    y = np.array([[cb, 0, sb], [0, 1, 0], [-sb, 0, cb]])
    z = np.array([[cc, -sc, 0], [sc, cc, 0], [0, 0, 1]])
    return x @ y @ z


def _grid(start: np.ndarray, matrix: np.ndarray, patch: int, size) -> torch.Tensor:
    """(1, P, P, P, 3) sampling positions of an affine patch about its centre, as grid_sample counts them."""
    half = (patch - 1) / 2
    offset = torch.arange(patch, dtype=torch.float32) - half
    axes = [offset.view([patch if k == axis else 1 for k in range(3)]) for axis in range(3)]
    columns = []
    for axis in (2, 1, 0):  # grid_sample wants the last axis first
        position = float(start[axis]) + half + sum(float(matrix[axis, k]) * axes[k] for k in range(3))
        columns.append(2.0 * position / max(size[axis] - 1, 1) - 1.0)
    return torch.stack(columns, -1)[None]
