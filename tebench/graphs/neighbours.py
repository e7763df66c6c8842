"""Exact k nearest neighbours."""

from __future__ import annotations

import torch

from tebench.errors import InputError
from tebench.graphs.checks import as_tensor, give_back


def knn(points, k: int):
    """The k nearest other points of each point: (indices (N, k) int64, distances (N, k) float64), nearest first."""
    tensor = as_tensor(points, "points", ndim=2, shape="(N, D)").double()
    if not 1 <= k < len(tensor):
        raise InputError(f"k must lie in 1..N-1 = {len(tensor) - 1}; got {k}.")
    distances, indices = [], []
    for start in range(0, len(tensor), 1024):
        rows = torch.cdist(tensor[start : start + 1024], tensor, compute_mode="donot_use_mm_for_euclid_dist")
        rows.diagonal(start).fill_(torch.inf)
        nearest, index = torch.sort(rows, dim=1, stable=True)
        distances.append(nearest[:, :k].clone())
        indices.append(index[:, :k].clone())
    return give_back(points, torch.cat(indices), torch.cat(distances))
