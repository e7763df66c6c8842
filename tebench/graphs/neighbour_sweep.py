"""Nearest neighbours of all points from one sweep over pairs: every product value serves both of its rows.

A limit for each row comes from a random sample of the points: the r-th least squared distance to the sample is
seldom below the row's k-th least of all, whatever the data, as ranks in a sample do not depend on distances. One
sweep over the upper triangle keeps the pairs below either end's limit. The limit also proves the result: a row whose
k-th neighbour is not nearer than all that was dropped is searched alone.
"""

from __future__ import annotations

import math

import torch

from tebench.graphs.checks import on_cpu, true_places
from tebench.graphs.neighbour_rows import SPARE, least, measured, nearest_by_rows, nearest_first
from tebench.graphs.operands import Points, rows_of
from tebench.graphs.sweep import PairsBelow

_SAMPLE = 16  # one in so many points
_CAPACITY = 1 << 22  # kept pairs, at least, before the lists are cut to the nearest of each row
_SEED = 20240229  # any fixed number: the neighbours do not depend on it, only the time does, a little


def nearest_by_sweep(points: Points, columns: torch.Tensor, k: int) -> tuple[torch.Tensor, torch.Tensor]:
    """(indices (N, k), scaled distances (N, k)), nearest first; columns: the operand of all points, padded."""
    count = len(points)
    lists = _Lists(points, _limits(columns, count, k), k + SPARE if points.certified else k)
    _sweep(columns, lists)
    near, low, pair, dropped = lists.nearest()
    full = low[:, k - 1] < torch.inf
    rows = torch.arange(count, device=near.device)
    if points.certified:
        near, lengths = _decided(lists, near, low, pair, k)
        full &= lengths[:, -1].square() < dropped
    else:
        near, lengths = measured(points, columns, rows, near, low)
    redone = true_places(~full)
    if len(redone):
        near[redone], lengths[redone] = nearest_by_rows(points, columns, k, redone)
    return near, lengths


