"""One pass over the upper triangle of all pairs, keeping those that a minimum spanning tree may need.

By the cycle property a pair is dispensable when its length is no less than the longest edge on the path
between its ends in any known spanning tree; the seed's layout gives that bound as max(a_i, b_j).
"""

from __future__ import annotations

import torch

from tebench.graphs.checks import less, on_cpu, true_places
from tebench.graphs.kept_pairs import KeptPairs, rounded_apart
from tebench.graphs.operands import Points, far_row, rows_of
from tebench.graphs.seed import BASE, Seed

_CACHED = 1 << 17  # bounds at a time: they stay in the cache of a CPU
_RECENTRE = 16  # a stretch whose spread is so many times below its squared offset gets a centre of its own


class Sweep:
    """The sweep over one seed; what passes the bound goes to `kept`."""

    def __init__(self, points: Points, seed: Seed, kept: KeptPairs):
        self.points, self.seed, self.kept = points, seed, kept
        self.real = seed.order >= 0
        device = seed.order.device
        self.hang = torch.zeros(len(self.real), device=device)
        self.gap = torch.zeros(len(self.real), device=device)
        self.cuts = sorted({end for segment in seed.segments for end in segment})
        self.tile = 1024 if on_cpu(device) else 8192
        self.below = PairsBelow(self.tile, device)
        self.upper = torch.ones(BASE, BASE, dtype=torch.bool, device=device).triu_(1)
        self._tighten()

    def _tighten(self) -> None:
        """Read the bounds from the best tree so far."""
        tree = self.kept.improve()
        anchor = self.seed.anchor
        here = torch.arange(len(anchor), device=anchor.device)
        self.hang = torch.where(self.real, tree.path_maximum(torch.stack([here, anchor], 1)), 0.0)
        self.gap[:-1] = tree.path_maximum(torch.stack([anchor[:-1], anchor[1:]], 1))

    def run(self, columns: torch.Tensor) -> None:
        """columns: the operand of the rows of the source."""
        columns = columns.index_select(0, self.seed.order.clamp(min=0))
        columns[~self.real] = far_row(columns)
        self._stretch(0, len(self.real), columns, 0)

    def _stretch(self, low: int, high: int, columns: torch.Tensor, offset: int) -> None:
        """All pairs within positions low..high-1; columns[p - offset] is the operand of position p."""
        if (low, high) in self.seed.segments:
            return  # its tree is part of the seed
        columns, offset = self._centred(low, high, columns, offset)
        middle = low + (1 << (high - low - 1).bit_length() - 1)  # powers of two cut into whole tiles
        inner = [cut for cut in self.cuts if low < cut < high]
        if inner:  # segments stay whole
            middle = min(inner, key=lambda cut: abs(2 * cut - low - high))
        elif high - low <= 8 * BASE:
            self._blocks(low, high, columns[low - offset : high - offset])
            size = BASE
            while size < high - low:
                for start in range(low, high - size, 2 * size):
                    self._across(start, start + size, min(start + 2 * size, high), columns, offset)
                size *= 2
            if self.kept.many:
                self._tighten()
            return
        self._stretch(low, middle, columns, offset)
        self._stretch(middle, high, columns, offset)
        self._across(low, middle, high, columns, offset)

    def _centred(self, low, high, columns, offset):
        """The operand, rebuilt from the source about the stretch's own mean where that makes the bound much tighter."""
        real = true_places(self.real[low:high])
        if len(real) < BASE:
            return columns, offset
        part = columns.index_select(0, real[:: max(1, len(real) // BASE)] + (low - offset))  # a glance decides
        squared = part[:, -2].mean()
        offset2 = part[:, :-2].mean(0).square().sum()
        if bool(squared - offset2 > squared / _RECENTRE):
            return columns, offset
        rows = self.seed.order[low:high]
        centre = self.points.mean(rows.index_select(0, real))
        columns = self.points.columns(rows.clamp(min=0), centre, high - low)
        columns[~self.real[low:high]] = far_row(columns)
        return columns, low

    def _blocks(self, low: int, high: int, columns: torch.Tensor) -> None:
        """Pairs inside each block of BASE positions."""
        blocks = (high - low) // BASE
        view = columns.view(blocks, BASE, -1)
        lengths = torch.bmm(rows_of(view), view.transpose(1, 2))
        gap = self.gap[low:high].view(blocks, 1, BASE).roll(1, 2).expand(-1, BASE, -1)
        bound = torch.triu(gap, 1).cummax(2).values
        hang = self.hang[low:high].view(blocks, BASE)
        bound = torch.maximum(torch.maximum(bound, hang[:, :, None]), hang[:, None, :])
        places = true_places((lengths < bound).logical_and_(self.upper))
        first = torch.div(places, BASE, rounding_mode="floor")
        second = first - first % BASE + places % BASE
        self._found(low + first, low + second, lengths.view(-1).take(places), columns, low)

    def _across(self, low: int, middle: int, high: int, columns: torch.Tensor, offset: int) -> None:
        """Pairs with one end in low..middle-1 and the other in middle..high-1, tile by tile."""
        left, right = self._bounds(low, middle, high)
        crowded = False
        for start in range(low, middle, self.tile):
            stop = min(start + self.tile, middle)
            rows = rows_of(columns[start - offset : stop - offset])
            for other in range(middle, high, self.tile):
                end = min(other + self.tile, high)
                block = columns[other - offset : end - offset].T
                # A crowd of pairs may pass a loose bound once. The next one meets the bounds that the first gave,
                # and if it passes them too, float32 cannot tell its pairs apart.
                for attempt in (1, 2):
                    bounds = left[start - low : stop - low], right[other - middle : end - middle]
                    row, column, values = self.below(rows, block, *bounds)
                    crowd = self.points.certified and len(row) > len(rows) * (end - other) // 16
                    if not (crowded and crowd):
                        self._found(start + row, other + column, values, columns, offset)
                        crowded |= crowd
                        break
                    if attempt == 2 or self.kept.new < len(rows):
                        self._precise(start, other, *bounds)
                        break
                    self._tighten()
                    left, right = self._bounds(low, middle, high)
            if self.kept.many:
                self._tighten()
                left, right = self._bounds(low, middle, high)

    def _bounds(self, low: int, middle: int, high: int) -> tuple[torch.Tensor, torch.Tensor]:
        """a_i of low..middle-1 and b_j of middle..high-1."""
        reach = self.gap[low:middle].flip(0).cummax(0).values.flip(0)
        left = torch.maximum(self.hang[low:middle], reach)
        reach = torch.cat([torch.zeros_like(reach[:1]), self.gap[middle : high - 1].cummax(0).values])
        return left, torch.maximum(self.hang[middle:high], reach)

    def _found(self, first, second, values, columns, offset) -> None:
        """Keep pairs with the product's `values`: lower bounds of their squared lengths."""
        if not len(first):
            return
        high = values
        if self.points.certified:
            norms = columns[:, -2]
            # The value lies below the product by slack (|x|^2 + |y|^2), and the truth at most as far above it.
            norms = norms.take(first - offset) + norms.take(second - offset)
            high = values + (2.1 * self.points.slack * norms + 4e-36)
        self.kept.add(first, second, values, high)

    def _precise(self, start: int, other: int, left: torch.Tensor, right: torch.Tensor) -> None:
        """The pairs of one tile (positions start.. and other..) by a float64 product, about the mean of its rows.

        For far sets of nearly equal points, whose distances float32 cannot tell apart.
        """
        rows, columns = slice(start, start + len(left)), slice(other, other + len(right))
        x, y = (
            self.points.source.index_select(0, self.seed.order[part].clamp(min=0)).double() for part in (rows, columns)
        )
        centre = x.mean(0)
        x, y = ((part - centre) * self.points.scale for part in (x, y))
        norms = torch.linalg.vecdot(x, x)[:, None] + torch.linalg.vecdot(y, y)
        error = norms * (self.points.nominal_slack * 2.0**-29)
        low, high = rounded_apart(norms.addmm_(x, y.T, alpha=-2), error)
        found = low < torch.maximum(left[:, None], right)
        found &= self.real[rows, None] & self.real[columns]
        row, column = found.nonzero().unbind(1)
        self.kept.add(start + row, other + column, low[row, column], high[row, column])


class PairsBelow:
    """Finds the pairs in one tile of at most tile x tile values that lie below the bound of either end.

    One product and one comparison with every value: cheaper than minima over groups and a look into those with a hit.
    """

    def __init__(self, tile: int, device):
        self.values = torch.empty(tile * tile, device=device)
        self.flags = torch.empty(tile * tile, dtype=torch.bool, device=device)
        self.step = _CACHED if on_cpu(device) else tile * tile
        self.bounds = torch.empty(min(self.step, tile * tile), device=device)

    def __call__(self, rows, block, left, right):
        """(row, column, value) where rows @ block < max(left, right), row by row."""
        shape = len(left), len(right)
        step = min(max(1, self.step // len(right)), len(left))
        values, flags = (part[: len(left) * len(right)].view(shape) for part in (self.values, self.flags))
        bounds = self.bounds[: step * len(right)].view(step, -1)
        torch.mm(rows, block, out=values)
        for low in range(0, len(left), step):
            part = slice(low, low + step)
            bound = torch.maximum(left[part, None], right, out=bounds[: len(left[part])])
            less(values[part], bound, flags[part])
        places = true_places(flags)
        row = torch.div(places, len(right), rounding_mode="floor")
        return row, places - row * len(right), values.view(-1).take(places)
