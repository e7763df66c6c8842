"""Exact k nearest neighbours at little more than the cost of the distance matrix product."""

from __future__ import annotations

import numpy as np
import torch

from tebench.errors import InputError
from tebench.graphs.checks import as_tensor, give_back, least_first, on_cpu, true_places
from tebench.graphs.equal_rows import distinct_rows
from tebench.graphs.operands import Points, full_precision, rows_of

GROUP = 8  # columns whose least value is looked at first
_BLOCK = 1 << 24  # values of one block of rows against all columns: 64 MB
_SPARE = 8  # neighbours beyond k that are compared exactly
_COORDINATES = 1 << 16  # of one block of exact comparisons: they stay in the cache
_CANCELLED = 1e-3  # squared distances below this part of the norms come from differences


def knn(points, k: int, *, certified: bool = True):
    """The k nearest other points of every point, by Euclidean distance.

    points: (N, D) real, finite; 1 <= k < N. A point is no neighbour of itself; equal points are, at distance 0.
    certified: the neighbours are those of a float64 comparison by differences of the given values, and so are the
    distances; of equally distant points the smaller index comes first. Otherwise points are compared by the float32
    product, to about 1e-6 of |x_i - mean|^2, and distances are as good as that.
    Returns (indices (N, k) int64, distances (N, k) float64), nearest first; numpy in, numpy out; torch in, torch out.

    Cost: one full distance matrix product (2 N^2 D operations), a little more to select, and k exact distances a
    row when certified; memory over the data: a float32 copy and about 100 MB. Where more than a few
    neighbours tie within rounding (grids), rows are compared with all points in float64: slow.

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
        rows, sizes = _nearest_first(rows, sizes)
        indices[part], distances[part] = rows[:, : k + 1], sizes[:, : k + 1]
    # A row leaves itself out, or the last one where it is not among its group's first.
    indices, distances = indices[group], distances[group]
    itself = indices == torch.arange(count, device=device)[:, None]
    itself[:, -1] |= ~itself.any(1)
    return indices[~itself].view(count, k), distances[~itself].view(count, k)


def _search(points: Points, k: int) -> tuple[torch.Tensor, torch.Tensor]:
    count, device = len(points), points.source.device
    length = -(-count // GROUP**2) * GROUP**2  # whole groups of groups
    columns = points.columns(None, points.mean(), length)
    wanted = min(k + _SPARE, count - 1) if points.certified else k
    step = max(32, min(_BLOCK // length, 512 if on_cpu(device) else 4096))
    buffer = torch.empty(min(step, count), length, device=device)
    indices = torch.empty(count, k, dtype=torch.int64, device=device)
    distances = torch.empty(count, k, dtype=torch.float64, device=device)
    for start in range(0, count, step):
        stop = min(start + step, count)
        values = torch.mm(rows_of(columns[start:stop]), columns.T, out=buffer[: stop - start])
        values.diagonal(start).fill_(torch.inf)
        near, low = _least(values, wanted)
        if points.certified:
            result = _decided(points, start, near, low, k)
        else:
            result = _measured(points, columns, start, near, low)
        indices[start:stop], distances[start:stop] = result
    return indices, distances / points.scale


def _least(values: torch.Tensor, wanted: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Columns and values of the `wanted` least values of each row, in any order."""
    rows, length = values.shape
    groups = length // GROUP
    if length % GROUP or groups <= 2 * wanted:
        columns = _smallest(values, wanted)
        return columns, values.gather(1, columns)
    # They lie within the wanted groups of least minimum, which are found likewise.
    best, _ = _least(values.view(rows, GROUP, groups).amin(1), wanted)
    columns = (best[:, :, None] + torch.arange(0, length, groups, device=values.device)).view(rows, -1)
    values = values.gather(1, columns)
    chosen = _smallest(values, wanted)
    return columns.gather(1, chosen), values.gather(1, chosen)


