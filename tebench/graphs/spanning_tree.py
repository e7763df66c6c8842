"""Exact Euclidean minimum spanning tree at about the cost of one symmetric matrix product."""

from __future__ import annotations

from dataclasses import replace

import torch

from tebench.graphs.checks import as_tensor, give_back, in_order
from tebench.graphs.equal_rows import distinct_rows
from tebench.graphs.kept_pairs import KeptPairs
from tebench.graphs.operands import Points, full_precision, rows_of
from tebench.graphs.prim import dense_tree
from tebench.graphs.seed import Seed, sample_rows, seed_tree
from tebench.graphs.sweep import Sweep

DIRECT = 256  # at most so many points: all differences in float64, then Prim
_COMPACT = 16  # a segment is a problem of its own if its mean square is so many times below that of all
DENSE = 1536  # at most so many sample points: one distance matrix, then Prim


def emst(points, *, certified: bool = True):
    """Exact Euclidean minimum spanning tree.

    T = argmin over spanning trees of the sum of |x_i - x_j|; one of the minima where lengths tie. The same input gives
    the same tree.

    Parameters
    ----------
    points : array_like or torch.Tensor, shape (N, D)
        Real, finite; N >= 1. Equal points give edges of length zero.
    certified : bool
        Correct in float64: every pair that a rounding error could have hidden is compared again in float64, by
        differences of the given (uncentred) values. Otherwise pairs are compared in float32.

    Returns
    -------
    edges : numpy.ndarray or torch.Tensor, shape (N - 1, 2), int64
        Vertices i < j, sorted by length, i, j.
    lengths : numpy.ndarray or torch.Tensor, shape (N - 1,), float64
        In the points' unit, computed in float64 from differences in both modes. numpy in, numpy out; torch in, torch
        out, on the tensor's device.

    Raises
    ------
    InputError
        For points that are not as described.

    Notes
    -----
    Cost: about N^2 D multiplications, half a full distance matrix, whatever the data. Memory over the data: a centred
    float32 copy and the kept pairs.

    Examples
    --------
    >>> import numpy
    >>> edges, lengths = emst(numpy.array([[0.0], [1.0], [3.0], [1.0]]))
    >>> edges.tolist(), lengths.tolist()
    ([[1, 3], [0, 1], [1, 2]], [0.0, 1.0, 2.0])
    """
    tensor = as_tensor(points, "points", ndim=2, shape="(N, D)")
    with full_precision():
        edges, lengths = spanning_tree(tensor, certified)
    return give_back(points, *in_order(edges, lengths))


def spanning_tree(source: torch.Tensor, certified: bool) -> tuple[torch.Tensor, torch.Tensor]:
    """The core of `emst`: unordered edges and lengths of checked points."""
    kept, equal = distinct_rows(source)
    if not len(equal):
        return _distinct_tree(Points.of(source, certified))
    edges, lengths = _distinct_tree(Points.of(source[kept], certified))
    return torch.cat([equal, kept[edges]]), torch.cat([lengths.new_zeros(len(equal)), lengths])


def _distinct_tree(points: Points) -> tuple[torch.Tensor, torch.Tensor]:
    if len(points) <= DIRECT:
        double = points.source.double() * points.scale
        edges, lengths = dense_tree(torch.cdist(double, double, compute_mode="donot_use_mm_for_euclid_dist"))
        return edges, lengths / points.scale
    edges, lengths = _swept_tree(points)
    return edges, lengths / points.scale


def _swept_tree(points: Points) -> tuple[torch.Tensor, torch.Tensor]:
    count = len(points)
    columns = points.columns(None, points.mean(), count)
    sample = sample_rows(count, columns.device)
    seed = seed_tree(points, columns, sample, _sample_tree(points, columns, sample))
    seed = _with_segments(points, columns, seed)
    kept = KeptPairs(points, seed)
    Sweep(points, seed, kept).run(columns)
    return kept.tree()


def _with_segments(points: Points, columns: torch.Tensor, seed: Seed) -> Seed:
    """The seed with the finished trees of its segments of nearly equal points."""
    spread = columns[:, -2].double().mean()
    ends, lengths, segments = [seed.ends], [seed.lengths], []
    for low, high in seed.segments:
        rows = seed.order[low:high]
        rows = rows[rows >= 0]
        part = columns.index_select(0, rows)
        own = part[:, -2].double().mean() - part[:, :-2].mean(0, dtype=torch.float64).square().sum()
        if own > spread / _COMPACT:
            continue  # a long chain of near neighbours: a centre of its own would not help
        inner = Points.of(points.source.index_select(0, rows), points.certified)
        inner_ends, inner_lengths = _distinct_tree(inner)
        ends.append(inner_ends + low)
        lengths.append(inner_lengths * points.scale)
        segments.append((low, high))
    return replace(seed, ends=torch.cat(ends), lengths=torch.cat(lengths), segments=segments)


def _sample_tree(points: Points, columns: torch.Tensor, sample: torch.Tensor) -> torch.Tensor:
    """A short spanning tree of the sample; any would be valid."""
    if len(sample) > DENSE:
        return _swept_tree(Points(points.source.index_select(0, sample), points.scale, False))[0]
    part = columns.index_select(0, sample)
    return dense_tree(rows_of(part) @ part.T)[0]
