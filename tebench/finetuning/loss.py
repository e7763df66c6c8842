"""Weighted cross-entropy + soft Dice, computed without one-hot volumes."""

from __future__ import annotations

import torch


def dice_cross_entropy(logits: torch.Tensor, labels: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """CE + (1 - mean soft Dice).

    CE = sum_i w_{y_i} (-log p_{i, y_i}) / sum_i w_{y_i};
    Dice_c = (2 sum_{i: y_i = c} p_ic + 1) / (sum_i p_ic + n_c + 1), sums over the whole batch, mean over the
    foreground classes that occur in it (an absent class is held down by CE alone: pushing it down by Dice
    as well is what makes rare classes collapse).

    logits (B, K, x, y, z), labels (B, r x, r y, r z) int64, weights (K,). With r > 1 each logit answers for the r^3
    voxels of its cell, as if repeated r times along each axis, without being repeated. Source of the sum: nnU-Net,
    doi:10.1038/s41592-020-01008-z; batch Dice, smoothing 1.
    """
    n_classes = logits.shape[1]
    log_p = logits.log_softmax(1)
    ratio = labels.shape[1] // logits.shape[2]
    cells = _by_cell(labels, ratio)
    picked = log_p.gather(1, cells).flatten()
    flat = cells.flatten()
    of_voxel = weights[flat]
    cross_entropy = -(of_voxel * picked).sum() / of_voxel.sum()
    overlap = torch.zeros(n_classes, device=logits.device).index_add(0, flat, picked.exp())
    predicted = log_p.exp().sum((0, 2, 3, 4)) * ratio**3
    true = torch.bincount(flat, minlength=n_classes).to(predicted.dtype)
    dice = (2 * overlap + 1) / (predicted + true + 1)
    present = true > 0
    present[0] = False
    if not present.any():
        return cross_entropy
    return cross_entropy + 1 - dice[present].mean()


def _by_cell(labels: torch.Tensor, ratio: int) -> torch.Tensor:
    """(B, rX, rY, rZ) -> (B, r^3, X, Y, Z): the voxels of each cell along the second axis."""
    if ratio == 1:
        return labels[:, None]
    batch, *size = labels.shape
    x, y, z = (edge // ratio for edge in size)
    split = labels.reshape(batch, x, ratio, y, ratio, z, ratio)
    return split.permute(0, 2, 4, 6, 1, 3, 5).reshape(batch, ratio**3, x, y, z)
