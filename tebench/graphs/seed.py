"""A first spanning tree, cheap and close to the minimum one, laid out on a line.

The tree of a small random sample, every other point hung on its nearest sample point. In the order of the
sample tree's single-linkage leaves, the longest edge between positions i < j is
max(hang[i], hang[j], max(gap[i..j-1])): a bound for every pair that separates into one part per end.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from tebench.graphs.operands import Points, rows_of

SHARE = 16  # one point in so many is a sample point
_SEED = 20240229  # any fixed number: the tree does not depend on it, only the time does, a little
_ELEMENTS = 1 << 20  # of one block of distances


@dataclass(frozen=True)
class Seed:
    """order[p]: the row at position p. hang[p]: squared length to its sample point. gap[p]: between groups at p, p+1.

    ends, squared: the seed tree's edges by position, with their squared lengths (float64).
    """

    order: torch.Tensor
    hang: torch.Tensor
    gap: torch.Tensor
    ends: torch.Tensor
    squared: torch.Tensor


def sample_rows(count: int, device) -> torch.Tensor:
    """A fixed pseudo-random sample of rows, ascending."""
    generator = torch.Generator().manual_seed(_SEED)
    return torch.randperm(count, generator=generator)[: max(count // SHARE, 2)].sort().values.to(device)


def seed_tree(points: Points, columns: torch.Tensor, sample: torch.Tensor, sample_edges: torch.Tensor) -> Seed:
    """Hang all points on the sample's tree (`sample_edges`, numbered within the sample) and lay it on a line."""
    device = columns.device
    count = len(points)
    nearest = _nearest(columns[:count], columns[sample])
    own = torch.arange(len(sample), device=device)
    nearest[sample] = own
    rows = torch.arange(count, device=device)
    hang = points.squared(rows, sample[nearest], torch.float32)
    bones = points.squared(sample[sample_edges[:, 0]], sample[sample_edges[:, 1]], torch.float32)
    place, heights = _leaf_order(sample_edges, bones)
    group = place[nearest]
    # Within a group from near to far: neighbouring positions then have like bounds.
    order = torch.argsort(hang, stable=True)
    order = order[torch.argsort(group[order], stable=True)]
    position = torch.empty_like(order)
    position[order] = rows
    group, hang = group[order], hang[order]
    gap = torch.where(group[1:] != group[:-1], heights[group[:-1].clamp(max=len(heights) - 1)], 0.0)
    loose = (hang > 0) | (position[sample[nearest[order]]] != rows)
    ends = torch.cat([torch.stack([rows, position[sample[nearest[order]]]], 1)[loose], position[sample[sample_edges]]])
    return Seed(order, hang, gap, ends, torch.cat([hang[loose], bones]))


def _nearest(columns: torch.Tensor, sample: torch.Tensor) -> torch.Tensor:
    """Row of `sample` nearest to each of `columns`, by the float32 product (any choice gives a valid seed)."""
    left = rows_of(sample).T
    chunk = max(1, _ELEMENTS // len(sample))
    # The row's own norm shifts all its distances alike, so it does not matter which operand carries it.
    return torch.cat([(columns[at : at + chunk] @ left).min(1).indices for at in range(0, len(columns), chunk)])


def _leaf_order(edges: torch.Tensor, lengths: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Place of each vertex among the leaves of the tree's single linkage, and the merge height after each place."""
    ranked = torch.argsort(lengths, stable=True)
    count = len(edges) + 1
    parent, first, last, size = list(range(count)), list(range(count)), list(range(count)), [1] * count
    after: list[int] = [-1] * count
    height = [0.0] * count
    for (a, b), length in zip(edges[ranked].tolist(), lengths[ranked].tolist(), strict=True):
        while parent[a] != a:
            parent[a] = a = parent[parent[a]]
        while parent[b] != b:
            parent[b] = b = parent[parent[b]]
        if size[a] < size[b]:
            a, b = b, a
        after[last[a]], height[last[a]] = first[b], length
        last[a] = last[b]
        size[a] += size[b]
        parent[b] = a
    root = next(v for v in range(count) if parent[v] == v)
    line, heights, v = [], [], first[root]
    while v >= 0:
        line.append(v)
        heights.append(height[v])
        v = after[v]
    place = torch.empty(count, dtype=torch.int64)
    place[torch.tensor(line)] = torch.arange(count)
    device = edges.device
    return place.to(device), torch.tensor(heights[: count - 1] or [0.0], dtype=torch.float64).to(device)
