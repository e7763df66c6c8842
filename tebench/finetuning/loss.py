"""Weighted cross-entropy + soft Dice, computed without one-hot volumes."""

from __future__ import annotations

import torch


def dice_cross_entropy(logits: torch.Tensor, labels: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """CE + (1 - mean soft Dice).

    CE = sum_i w_{y_i} (-log p_{i, y_i}) / sum_i w_{y_i};
    Dice_c = (2 sum_{i: y_i = c} p_ic + 1) / (sum_i p_ic + n_c + 1), sums over the whole batch, mean over the
    foreground classes that occur in it (an absent class is held down by CE alone: pushing it down by Dice
    as well is what makes rare classes collapse).

    logits (B, K, X, Y, Z), labels (B, X, Y, Z) int64, weights (K,). Source of the sum: nnU-Net,
    doi:10.1038/s41592-020-01008-z; batch Dice, smoothing 1.
    """
    n_classes = logits.shape[1]
    log_p = logits.log_softmax(1)
    picked = log_p.gather(1, labels[:, None])[:, 0].flatten()
    flat = labels.flatten()
    of_voxel = weights[flat]
    cross_entropy = -(of_voxel * picked).sum() / of_voxel.sum()
    overlap = torch.zeros(n_classes, device=logits.device).index_add(0, flat, picked.exp())
    predicted = log_p.exp().sum((0, 2, 3, 4))
    true = torch.bincount(flat, minlength=n_classes).to(predicted.dtype)
    dice = (2 * overlap + 1) / (predicted + true + 1)
    present = true > 0
    present[0] = False
    if not present.any():
        return cross_entropy
    return cross_entropy + 1 - dice[present].mean()
