"""Nearest neighbours of all points from one sweep over pairs: every product value serves both of its rows.

A limit for each row comes from a random sample of the points: the r-th least squared distance to the sample is
seldom below the row's k-th least of all, whatever the data, as ranks in a sample do not depend on distances. One
sweep over the upper triangle keeps the pairs below either end's limit. The limit also proves the result: a row whose
k-th neighbour is not nearer than all that was dropped is searched alone.
"""

from __future__ import annotations

import math

import torch

from tebench.graphs.checks import least_first, on_cpu, true_places
from tebench.graphs.neighbour_rows import SPARE, exact, least, measured, nearest_by_rows, nearest_first
from tebench.graphs.operands import Points, rows_of
from tebench.graphs.sweep import PairsBelow

_SAMPLE = 16  # one in so many points
_CAPACITY = 1 << 22  # kept pairs, at least, before the lists are cut to the nearest of each row
_SEED = 20240229  # any fixed number: the neighbours do not depend on it, only the time does, a little


def nearest_by_sweep(points: Points, columns: torch.Tensor, k: int) -> tuple[torch.Tensor, torch.Tensor]:
    """(indices (N, k), scaled distances (N, k)), nearest first; columns: the operand of all points, padded."""
    count = len(points)
    tile = 1024 if on_cpu(columns.device) else 8192
    lists = _Lists(points, _limits(columns, count, k), k + SPARE, tile * tile)
    _sweep(columns, lists, tile)
    near, low, _, dropped = lists.nearest()
    full = low[:, k - 1] < torch.inf
    rows = torch.arange(count, device=near.device)
    if points.certified:
        near, lengths = _decided(points, near, low, k)
        full &= lengths[:, -1].square() < dropped
    else:
        near, lengths = (part[:, :k].clone() for part in measured(points, columns, rows, near, low))
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


def _sweep(columns: torch.Tensor, lists: _Lists, tile: int) -> None:
    """Give `lists` every pair whose value lies below the limit of either end."""
    count, device = len(lists.limits), columns.device
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
    """Pairs of rows with lower bounds of their squared lengths, kept where below the limit of either end.

    A row's claim to a pair is one integer, row | level of the bound below the row's limit | number of the pair, so
    that one sort of integers lists every row's nearest pairs. Pair 0 stands for a missing one.
    """

    def __init__(self, points: Points, limits: torch.Tensor, wanted: int, found: int):
        """wanted: pairs a row is to list; found: pairs that are added at once, at most."""
        self.points, self.limits, self.wanted = points, limits, wanted
        self.capacity = max(_CAPACITY, 2 * wanted * len(points))
        self.bits = (self.capacity + found).bit_length()
        self.levels = 63 - self.bits - len(points).bit_length()
        self._begin()

    def _begin(self) -> None:
        none = torch.zeros(1, dtype=torch.int64, device=self.limits.device)
        self.pairs = [(none, none, torch.full_like(none, torch.inf, dtype=torch.float32))]
        self.claims = [none + torch.iinfo(torch.int64).max]  # sorts last
        self.kept = 1
        self.step = (2**self.levels - 1) / self.limits.clamp(min=1e-36).double()

    def padded(self, length: int) -> torch.Tensor:
        """The limits and, for padding rows, one that nothing undercuts."""
        return torch.cat([self.limits, self.limits.new_full((length - len(self.limits),), -torch.inf)])

    def add(self, first: torch.Tensor, second: torch.Tensor, values: torch.Tensor) -> None:
        """Keep pairs (first, second); values: lower bounds of their squared lengths."""
        values = values.clamp(min=0)
        for rows in (first, second):
            used = true_places(values < self.limits.take(rows))
            rows = rows.take(used)
            level = values.take(used).double().mul_(self.step.take(rows)).long()
            self.claims.append(((rows << self.levels | level) << self.bits) | (used + self.kept))
        self.pairs.append((first, second, values))
        self.kept += len(first)
        if self.kept > self.capacity:  # very many lengths tie
            _, _, pair, self.limits = self.nearest()
            used = torch.zeros(self.kept, dtype=torch.bool, device=first.device)
            used[pair] = True
            used[0] = False
            pairs = tuple(part[used] for part in self.pairs[0])
            self._begin()
            self.add(*pairs)

    def nearest(self):
        """(rows (N, w), bounds (N, w), pairs (N, w), dropped (N,)): w = `wanted` least of each row, about least first.

        A row with fewer has infinite bounds. dropped: nothing outside the lists lies below it.
        """
        first, second, values = (torch.cat(part) for part in zip(*self.pairs, strict=True))
        self.pairs = [(first, second, values)]
        claims = least_first(torch.cat(self.claims)[None], "sort")[0]
        rows = torch.arange(len(self.limits) + 1, device=claims.device)
        starts = torch.searchsorted(claims, rows << (self.levels + self.bits))
        sizes, starts, rows = starts[1:] - starts[:-1], starts[:-1], rows[:-1]
        place = torch.arange(self.wanted, device=claims.device)
        there = place < sizes[:, None]
        number = (1 << self.bits) - 1
        pair = claims.take(torch.where(there, starts[:, None] + place, 0)).bitwise_and_(number).mul_(there)
        near = torch.where(there, first.take(pair) + second.take(pair) - rows[:, None], 0)
        longer = true_places(sizes > self.wanted)
        level = claims.take(starts.take(longer) + self.wanted).bitwise_right_shift_(self.bits)
        level &= (1 << self.levels) - 1
        dropped = self.limits.clone()
        # One level and one float32 number below, so that no rounding matters.
        below = ((level - 1).clamp_(min=0) / self.step.take(longer)).float()
        dropped[longer] = torch.nextafter(below, torch.full_like(below, -torch.inf))
        return near, values.take(pair), pair, dropped


def _decided(points: Points, near, low, k: int) -> tuple[torch.Tensor, torch.Tensor]:
    """The k nearest of the listed by lengths in float64: of the first k, and of others only where it may matter."""
    rows = torch.arange(len(near), device=near.device)
    lengths = torch.full(near.shape, torch.inf, dtype=torch.float64, device=near.device)
    lengths[:, :k] = exact(points, rows, near[:, :k])
    lengths.masked_fill_(low == torch.inf, torch.inf)
    beyond = low <= lengths[:, :k].amax(1, keepdim=True).square()
    beyond[:, :k] = False
    places = true_places(beyond & (low < torch.inf))
    first = torch.div(places, near.shape[1], rounding_mode="floor")
    lengths.view(-1)[places] = points.lengths(first, near.take(places))
    near, lengths = nearest_first(near, lengths)
    return near[:, :k].clone(), lengths[:, :k].clone()