def _smallest(values: torch.Tensor, wanted: int) -> torch.Tensor:
    """Places of the `wanted` smallest values of each row, in any order."""
    if wanted >= values.shape[1]:
        return torch.arange(values.shape[1], device=values.device).expand(values.shape)
    if on_cpu(values.device):  # numpy's partition is several times faster than topk
        return torch.from_numpy(np.argpartition(values.numpy(), wanted - 1, axis=1)[:, :wanted])
    return values.topk(wanted, 1, largest=False, sorted=False).indices


def _nearest_first(near: torch.Tensor, lengths: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    order = near.argsort(1)
    order = order.gather(1, lengths.gather(1, order).argsort(dim=1, stable=True))
    return near.gather(1, order), lengths.gather(1, order)


def _measured(points, columns, start, near, low) -> tuple[torch.Tensor, torch.Tensor]:
    """Distances from the product, by differences where it cancels."""
    norms = columns[:, -2]
    low = low.clamp_(min=0)
    places = true_places(low < _CANCELLED * (norms[start : start + len(near), None] + norms.take(near)))
    rows = torch.div(places, near.shape[1], rounding_mode="floor") + start
    low.view(-1)[places] = points.lengths(rows, near.reshape(-1).take(places)).square().float()
    keys = least_first(_key(low, near), "sort")
    return keys & 0xFFFFFFFF, _value(keys).sqrt_()


def _key(values: torch.Tensor, near: torch.Tensor) -> torch.Tensor:
    """Integers that sort by value, then index: the bits of non-negative float32 numbers sort as integers."""
    return (values.clamp(min=0).view(torch.int32).long() << 32) | near


def _value(keys: torch.Tensor) -> torch.Tensor:
    return (keys >> 32).int().view(torch.float32).double()


def _decided(points, start, near, low, k) -> tuple[torch.Tensor, torch.Tensor]:
    """The k nearest by float64 comparison: of k candidates, of all of them and of all points as far as needed."""
    keys = least_first(_key(low, near), "sort")
    near, low = keys & 0xFFFFFFFF, _value(keys)
    rows = torch.arange(start, start + len(near), device=near.device)
    lengths = torch.full(near.shape, torch.inf, dtype=torch.float64, device=near.device)
    lengths[:, :k] = _exact(points, rows, near[:, :k])
    if near.shape[1] > k:  # a candidate beyond k may be nearer where its lower bound does not exclude it
        doubtful = true_places(low[:, k] <= lengths[:, :k].amax(1).square())
        lengths[doubtful, k:] = _exact(points, rows[doubtful], near[doubtful, k:])
    near, lengths = _nearest_first(near, lengths)
    near, lengths = near[:, :k].clone(), lengths[:, :k].clone()
    if low.shape[1] < len(points) - 1:
        for row in true_places(lengths[:, -1].square() >= low[:, -1]).tolist():
            others = torch.arange(len(points), device=near.device)
            others = others[others != start + row]
            exact = points.lengths(others.new_full(others.shape, start + row), others)
            order = exact.argsort(stable=True)[:k]
            near[row], lengths[row] = others[order], exact[order]
    return near, lengths


def _exact(points: Points, rows: torch.Tensor, near: torch.Tensor) -> torch.Tensor:
    """Scaled distances in float64 from `rows` (R,) to their candidates `near` (R, C), by differences."""
    width = points.source.shape[1]
    wide = points.source.dtype == torch.float64  # whose squares may leave the range of float64
    out = torch.empty(near.shape, dtype=torch.float64, device=near.device)
    step = max(1, (_COORDINATES if on_cpu(near.device) else 1 << 26) // (near.shape[1] * width))
    for low in range(0, len(near), step):
        part = slice(low, low + step)
        gap = points.source.index_select(0, near[part].reshape(-1)).double().view(*near[part].shape, width)
        gap.sub_(points.source.index_select(0, rows[part])[:, None])
        if wide:
            gap.mul_(points.scale)
        torch.linalg.vector_norm(gap, dim=2, out=out[part])
    return out if wide else out.mul_(points.scale)
