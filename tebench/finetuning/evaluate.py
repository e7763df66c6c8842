"""Test Dice of a fine-tuned network, per volume and class."""

from __future__ import annotations

import numpy as np
import torch

from tebench.encoders.base import InputSpec, normalise
from tebench.finetuning.protocol import Protocol
from tebench.tasks.base import Task


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
    """Test case -> Dice per foreground class, by Gaussian-weighted sliding windows of the training patch size."""
    from monai.inferers import sliding_window_inference

    network.eval()
    table = {}
    for case_id in task.test_cases:
        case = task.load(case_id)
        image = torch.from_numpy(normalise(case.image, spec.normalisation))[None].to(device)
        with torch.no_grad():
            logits = sliding_window_inference(
                image, (protocol.patch,) * 3, 1, network, overlap=protocol.overlap, mode="gaussian"
            )
        table[case_id] = dice_table(logits[0].argmax(0).cpu().numpy(), case.labels, len(task.classes))
    return table


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
