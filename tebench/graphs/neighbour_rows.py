"""Nearest neighbours row by row: each block of rows against all columns, and the least values selected."""

from __future__ import annotations

import numpy as np
import torch

from tebench.graphs.checks import least_first, on_cpu, true_places
from tebench.graphs.operands import Points, rows_of

GROUP = 8  # columns whose least value is looked at first
SPARE = 8  # neighbours beyond k that are compared exactly
_BLOCK = 1 << 24  # values of one block of rows against all columns: 64 MB
_COORDINATES = 1 << 16  # of one block of exact comparisons: they stay in the cache
_CANCELLED = 1e-3  # squared distances below this part of the norms come from differences


def nearest_by_rows(points: Points, columns: torch.Tensor, k: int, rows: torch.Tensor | None = None):
    """(indices (R, k), scaled distances (R, k)) of the k nearest points of `rows` (all by default), nearest first.

    columns: the operand of all points, padded to whole groups of groups (GROUP ** 2).
    """
    count, length, device = len(points), len(columns), columns.device
    rows = torch.arange(count, device=device) if rows is None else rows
    wanted = min(k + SPARE, count - 1) if points.certified else k
    step = max(32, min(_BLOCK // length, 512 if on_cpu(device) else 4096))
    buffer = torch.empty(min(step, len(rows)), length, device=device)
    results = []
    for part in rows.split(step):
        values = torch.mm(rows_of(columns.index_select(0, part)), columns.T, out=buffer[: len(part)])
        values.scatter_(1, part[:, None], torch.inf)
        near, low = least(values, wanted)
        if points.certified:
            results.append(_decided(points, part, near, low, k))
        else:
            results.append(measured(points, columns, part, near, low))
    return tuple(torch.cat(part) for part in zip(*results, strict=True))


def least(values: torch.Tensor, wanted: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Columns and values of the `wanted` least values of each row, in any order."""
    rows, length = values.shape
    groups = length // GROUP
    if length % GROUP or groups <= 2 * wanted:
        columns = _smallest(values, wanted)
        return columns, values.gather(1, columns)
    # They lie within the wanted groups of least minimum, which are found likewise.
    best, _ = least(values.view(rows, GROUP, groups).amin(1), wanted)
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


def nearest_first(near: torch.Tensor, lengths: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Rows sorted by length, then index; infinite lengths last, in any order."""
    order = least_first(lengths, "argsort")
    rows, sizes = near.gather(1, order), lengths.gather(1, order)
    tied = true_places(((sizes[:, 1:] == sizes[:, :-1]) & (sizes[:, 1:] < torch.inf)).any(1))
    if len(tied):
        near, lengths = near.index_select(0, tied), lengths.index_select(0, tied)
        order = near.argsort(1)
        order = order.gather(1, lengths.gather(1, order).argsort(dim=1, stable=True))
        rows[tied], sizes[tied] = near.gather(1, order), lengths.gather(1, order)
    return rows, sizes


def measured(points, columns, rows, near, low) -> tuple[torch.Tensor, torch.Tensor]:
    """Neighbours and distances from the product's values `low` (R, k), by differences where it cancels."""
    norms = columns[:, -2]
    low = low.clamp_(min=0)
    places = true_places(low < _CANCELLED * (norms.take(rows)[:, None] + norms.take(near)))
    first = rows.take(torch.div(places, near.shape[1], rounding_mode="floor"))
    low.view(-1)[places] = points.lengths(first, near.reshape(-1).take(places)).square().float()
    keys = least_first(_key(low, near), "sort")
    return keys & 0xFFFFFFFF, _value(keys).sqrt_()


def _key(values: torch.Tensor, near: torch.Tensor) -> torch.Tensor:
    """Integers that sort by value, then index: the bits of non-negative float32 numbers sort as integers."""
    return (values.clamp(min=0).view(torch.int32).long() << 32) | near


def _value(keys: torch.Tensor) -> torch.Tensor:
    return (keys >> 32).int().view(torch.float32).double()


def _decided(points, rows, near, low, k) -> tuple[torch.Tensor, torch.Tensor]:
    """The k nearest by float64 comparison: of k candidates, of all of them and of all points as far as needed."""
    keys = least_first(_key(low, near), "sort")
    near, low = keys & 0xFFFFFFFF, _value(keys)
    lengths = torch.full(near.shape, torch.inf, dtype=torch.float64, device=near.device)
    lengths[:, :k] = exact(points, rows, near[:, :k])
    if near.shape[1] > k:  # a candidate beyond k may be nearer where its lower bound does not exclude it
        doubtful = true_places(low[:, k] <= lengths[:, :k].amax(1).square())
        lengths[doubtful, k:] = exact(points, rows[doubtful], near[doubtful, k:])
    near, lengths = nearest_first(near, lengths)
    near, lengths = near[:, :k].clone(), lengths[:, :k].clone()
    if low.shape[1] < len(points) - 1:
        for row in true_places(lengths[:, -1].square() >= low[:, -1]).tolist():
            others = torch.arange(len(points), device=near.device)
            others = others[others != rows[row]]
            found = points.lengths(rows[row].expand(len(others)), others)
            order = found.argsort(stable=True)[:k]
            near[row], lengths[row] = others[order], found[order]
    return near, lengths


def exact(points: Points, rows: torch.Tensor, near: torch.Tensor) -> torch.Tensor:
    """Scaled distances in float64 from `rows` (R,) to their candidates `near` (R, C), by differences."""
    width = points.source.shape[1]
    wide = points.source.dtype == torch.float64  # whose squares may leave the range of float64
    out = torch.empty(near.shape, dtype=torch.float64, device=near.device)
    step = max(1, (_COORDINATES if on_cpu(near.device) else 1 << 26) // (near.shape[1] * width))
    for low in range(0, len(near), step):
        part = slice(low, low + step)
        gap = points.source.index_select(0, near[part].reshape(-1)).double().view(*near[part].shape, width)
        gap.sub_(points.source.index_select(0, rows[part]).double()[:, None])
        if wide:
            gap.mul_(points.scale)
        torch.linalg.vector_norm(gap, dim=2, out=out[part])
    return out if wide else out.mul_(points.scale)
