"""Trees of combined distances from trees of their parts, which saves all-pairs passes.

Both identities follow from the cycle property: an edge that is longest on a cycle of one graph stays so in the union.
"""

from __future__ import annotations

import numpy as np
import torch

from tebench.base.errors import InputError
from tebench.graphs.boruvka import forest_of_edges
from tebench.graphs.checks import as_tensor, give_back, in_order
from tebench.graphs.operands import Points, full_precision
from tebench.graphs.spanning_tree import spanning_tree


def emst_with_labels(points, labels, penalty: float, *, certified: bool = True):
    """Minimum spanning tree under |x_i - x_j| + penalty [y_i != y_j].

    MST(d + penalty [y_i != y_j]) = MST(MST(d) U union over classes c of MST(d on c)) for every penalty >= 0: the
    penalty shifts all cross-class pairs alike, so a pair that is longest on a cycle of its own kind stays so.

    points: (N, D) real, finite; labels: (N,) integers or booleans; penalty: finite, >= 0, in the points' unit.
    Returns (edges (N-1, 2) int64, lengths (N-1,) float64, penalty included), ordered as `emst` does; numpy in,
    numpy out; torch in, torch out.
    """
    tensor = as_tensor(points, "points", ndim=2, shape="(N, D)")
    marks = _labels(labels, len(tensor), tensor.device)
    if not np.isfinite(penalty) or penalty < 0:
        raise InputError(f"penalty must be a finite number >= 0; got {penalty!r}.")
    with full_precision():
        trees = [spanning_tree(tensor, certified)]
        for label in marks.unique().tolist():
            members = (marks == label).nonzero().squeeze(1)
            edges, lengths = spanning_tree(tensor.index_select(0, members), certified)
            trees.append((members[edges], lengths))
    edges, lengths = (torch.cat(part) for part in zip(*trees, strict=True))
    lengths = lengths + penalty * (marks[edges[:, 0]] != marks[edges[:, 1]]).double()  # a float32 product would round
    chosen = forest_of_edges(edges, lengths, len(tensor)).chosen
    return give_back(points, *in_order(edges[chosen], lengths[chosen]))


def emst_min(points_a, points_b, scale_a: float = 1.0, scale_b: float = 1.0, *, certified: bool = True):
    """Minimum spanning tree under min(|a_i - a_j| / scale_a, |b_i - b_j| / scale_b).

    MST(min(A, B)) = MST(MST(A) U MST(B)), each edge at its length under the minimum (RTD-Lite needs its sum).

    points_a: (N, D), points_b: (N, E), the same N points in two views, real, finite; scales: finite, > 0.
    Returns (edges (N-1, 2) int64, lengths (N-1,) float64), ordered as `emst` does; numpy or torch as `points_a`.
    """
    views = [
        as_tensor(values, name, ndim=2, shape="(N, D)")
        for values, name in ((points_a, "points_a"), (points_b, "points_b"))
    ]
    if len(views[0]) != len(views[1]):
        raise InputError(f"points_a and points_b must hold the same points; got {len(views[0])} and {len(views[1])}.")
    for name, scale in (("scale_a", scale_a), ("scale_b", scale_b)):
        if not np.isfinite(scale) or scale <= 0:
            raise InputError(f"{name} must be a finite number > 0; got {scale!r}.")
    views[1] = views[1].to(views[0].device)
    with full_precision():
        edges = torch.cat([spanning_tree(view, certified)[0] for view in views])
        lengths = [pair_lengths(view, edges) / scale for view, scale in zip(views, (scale_a, scale_b), strict=True)]
    lengths = torch.minimum(*lengths)
    chosen = forest_of_edges(edges, lengths, len(views[0])).chosen
    return give_back(points_a, *in_order(edges[chosen], lengths[chosen]))


def pair_lengths(points: torch.Tensor, edges: torch.Tensor) -> torch.Tensor:
    """|x_i - x_j| in float64 for the rows (i, j) of `edges`, by differences."""
    prepared = Points.of(points, True)
    return prepared.lengths(edges[:, 0], edges[:, 1]) / prepared.scale


def _labels(labels, count: int, device) -> torch.Tensor:
    marks = labels if isinstance(labels, torch.Tensor) else np.asarray(labels)
    real = (
        not (marks.is_floating_point() or marks.is_complex())
        if isinstance(labels, torch.Tensor)
        else marks.dtype.kind in "iub"
    )
    if tuple(marks.shape) != (count,) or not real:
        raise InputError(
            f"labels must be integers or booleans of shape ({count},); got {marks.dtype} of shape {tuple(marks.shape)}."
        )
    return torch.as_tensor(marks if isinstance(labels, torch.Tensor) else marks.astype(np.int64), device=device).long()
