"""A first spanning tree, cheap and close to the minimum one, laid out on a line.

The tree of a small random sample, every other point hung on its nearest sample point. In the order of the
sample tree's single-linkage leaves, the longest edge between positions i < j is
max(hang[i], hang[j], max(gap[i..j-1])): hang is the length to the sample point, gap the longest edge between the
sample points of neighbouring positions. So the bound of a pair separates into one part per end; by the ultrametric
inequality it stays valid, and shrinks, when hang and gap are read from a better tree later.
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
    """order[p]: the row at position p; anchor[p]: the position of the sample point that it hangs on.

    ends, lengths: the seed tree's edges by position, with their lengths lengths (float64).
    """

    order: torch.Tensor
    anchor: torch.Tensor
    ends: torch.Tensor
    lengths: torch.Tensor


def sample_rows(count: int, device) -> torch.Tensor:
    """A fixed pseudo-random sample of rows, ascending."""
    generator = torch.Generator().manual_seed(_SEED)
    return torch.randperm(count, generator=generator)[: max(count // SHARE, 2)].sort().values.to(device)


def seed_tree(points: Points, columns: torch.Tensor, sample: torch.Tensor, sample_edges: torch.Tensor) -> Seed:
    """Hang all points on the sample's tree (`sample_edges`, numbered within the sample) and lay it on a line."""
    device = columns.device
    count = len(points)
    nearest = _nearest(columns[:count], columns.index_select(0, sample))
    own = torch.arange(len(sample), device=device)
    nearest[sample] = own
    rows = torch.arange(count, device=device)
    hang = points.lengths(rows, sample[nearest], torch.float32)
    bones = points.lengths(sample[sample_edges[:, 0]], sample[sample_edges[:, 1]], torch.float32)
    group = _leaf_places(sample_edges, bones)[nearest]
    # Within a group from near to far: neighbouring positions then have like bounds.
    order = torch.argsort(hang, stable=True)
    order = order[torch.argsort(group[order], stable=True)]
    position = torch.empty_like(order)
    position[order] = rows
    anchor = position[sample[nearest[order]]]
    loose = anchor != rows
    ends = torch.cat([torch.stack([rows, anchor], 1)[loose], position[sample[sample_edges]]])
    return Seed(order, anchor, ends, torch.cat([hang[order][loose], bones]))


def _nearest(columns: torch.Tensor, sample: torch.Tensor) -> torch.Tensor:
    """Row of `sample` nearest to each of `columns`, by the float32 product (any choice gives a valid seed)."""
    left = rows_of(sample).T
    chunk = max(1, _ELEMENTS // len(sample))
    # The row's own norm shifts all its distances alike, so it does not matter which operand carries it.
    return torch.cat([(columns[at : at + chunk] @ left).min(1).indices for at in range(0, len(columns), chunk)])


def _leaf_places(edges: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
    """Place of each vertex among the leaves of the tree's single linkage."""
    edges = edges[torch.argsort(lengths, stable=True)].tolist()
    count = len(edges) + 1
    parent, first, last, size, after = *(list(range(count)) for _ in range(3)), [1] * count, [-1] * count
    for a, b in edges:
        while parent[a] != a:
            parent[a] = a = parent[parent[a]]
        while parent[b] != b:
            parent[b] = b = parent[parent[b]]
        if size[a] < size[b]:
            a, b = b, a
        after[last[a]] = first[b]
        last[a] = last[b]
        size[a] += size[b]
        parent[b] = a
    line, v = [], first[a] if edges else 0
    while v >= 0:
        line.append(v)
        v = after[v]
    place = torch.empty(count, dtype=torch.int64)
    place[torch.tensor(line)] = torch.arange(count)
    return place.to(lengths.device)
