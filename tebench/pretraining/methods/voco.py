"""Position contrast (VoCo): from features alone, say how far a crop overlaps each of the base crops around it."""

from __future__ import annotations

from typing import Annotated

import torch
from torch import Tensor, nn
from torch.nn import functional

from tebench.metrics.parameters import Interval
from tebench.pretraining.draw import Draw
from tebench.pretraining.heads import Pooled


class Method(nn.Module):
    """Base crops tile a region, 2 x 2 x 2; queries lie anywhere in it, coloured independently.

    y = shared volume of query and base crop / volume of the query; p = relu(cos(query, base)), the gradient of the
    base held back;
    loss = mean -log(1 - |y - p|) + mean over pairs of base crops of |cos|, which keeps the bases apart.
    queries: crops a region.   Source: Wu et al. 2024, arXiv 2402.17300.
    """

    def __init__(self, encoder: nn.Module, *, queries: Annotated[int, Interval(1)] = 4):
        super().__init__()
        self.encoder, self.head = encoder, Pooled(encoder.stages, 64)
        self.queries = queries

    def loss(self, draw: Draw) -> Tensor:
        parts = [self._region(draw, index) for index in range(draw.training.batch)]
        return torch.stack(parts).mean()

    def _region(self, draw: Draw, index: int) -> Tensor:
        edge = draw.training.crop
        region = draw.region(2 * edge, "region", index)
        painted = draw.contrast(region, "bases", index)
        corners = [(x, y, z) for x in (0, edge) for y in (0, edge) for z in (0, edge)]
        bases = torch.stack([_cut(painted, corner, edge) for corner in corners])[:, None]
        starts = draw.rng("queries", index).integers(0, edge + 1, (self.queries, 3))
        crops = [_cut(region, start, edge) for start in starts]
        queries = torch.stack([draw.contrast(crop, "query", index, k) for k, crop in enumerate(crops)])[:, None]
        z = functional.normalize(self.head(self.encoder(torch.cat([bases, queries]))), dim=1)
        base, query = z[: len(bases)], z[len(bases) :]
        p = (query @ base.detach().T).relu()
        y = torch.stack([overlaps(start, corners, edge) for start in starts])
        apart = (base @ base.T)[~torch.eye(len(base), dtype=torch.bool)].abs().mean()
        return -(1 - (y - p).abs()).clamp(min=1e-4).log().mean() + apart


def overlaps(start, corners, edge: int) -> Tensor:
    """(bases,) shared share of a query at `start` with each base; sums to 1, for the bases tile the region."""
    shares = [
        max(0.0, 1 - abs(int(start[0]) - x) / edge)
        * max(0.0, 1 - abs(int(start[1]) - y) / edge)
        * max(0.0, 1 - abs(int(start[2]) - z) / edge)
        for x, y, z in corners
    ]
    return torch.tensor(shares)


def _cut(region: Tensor, start, edge: int) -> Tensor:
    x, y, z = map(int, start)
    return region[x : x + edge, y : y + edge, z : z + edge]
