"""One pass over the upper triangle of all pairs, keeping those that a minimum spanning tree may need.

By the cycle property a pair is dispensable when its length is no less than the longest edge on the path
between its ends in any known spanning tree; the seed's layout gives that bound as max(a_i, b_j).
"""

from __future__ import annotations

import torch

from tebench.graphs.operands import Points, rows_of
from tebench.graphs.seed import Seed

BASE = 128  # pairs within such a block are compared one by one; a multiple of GROUP
GROUP = 32  # columns whose least value is looked at first
_RECENTRE = 16  # a stretch whose spread is so many times below its squared offset gets a centre of its own


class Sweep:
    """The sweep over one seed; `keep` is called with positions (K, 2) and float32 values, lower bounds if certified."""

    def __init__(self, points: Points, seed: Seed, keep):
        self.points, self.seed, self.keep = points, seed, keep
        count = len(points)
        self.count = count
        self.length = -(-count // BASE) * BASE
        device = seed.order.device
        # Bounds may only be rounded upwards: they come from float32 differences, hence this relative margin.
        widen = 1 + (points.source.shape[1] + 16) * 2.0**-24 if points.certified else 1.0
        self.hang = torch.zeros(self.length, device=device)
        self.hang[:count] = seed.hang * widen
        self.gap = torch.zeros(self.length, device=device)
        self.gap[: count - 1] = seed.gap * widen
        self.tile = 1024 if device.type == "cpu" else 8192
        self.buffer = torch.empty(self.tile * self.tile, device=device)

    def run(self, columns: torch.Tensor) -> None:
        """columns: the operand in the seed's order, padded to `length`."""
        self._stretch(0, self.length, columns, 0)

    def _stretch(self, low: int, high: int, columns: torch.Tensor, offset: int) -> None:
        """All pairs within positions low..high-1; columns[p - offset] is the operand of position p."""
        columns, offset = self._centred(low, high, columns, offset)
        if high - low <= 8 * BASE:
            self._blocks(low, high, columns[low - offset : high - offset])
            size = BASE
            while size < high - low:
                for start in range(low, high - size, 2 * size):
                    self._across(start, start + size, min(start + 2 * size, high), columns, offset)
                size *= 2
            return
        middle = low + (high - low) // (2 * BASE) * BASE
        self._stretch(low, middle, columns, offset)
        self._stretch(middle, high, columns, offset)
        self._across(low, middle, high, columns, offset)

    def _centred(self, low, high, columns, offset):
        """The operand, rebuilt from the source about the stretch's own mean where that makes the bound much tighter."""
        stop = min(high, self.count)
        if stop - low < BASE:
            return columns, offset
        part = columns[low - offset : stop - offset]
        squared = part[:, -2].mean()
        offset2 = part[:, :-2].mean(0).square().sum()
        if bool(squared - offset2 > squared / _RECENTRE):
            return columns, offset
        rows = self.seed.order[low:stop]
        return self.points.columns(rows, self.points.mean(rows), high - low), low

    def _blocks(self, low: int, high: int, columns: torch.Tensor) -> None:
        """Pairs inside each block of BASE positions."""
        blocks = (high - low) // BASE
        view = columns.view(blocks, BASE, -1)
        lengths = torch.bmm(rows_of(view), view.transpose(1, 2))
        gap = self.gap[low:high].view(blocks, 1, BASE).roll(1, 2).expand(-1, BASE, -1)
        bound = torch.triu(gap, 1).cummax(2).values
        hang = self.hang[low:high].view(blocks, BASE)
        bound = torch.maximum(torch.maximum(bound, hang[:, :, None]), hang[:, None, :])
        block, i, j = torch.triu(lengths < bound, 1).nonzero().unbind(1)
        at = low + block * BASE
        self._found(at + i, at + j, lengths[block, i, j], columns, low)

    def _across(self, low: int, middle: int, high: int, columns: torch.Tensor, offset: int) -> None:
        """Pairs with one end in low..middle-1 and the other in middle..high-1, tile by tile."""
        reach = self.gap[low:middle].flip(0).cummax(0).values.flip(0)
        left = torch.maximum(self.hang[low:middle], reach)
        reach = torch.cat([torch.zeros_like(reach[:1]), self.gap[middle : high - 1].cummax(0).values])
        right = torch.maximum(self.hang[middle:high], reach)
        prepared = []
        for start in range(middle, high, self.tile):
            # Columns of like bounds share a group, so that the group's bound is close to each one's own.
            bound, rank = right[start - middle : start - middle + self.tile].sort()
            where = rank + start
            prepared.append((where, bound, bound.view(-1, GROUP).amax(1), columns[where - offset].T))
        for start in range(low, middle, self.tile):
            stop = min(start + self.tile, middle)
            rows = rows_of(columns[start - offset : stop - offset])
            bound_i = left[start - low : stop - low]
            for where, bound_j, bound_group, block in prepared:
                lengths = self.buffer[: len(rows) * len(where)].view(len(rows), len(where))
                torch.mm(rows, block, out=lengths)
                groups = lengths.view(-1, GROUP)
                least = groups.amin(1).view(len(rows), -1)
                hits = (least < torch.maximum(bound_i[:, None], bound_group)).view(-1).nonzero().squeeze(1)
                values = groups.index_select(0, hits)
                row = hits // len(bound_group)
                group = hits - row * len(bound_group)
                bounds = torch.maximum(bound_i[row][:, None], bound_j.view(-1, GROUP)[group])
                hit, member = (values < bounds).nonzero().unbind(1)
                if len(hit):
                    self._found(
                        start + row[hit], where[group[hit] * GROUP + member], values[hit, member], columns, offset
                    )

    def _found(self, first, second, values, columns, offset) -> None:
        norms = columns[:, -2]
        self.keep(first, second, values, norms[first - offset] + norms[second - offset])