def _limits(columns: torch.Tensor, count: int, k: int) -> torch.Tensor:
    """(N,) squared distances that more than k points, but not many more, are expected to undercut in each row."""
    device = columns.device
    generator = torch.Generator().manual_seed(_SEED)
    sample = torch.randperm(count, generator=generator)[: count // _SAMPLE // 64 * 64].sort().values.to(device)
    expected = k * len(sample) / count
    rank = math.ceil(expected + 3 * math.sqrt(expected)) + 1
    right = columns.index_select(0, sample).T
    own = torch.full((count,), -1, device=device)
    own[sample] = torch.arange(len(sample), device=device)
    limits = []
    for rows in torch.arange(count, device=device).split(1024 if on_cpu(device) else 1 << 14):
        values = rows_of(columns.index_select(0, rows)) @ right
        itself = true_places(own.index_select(0, rows) >= 0)
        values[itself, own.index_select(0, rows.index_select(0, itself))] = torch.inf
        limits.append(least(values, rank)[1].amax(1))
    return torch.cat(limits)


def _sweep(columns: torch.Tensor, lists: _Lists) -> None:
    """Give `lists` every pair whose value lies below the limit of either end."""
    count, device = len(lists.limits), columns.device
    tile = 1024 if on_cpu(device) else 8192
    # Like limits side by side: then one bound for a group of columns is close to each one's own.
    order = lists.limits.argsort(stable=True)
    order = torch.cat([order, torch.arange(count, len(columns), device=device)])
    columns = columns.index_select(0, order)
    below = PairsBelow(tile, device)
    for start in range(0, count, tile):
        rows = rows_of(columns[start : start + tile])
        for other in range(start, count, tile):
            limits = lists.padded(len(columns)).index_select(0, order)
            block = columns[other : other + tile]
            row, column, values = below(rows, block.T, limits[start : start + tile], limits[other : other + tile])
            if start == other:
                upper = true_places(row < column)
                row, column, values = (part.index_select(0, upper) for part in (row, column, values))
            lists.add(order.take(start + row), order.take(other + column), values)


class _Lists:
    """Pairs of rows with lower bounds of their squared lengths, kept where below the limit of either end."""

    def __init__(self, points: Points, limits: torch.Tensor, wanted: int):
        self.points, self.limits, self.wanted = points, limits, wanted
        self.parts = [(points.source.new_empty(0, dtype=torch.int64),) * 2 + (limits[:0],)]
        self.capacity = max(_CAPACITY, 2 * wanted * len(points))
        self.kept = 0

    def padded(self, length: int) -> torch.Tensor:
        """The limits and, for padding rows, one that nothing undercuts."""
        return torch.cat([self.limits, self.limits.new_full((length - len(self.limits),), -torch.inf)])

    def add(self, first: torch.Tensor, second: torch.Tensor, values: torch.Tensor) -> None:
        self.parts.append((first, second, values))
        self.kept += len(first)
        if self.kept > self.capacity:  # very many lengths tie
            _, _, pair, self.limits = self.nearest()
            used = torch.zeros(self.kept, dtype=torch.bool, device=first.device)
            used[pair[pair >= 0]] = True
            self.parts = [tuple(part[used] for part in self.parts[0])]
            self.kept = len(self.parts[0][0])

    def nearest(self):
        """(rows (N, w), bounds (N, w), pairs (N, w), dropped (N,)): the least w = `wanted` of each row, least first.

        A row with fewer has infinite bounds and -1 for pairs. dropped: nothing outside the lists lies below it.
        """
        first, second, values = (torch.cat(part) for part in zip(*self.parts, strict=True))
        self.parts = [(first, second, values)]
        count, device = len(self.limits), first.device
        pair, rows = torch.arange(len(first), device=device).repeat(2), torch.cat([first, second])
        values = values.clamp(min=0).repeat(2)
        used = true_places(values < self.limits.index_select(0, rows))
        # A last entry, of no row, stands for all that is missing.
        rows = torch.cat([rows.index_select(0, used), first.new_tensor([count])])
        others = torch.cat([torch.cat([second, first]).index_select(0, used), first.new_tensor([0])])
        pair = torch.cat([pair.index_select(0, used), first.new_tensor([-1])])
        values = torch.cat([values.index_select(0, used), values.new_tensor([torch.inf])])
        # The bits of non-negative float32 numbers sort as integers.
        order = ((rows << 32) | values.view(torch.int32)).argsort(stable=True)
        starts = torch.searchsorted(rows.index_select(0, order), torch.arange(count + 1, device=device))
        sizes = starts[1:] - starts[:-1]
        place = torch.arange(self.wanted, device=device)
        places = torch.where(place < sizes[:, None], starts[:-1, None] + place, len(order) - 1)
        places = order.take(places)
        longer = sizes > self.wanted
        dropped = self.limits.clone()
        dropped[longer] = values.take(order.take(starts[:-1][longer] + self.wanted))
        return others.take(places), values.take(places), pair.take(places), dropped


def _decided(lists: _Lists, near, low, pair, k: int) -> tuple[torch.Tensor, torch.Tensor]:
    """The k nearest of the listed by lengths in float64, each pair's computed once, and only where it may matter."""
    first, second, _ = lists.parts[0]
    exact = torch.full((len(first) + 1,), torch.inf, dtype=torch.float64, device=near.device)  # [-1]: no pair

    def compute(pairs: torch.Tensor) -> None:
        needed = torch.zeros(len(exact), dtype=torch.bool, device=near.device)
        needed[pairs] = True
        needed &= exact == torch.inf
        needed[-1] = False
        places = true_places(needed)
        places = places.index_select(0, first.take(places).argsort(stable=True))  # the first row is in the cache then
        exact[places] = lists.points.lengths(first.take(places), second.take(places))

    compute(pair[:, :k].reshape(-1))
    limit = exact.take(pair[:, :k] % len(exact)).amax(1).square()
    compute(pair[:, k:][low[:, k:] <= limit[:, None]])
    lengths = exact.take(pair % len(exact))
    near, lengths = nearest_first(near, lengths)
    return near[:, :k].clone(), lengths[:, :k].clone()
