"""The pairs that the sweep keeps, and the minimum spanning tree among them."""

from __future__ import annotations

import torch

from tebench.graphs.boruvka import forest_of_edges
from tebench.graphs.operands import Points
from tebench.graphs.seed import Seed

_CAPACITY = 1 << 22  # pairs held before they are reduced to a tree; reached only where very many lengths tie


class KeptPairs:
    """Pairs by position in the seed's order, each with bounds of its scaled squared length (float32)."""

    def __init__(self, points: Points, seed: Seed):
        self.points, self.order = points, seed.order
        # Float32 differences, as the seed's lengths are, err by a relative part only.
        error = (points.source.shape[1] + 16) * 2.0**-24 if points.certified else 0.0
        self.parts = [(seed.ends, (seed.squared * (1 - error)).float(), (seed.squared * (1 + error)).float())]
        self.pending = 0

    def add(self, first: torch.Tensor, second: torch.Tensor, low: torch.Tensor, norms: torch.Tensor) -> None:
        """Keep pairs (first, second): `low` is the product's value, `norms` the sum |x|^2 + |y|^2 behind it."""
        # `low` lies below the product by slack * norms, and the truth at most as far above the product.
        high = low + (2.1 * self.points.slack * norms + 4e-36) if self.points.certified else low
        self.parts.append((torch.stack([first, second], 1), low.clamp(min=0), high.clamp(min=0)))
        self.pending += len(first)
        if self.pending > _CAPACITY:
            ends, squared = self._reduced()
            below = torch.nextafter(squared.float(), squared.new_zeros((), dtype=torch.float32))
            above = torch.nextafter(squared.float(), squared.new_full((), torch.inf, dtype=torch.float32))
            self.parts, self.pending = [(ends, below, above)], 0

    def tree(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Edges as row indices of the source, and scaled squared lengths in float64."""
        ends, squared = self._reduced()
        return self.order[ends], squared

    def _reduced(self) -> tuple[torch.Tensor, torch.Tensor]:
        ends, low, high = (torch.cat(part) for part in zip(*self.parts, strict=True))
        count = len(self.order)
        forest = forest_of_edges(ends, high, count)
        if not self.points.certified:
            ends = ends[forest.chosen]
            return ends, self._exact(ends)
        # A pair that even at its least is no shorter than its path in this tree at most is dispensable.
        needed = low < forest.path_maximum(ends)
        needed[forest.chosen] = True
        ends = ends[needed]
        squared = self._exact(ends)
        chosen = forest_of_edges(ends, squared, count).chosen
        return ends[chosen], squared[chosen]

    def _exact(self, ends: torch.Tensor) -> torch.Tensor:
        return self.points.squared(self.order[ends[:, 0]], self.order[ends[:, 1]])
