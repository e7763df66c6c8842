"""Test Dice of a fine-tuned network, per volume and class."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch.nn import functional

from tebench.encoders.base import InputSpec
from tebench.encoders.normalisation import normalise
from tebench.finetuning.protocol import Protocol
from tebench.tasks.base import Task

_WINDOWS = 4  # in one forward pass


def dice_table(predicted: np.ndarray, labels: np.ndarray, n_classes: int) -> list[float | None]:
    """Dice 2 |P n T| / (|P| + |T|) of every foreground class; None where the class is absent from the label map."""
    joint = np.bincount(
        labels.astype(np.int64).ravel() * n_classes + predicted.astype(np.int64).ravel(), minlength=n_classes**2
    ).reshape(n_classes, n_classes)
    true, said = joint.sum(1), joint.sum(0)
    return [float(2 * joint[k, k] / (true[k] + said[k])) if true[k] else None for k in range(1, n_classes)]


def test_dice(
    network: torch.nn.Module, task: Task, spec: InputSpec, protocol: Protocol, *, device: str = "cpu"
) -> dict[str, list[float | None]]:
    """Test case -> Dice per foreground class, by sliding windows of the training patch size (`predict`)."""
    network.eval()
    table = {}
    for case_id in task.test_cases:
        case = task.load(case_id)
        image = torch.from_numpy(normalise(case.image, spec.normalisation)).to(device)
        table[case_id] = dice_table(predict(network, image, protocol), case.labels, len(task.classes))
    return table


def predict(network: torch.nn.Module, image: torch.Tensor, protocol: Protocol) -> np.ndarray:
    """(C, X, Y, Z) normalised image -> (X, Y, Z) class of every voxel.

    Windows of the training patch overlap at least by `overlap`, evenly spread; their logits are averaged with
    Gaussian weights (sigma an eighth of the window, as nnU-Net does, doi:10.1038/s41592-020-01008-z) on the grid of
    the logits and interpolated to voxels once.
    """
    size, patch = image.shape[1:], protocol.patch
    # Behind the last voxel, so that no window starts before the volume; zero is what lies outside every case.
    padding = [max(patch - edge, -edge % protocol.output_stride) for edge in size]
    image = functional.pad(image, [n for pad in reversed(padding) for n in (0, pad)])
    starts = [_starts(edge, protocol) for edge in image.shape[1:]]
    corners = [(a, b, c) for a in starts[0] for b in starts[1] for c in starts[2]]
    total = weight = None
    with torch.no_grad():
        for first in range(0, len(corners), _WINDOWS):
            some = corners[first : first + _WINDOWS]
            windows = torch.stack([image[(slice(None), *(slice(s, s + patch) for s in corner))] for corner in some])
            # Two at least: for a single window torch takes its slow convolution, five times the time.
            windows = windows.expand(2, -1, -1, -1, -1) if len(some) == 1 else windows
            logits = network(windows.contiguous(memory_format=torch.channels_last_3d))
            ratio = patch // logits.shape[2]
            if total is None:
                grid = [edge // ratio for edge in image.shape[1:]]
                total = torch.zeros(logits.shape[1], *grid, device=image.device)
                weight = torch.zeros(grid, device=image.device)
                bell = _bell(logits.shape[2]).to(image.device)
            for corner, answer in zip(some, logits, strict=False):
                place = tuple(slice(s // ratio, (s + patch) // ratio) for s in corner)
                total[(slice(None), *place)] += answer * bell
                weight[place] += bell
        total /= weight
        if ratio > 1:
            total = functional.interpolate(total[None], scale_factor=ratio, mode="trilinear", align_corners=False)[0]
    return total.argmax(0)[tuple(slice(edge) for edge in size)].cpu().numpy()


def _starts(edge: int, protocol: Protocol) -> list[int]:
    """First voxels of the windows along an axis, on the grid of the logits."""
    room, step = edge - protocol.patch, protocol.output_stride
    count = math.ceil(room / (protocol.patch * (1 - protocol.overlap))) + 1
    return sorted({round(k * room / max(count - 1, 1) / step) * step for k in range(count)})


def _bell(edge: int) -> torch.Tensor:
    """(edge, edge, edge) Gaussian weights, sigma edge / 8, never below a thousandth."""
    line = torch.exp(-0.5 * ((torch.arange(edge) - (edge - 1) / 2) / (edge / 8)) ** 2)
    return (line[:, None, None] * line[:, None] * line).clamp(min=1e-3)


test_dice.__test__ = False  # a product function, whatever its name says to pytest


def summarise(table: dict[str, list[float | None]]) -> float:
    """Mean over the classes present in a volume, then over volumes with any class. Range 0..1, up."""
    means = [np.mean([d for d in row if d is not None]) for row in table.values() if any(d is not None for d in row)]
    return float(np.mean(means))


def at_floor(table: dict[str, list[float | None]], protocol: Protocol) -> bool:
    """True when the run must not be ranked: its value, or one class over all volumes, has collapsed."""
    rows = np.array([[np.nan if d is None else d for d in row] for row in table.values()], dtype=np.float64)
    seen = ~np.isnan(rows)
    by_class = [rows[seen[:, k], k].mean() for k in range(rows.shape[1]) if seen[:, k].any()]
    return bool(summarise(table) < protocol.floor or min(by_class) < protocol.collapse)
