"""The pairs that the sweep keeps, and the minimum spanning tree among them."""

from __future__ import annotations

import torch

from tebench.graphs.boruvka import Forest, forest_of_edges
from tebench.graphs.operands import Points
from tebench.graphs.seed import Seed

_CAPACITY = 1 << 22  # pairs that may stay undecided in float32; passed only where very many lengths tie
_MANY = 8  # new pairs a point, after which the tree is improved and the bounds are tightened


class KeptPairs:
    """Pairs by position in the seed's order, each with bounds of its scaled squared length (float32)."""

    def __init__(self, points: Points, seed: Seed):
        self.points, self.order = points, seed.order
        # Float32 differences, as the seed's lengths are, err by a relative part only.
        error = (points.source.shape[1] + 16) * 2.0**-24 if points.certified else 0.0
        squared = seed.lengths**2
        self.parts = [(seed.ends, (squared * (1 - error)).float(), (squared * (1 + error)).float())]
        self.new = 0

    @property
    def many(self) -> bool:
        """Whether so many pairs are new that a better tree is worth its while."""
        return self.new > _MANY * len(self.points)

    def add(self, first: torch.Tensor, second: torch.Tensor, low: torch.Tensor, high: torch.Tensor) -> None:
        """Keep pairs (first, second) whose scaled squared lengths lie in low..high."""
        self.parts.append((torch.stack([first, second], 1), low.clamp(min=0), high.clamp(min=0)))
        self.new += len(first)

    def improve(self) -> Forest:
        """The minimum spanning tree of the pairs at their longest; drops all that it makes dispensable."""
        ends, low, high = (torch.cat(part) for part in zip(*self.parts, strict=True))
        forest = forest_of_edges(ends, high, len(self.order))
        needed = torch.zeros(len(ends), dtype=torch.bool, device=ends.device)
        if self.points.certified:
            # A pair that even at its least is no shorter than its path in this tree at most is dispensable.
            needed = low < forest.path_maximum(ends)
        needed[forest.chosen] = True
        self.parts, self.new = [(ends[needed], low[needed], high[needed])], 0
        if len(self.parts[0][0]) > _CAPACITY:
            self._decide()
        return forest

    def tree(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Edges as row indices of the source, and scaled lengths in float64."""
        self.improve()
        ends, lengths = self._decide()
        return self.order[ends], lengths

    def _decide(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Compare what is left in float64, and keep the tree alone."""
        ends = self.parts[0][0]
        lengths = self.points.lengths(self.order[ends[:, 0]], self.order[ends[:, 1]])
        if len(ends) >= len(self.points):
            chosen = forest_of_edges(ends, lengths, len(self.order)).chosen
            ends, lengths = ends[chosen], lengths[chosen]
        self.parts = [(ends, *rounded_apart(lengths**2))]
        return ends, lengths


def rounded_apart(squared: torch.Tensor, error: torch.Tensor | float = 0.0) -> tuple[torch.Tensor, torch.Tensor]:
    """Float32 numbers below squared - error and above squared + error."""
    zero, infinity = (torch.full((), end, device=squared.device) for end in (0.0, torch.inf))
    low, high = (squared - error).clamp_(min=0).float(), (squared + error).float()
    return torch.nextafter(low, zero), torch.nextafter(high, infinity)
