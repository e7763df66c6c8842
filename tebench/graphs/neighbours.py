"""Exact k nearest neighbours at about the cost of the distance matrix product."""

from __future__ import annotations

import numpy as np
import torch

from tebench.base.errors import InputError
from tebench.graphs.checks import as_tensor, give_back
from tebench.graphs.equal_rows import distinct_rows
from tebench.graphs.neighbour_rows import nearest_by_rows, nearest_first
from tebench.graphs.neighbour_sweep import nearest_by_sweep
from tebench.graphs.operands import Points, full_precision

SWEPT = 4096  # so many points are searched in one sweep over pairs, fewer row by row
_SHARE = 128  # ... where k is at most such a part of them: more candidates would cost more than half the product


def knn(points, k: int, *, certified: bool = True):
    """The k nearest other points of every point, by Euclidean distance.

    Parameters
    ----------
    points : array_like or torch.Tensor, shape (N, D)
        Real, finite. A point is no neighbour of itself; equal points are, at distance 0.
    k : int
        1 <= k < N.
    certified : bool
        The neighbours are those of a float64 comparison by differences of the given values, and so are the
        distances; of equally distant points the smaller index comes first. Otherwise points are compared by the
        float32 product, to about 1e-6 of |x_i - mean|^2, and distances are as good as that.

    Returns
    -------
    indices : numpy.ndarray or torch.Tensor, shape (N, k), int64
        Nearest first.
    distances : numpy.ndarray or torch.Tensor, shape (N, k), float64
        In the points' unit. numpy in, numpy out; torch in, torch out.

    Raises
    ------
    InputError
        For points or a k that are not as described.

    Notes
    -----
    Cost: little more than half a distance matrix product (2 N^2 D operations) for many points and few neighbours,
    else a whole one; a little more to select, and k exact distances a row when certified. Memory over the data: two
    float32 copies, about 100 MB, and about 60 bytes for each of 2 to 4 k N pairs. Where more than a few neighbours
    tie within rounding (grids, tight clusters far apart), rows are compared with all points in float64: slow.

    Examples
    --------
    >>> import numpy
    >>> indices, distances = knn(numpy.array([[0.0], [1.0], [3.0]]), 1)
    >>> indices.tolist(), distances.tolist()
    ([[1], [0], [1]], [[1.0], [1.0], [2.0]])
    """
    tensor = as_tensor(points, "points", ndim=2, shape="(N, D)")
    count = len(tensor)
    if isinstance(k, bool) or not isinstance(k, int | np.integer) or not 1 <= k < count:
        raise InputError(f"k must be an integer in 1..N-1 = {count - 1}; got {k!r}.")
    with full_precision():
        kept, copies = distinct_rows(tensor)
        if len(copies):
            indices, distances = _with_copies(tensor, kept, copies, int(k), certified)
        else:
            indices, distances = _search(Points.of(tensor, certified), int(k))
    return give_back(points, indices, distances)


def _with_copies(source, kept, copies, k: int, certified: bool) -> tuple[torch.Tensor, torch.Tensor]:
    """Neighbours where rows repeat: those of the distinct rows (`kept`), each taken as all of its copies."""
    count, groups, device = len(source), len(kept), source.device
    group = torch.empty(count, dtype=torch.int64, device=device)
    group[kept] = torch.arange(groups, device=device)
    group[copies[:, 1]] = group[copies[:, 0]]
    # members[g]: the first k + 1 rows of group g, ascending, then -1.
    order = torch.argsort(group, stable=True)
    starts = torch.searchsorted(group[order], torch.arange(groups, device=device))
    place = torch.arange(count, device=device) - starts[group[order]]
    first = place <= k
    members = torch.full((groups, k + 1), -1, device=device)
    members[group[order][first], place[first]] = order[first]
    others = min(k, groups - 1)
    near = torch.arange(groups, device=device)[:, None]
    lengths = torch.zeros(groups, 1, dtype=torch.float64, device=device)
    if others:
        found = _search(Points.of(source.index_select(0, kept), certified), others)
        near, lengths = torch.cat([near, found[0]], 1), torch.cat([lengths, found[1]], 1)
    indices = torch.empty(groups, k + 1, dtype=torch.int64, device=device)
    distances = torch.empty(groups, k + 1, dtype=torch.float64, device=device)
    for low in range(0, groups, 256):
        part = slice(low, low + 256)
        rows = members[near[part]].flatten(1)
        sizes = lengths[part].repeat_interleave(k + 1, 1).masked_fill_(rows < 0, torch.inf)
        rows, sizes = nearest_first(rows, sizes)
        indices[part], distances[part] = rows[:, : k + 1], sizes[:, : k + 1]
    # A row leaves itself out, or the last one where it is not among its group's first.
    indices, distances = indices[group], distances[group]
    itself = indices == torch.arange(count, device=device)[:, None]
    itself[:, -1] |= ~itself.any(1)
    return indices[~itself].view(count, k), distances[~itself].view(count, k)


def _search(points: Points, k: int) -> tuple[torch.Tensor, torch.Tensor]:
    columns = points.columns(None, points.mean(), -(-len(points) // 64) * 64)
    search = nearest_by_sweep if len(points) >= max(SWEPT, _SHARE * k) else nearest_by_rows
    indices, distances = search(points, columns, k)
    return indices, distances / points.scale
