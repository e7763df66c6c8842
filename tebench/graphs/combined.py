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

    Parameters
    ----------
    points : array_like or torch.Tensor, shape (N, D)
        Real, finite.
    labels : array_like or torch.Tensor, shape (N,)
        Integers or booleans.
    penalty : float
        Finite, >= 0, in the points' unit.
    certified : bool
        As in `emst`.

    Returns
    -------
    edges : numpy.ndarray or torch.Tensor, shape (N - 1, 2), int64
        Vertices i < j, sorted by length, i, j.
    lengths : numpy.ndarray or torch.Tensor, shape (N - 1,), float64
        Penalty included. numpy in, numpy out; torch in, torch out.

    Raises
    ------
    InputError
        For points, labels or a penalty that are not as described.

    Notes
    -----
    MST(d + penalty [y_i != y_j]) = MST(MST(d) U union over classes c of MST(d on c)) for every penalty >= 0: the
    penalty shifts all cross-class pairs alike, so a pair that is longest on a cycle of its own kind stays so.
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

    Parameters
    ----------
    points_a, points_b : array_like or torch.Tensor, shapes (N, D) and (N, E)
        The same N points in two views, real, finite.
    scale_a, scale_b : float
        Finite, > 0, in the unit of the view.
    certified : bool
        As in `emst`.

    Returns
    -------
    edges : numpy.ndarray or torch.Tensor, shape (N - 1, 2), int64
        Vertices i < j, sorted by length, i, j.
    lengths : numpy.ndarray or torch.Tensor, shape (N - 1,), float64
        Under the minimum, without unit. numpy or torch as `points_a`.

    Raises
    ------
    InputError
        For views of different length, or values that are not as described.

    Notes
    -----
    MST(min(A, B)) = MST(MST(A) U MST(B)), each edge at its length under the minimum (RTD-Lite needs its sum).
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
        lengths = torch.minimum(pair_lengths(views[0], edges) / scale_a, pair_lengths(views[1], edges) / scale_b)
    chosen = forest_of_edges(edges, lengths, len(views[0])).chosen
    return give_back(points_a, *in_order(edges[chosen], lengths[chosen]))


def pair_lengths(points: torch.Tensor, edges: torch.Tensor) -> torch.Tensor:
    """|x_i - x_j| in float64 for the rows (i, j) of `edges`, by differences."""
    prepared = Points.of(points, True)
    return prepared.lengths(edges[:, 0], edges[:, 1]) / prepared.scale


def _labels(labels, count: int, device) -> torch.Tensor:
    marks: torch.Tensor | np.ndarray
    codes: torch.Tensor | np.ndarray
    if isinstance(labels, torch.Tensor):
        marks, whole, codes = labels, not (labels.is_floating_point() or labels.is_complex()), labels
    else:
        marks = array = np.asarray(labels)
        whole = array.dtype.kind in "iub"
        codes = array.astype(np.int64) if whole else array
    if tuple(marks.shape) != (count,) or not whole:
        raise InputError(
            f"labels must be integers or booleans of shape ({count},); got {marks.dtype} of shape {tuple(marks.shape)}."
        )
    return torch.as_tensor(codes, device=device).long()
