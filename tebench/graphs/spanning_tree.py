"""Exact Euclidean minimum spanning tree."""

from __future__ import annotations

import torch

from tebench.graphs.checks import as_tensor, give_back, in_order
from tebench.graphs.prim import dense_tree


def emst(points, *, certified: bool = True):
    """Exact Euclidean minimum spanning tree of points (N, D).

    Returns (edges (N-1, 2) int64 with i < j, lengths (N-1,) float64), sorted by length, i, j.
    """
    tensor = as_tensor(points, "points", ndim=2, shape="(N, D)")
    double = tensor.double()
    edges, lengths = dense_tree(torch.cdist(double, double, compute_mode="donot_use_mm_for_euclid_dist"))
    return give_back(points, *in_order(edges, lengths))
