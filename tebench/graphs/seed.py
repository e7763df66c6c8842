"""A first spanning tree, cheap and close to the minimum one, laid out on a line.

The tree of a small random sample, every other point hung on its nearest sample point. In the order of the
sample tree's single-linkage leaves, the longest edge between positions i < j is
max(hang[i], hang[j], max(gap[i..j-1])): hang is the length to the sample point, gap the longest edge between the
sample points of neighbouring positions. So the bound of a pair separates into one part per end; by the ultrametric
inequality it stays valid in any order, and shrinks, when hang and gap are read from a better tree later.

Many points that are nearly equal (image background) cannot be told apart by a product about the mean of all. Such
runs get a segment of the line of their own: a smaller problem about its own mean, solved first.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import torch

from tebench.graphs.checks import least_places, on_cpu
from tebench.graphs.operands import Points, rows_of

SHARE = 0.7  # of N points N ** 0.7 are sample points: one in 16 at 10,000, one in 32 at 100,000
BASE = 128  # segments begin and end at multiples of it
CROWD = 256  # so many nearly equal points make a segment
_NEARLY = 64  # nearly equal: squared distance below so many times the product's error bound
_SEED = 20240229  # any fixed number: the tree does not depend on it, only the time does, a little
_ELEMENTS = 1 << 20  # of one block of distances


@dataclass(frozen=True)
class Seed:
    """order[p]: the row at position p, -1 at holes; anchor[p]: the position of the sample point that it hangs on.

    ends, lengths: the seed tree's edges by position, and their scaled lengths (float64).
    segments: positions (low, high) of the runs of nearly equal points.
    """

    order: torch.Tensor
    anchor: torch.Tensor
    ends: torch.Tensor
    lengths: torch.Tensor
    segments: list[tuple[int, int]]


def sample_rows(count: int, device) -> torch.Tensor:
    """A fixed pseudo-random sample of rows, ascending."""
    generator = torch.Generator().manual_seed(_SEED)
    return torch.randperm(count, generator=generator)[: max(int(count**SHARE), 2)].sort().values.to(device)


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
    place, heights = _leaf_order(sample_edges, bones)
    nearly = float(_NEARLY * points.nominal_slack * columns[:count, -2].mean()) ** 0.5
    order, segments = _line(place[nearest], hang, heights, nearly)
    real = order >= 0
    position = torch.empty(count, dtype=torch.int64, device=device)
    position[order[real]] = real.nonzero().squeeze(1)
    base = position[sample[nearest]]
    # A hole passes its neighbour's anchor on, so that the gap across it is the gap between real points.
    latest = torch.cummax(torch.where(real, torch.arange(len(order), device=device), 0), 0).values
    anchor = base[order[latest]]
    loose = base != position
    ends = torch.cat([torch.stack([position, base], 1)[loose], position[sample[sample_edges]]])
    return Seed(order, anchor, ends, torch.cat([hang[loose], bones]), segments)


def _line(group, hang, heights, nearly: float) -> tuple[torch.Tensor, list[tuple[int, int]]]:
    """Rows in order, with holes (-1) up to the next multiple of BASE at both ends of every segment."""
    # Within a group from near to far: neighbouring positions then have like bounds.
    order = torch.argsort(hang, stable=True)
    order = order[torch.argsort(group[order], stable=True)]
    run = torch.cat([torch.zeros_like(group[:1]), torch.cumsum(heights >= nearly, 0)])[group]
    crowded = torch.bincount(run, weights=(hang < nearly).double()) >= CROWD
    if not bool(crowded.any()):
        return _filled(order), []
    inside = crowded[run] & (hang < nearly)
    order = order[torch.argsort(torch.where(inside[order], 0, 1), stable=True)]
    order = order[torch.argsort(run[order], stable=True)]
    mark = torch.where(inside[order], run[order], -1)
    # A run's own points come first in it, so two segments can touch: the marks tell them apart.
    cuts = [0, *((mark[1:] != mark[:-1]).nonzero().squeeze(1) + 1).tolist(), len(order)]
    pieces, segments, length = [], [], 0
    for low, high in pairwise(cuts):
        pieces.append(_filled(order[low:high]))
        if int(mark[low]) >= 0:
            segments.append((length, length + len(pieces[-1])))
        length += len(pieces[-1])
    return torch.cat(pieces), segments


def _filled(order: torch.Tensor) -> torch.Tensor:
    return torch.cat([order, order.new_full((-len(order) % BASE,), -1)])


def _nearest(columns: torch.Tensor, sample: torch.Tensor) -> torch.Tensor:
    """Row of `sample` nearest to each of `columns`, by the float32 product (any choice gives a valid seed)."""
    left = rows_of(sample).T
    chunk = max(1, (_ELEMENTS if on_cpu(columns.device) else 64 * _ELEMENTS) // len(sample))
    # The row's own norm shifts all its distances alike, so it does not matter which operand carries it.
    return torch.cat([least_places(columns[at : at + chunk] @ left) for at in range(0, len(columns), chunk)])


def _leaf_order(edges: torch.Tensor, lengths: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Place of each vertex among the leaves of the tree's single linkage, and the merge height after each place."""
    rank = torch.argsort(lengths, stable=True)
    pairs, ordered = edges[rank].tolist(), lengths[rank].tolist()
    count = len(pairs) + 1
    parent, first, last, size, after = *(list(range(count)) for _ in range(3)), [1] * count, [-1] * count
    height = [0.0] * count
    for (a, b), length in zip(pairs, ordered, strict=True):
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
    line, v = [], first[a] if pairs else 0
    while v >= 0:
        line.append(v)
        v = after[v]
    place = torch.empty(count, dtype=torch.int64)
    place[torch.tensor(line)] = torch.arange(count)
    heights = torch.tensor([height[v] for v in line[:-1]], dtype=torch.float64)
    return place.to(lengths.device), heights.to(lengths.device)
