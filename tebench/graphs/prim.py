"""Minimum spanning trees of dense weight matrices, exact in float64 (Prim's algorithm).

Zero weights are edges of length zero; nothing is read as "no edge", as sparse-graph routines do.
Prim, R. C. (1957), doi:10.1002/j.1538-7305.1957.tb01515.x
"""

from __future__ import annotations

import numpy as np
import torch

from tebench.errors import InputError
from tebench.graphs.checks import as_tensor, give_back, in_order


def tree_of_matrix(weights):
    """Minimum spanning tree of a complete graph with a dense weight matrix.

    weights: (V, V) symmetric, finite, any sign (zeros allowed; the diagonal is not read).
    Returns (edges (V-1, 2) int64 with i < j, lengths (V-1,) float64), sorted by length, i, j;
    numpy in, numpy out; torch in, torch out. V = 1 gives empty arrays. Cost V^2.

    >>> import numpy
    >>> edges, lengths = tree_of_matrix(numpy.array([[0.0, 0.0, 3.0], [0.0, 0.0, 2.0], [3.0, 2.0, 0.0]]))
    >>> edges.tolist(), lengths.tolist()
    ([[0, 1], [1, 2]], [0.0, 2.0])
    """
    matrix = as_tensor(weights, "weights", ndim=2, shape="(V, V)")
    _check_symmetric(matrix[None])
    edges, lengths = dense_tree(matrix)
    return give_back(weights, *in_order(edges, lengths))


def trees_of_matrices(weights, mask=None):
    """Minimum spanning trees of many dense weight matrices at once.

    weights: (P, V, V) symmetric, finite; mask: (P, V) boolean, True where a vertex exists (all by default).
    Returns (edges (P, V-1, 2) int64, lengths (P, V-1) float64). The edges of a tree come first, sorted by
    length, i, j; a graph of v < V vertices has v - 1 edges and then rows of edge (-1, -1), length 0.
    """
    tensor = as_tensor(weights, "weights", ndim=3, shape="(P, V, V)")
    _check_symmetric(tensor)
    mask = as_mask(mask, tensor.shape[:2], tensor.device)
    exact = tensor.double()
    edges, lengths = batched_trees(exact.clone(memory_format=torch.contiguous_format), mask)
    graph = torch.arange(len(exact), device=exact.device)[:, None]
    lengths = torch.where(torch.isinf(lengths), lengths, exact[graph, edges[..., 0], edges[..., 1]])
    return give_back(weights, *batch_in_order(edges, lengths))


def as_mask(mask, shape, device) -> torch.Tensor | None:
    """`mask` as a boolean tensor of `shape`, or None."""
    if mask is None:
        return None
    tensor = torch.as_tensor(mask, device=device)
    if tensor.dtype != torch.bool or tuple(tensor.shape) != tuple(shape):
        raise InputError(
            f"mask must be boolean of shape {tuple(shape)}, True where a vertex exists; "
            f"got {tensor.dtype} of shape {tuple(tensor.shape)}."
        )
    return tensor


def _check_symmetric(matrices: torch.Tensor) -> None:
    if matrices.shape[-1] != matrices.shape[-2]:
        raise InputError(f"weights must be square; got {tuple(matrices.shape[-2:])}.")
    for block in range(0, matrices.shape[-1], 256):
        rows = matrices[..., block : block + 256, :]
        difference = (rows - matrices[..., block : block + 256].transpose(-1, -2)).abs().max()
        # Matrix products leave the two halves equal up to rounding only.
        if difference > 1e-6 * rows.abs().max():
            raise InputError(f"weights must be symmetric; entries (i, j) and (j, i) differ by {float(difference):g}.")


def dense_tree(weights: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The core of `tree_of_matrix`: unordered edges, lengths; trusts its input."""
    if weights.device.type != "cpu":
        # One kernel launch for each vertex and operation would cost more than Boruvka's few rounds.
        from tebench.graphs.boruvka import forest_of_edges

        count = len(weights)
        pairs = torch.triu_indices(count, count, 1, device=weights.device).T
        lengths = weights[pairs[:, 0], pairs[:, 1]].double()
        chosen = forest_of_edges(pairs, lengths - lengths.min(), count).chosen
        return pairs[chosen], lengths[chosen]
    matrix = weights.numpy()
    count = len(matrix)
    best = matrix[0].astype(np.float64)
    parent = np.zeros(count, np.int64)
    closed = np.zeros(count)  # infinity at the vertices already in the tree
    candidate, nearer = np.empty(count), np.empty(count, bool)
    order, lengths = np.empty(count - 1, np.int64), np.empty(count - 1)
    closed[0] = best[0] = np.inf
    for step in range(count - 1):
        newest = int(best.argmin())
        order[step], lengths[step] = newest, best[newest]
        closed[newest] = best[newest] = np.inf
        np.add(matrix[newest], closed, out=candidate)
        np.less(candidate, best, out=nearer)
        np.minimum(candidate, best, out=best)
        np.putmask(parent, nearer, newest)
    return torch.from_numpy(np.stack([parent[order], order], 1)), torch.from_numpy(lengths)


def batched_trees(weights: torch.Tensor, mask: torch.Tensor | None) -> tuple[torch.Tensor, torch.Tensor]:
    """One Prim step for all graphs at once; float64 `weights` are overwritten.

    Returns unsorted edges (P, V-1, 2) and lengths (P, V-1), good to 2^-44 relative; -1 and infinity where a
    graph has too few vertices. The last bits of each weight are given to the number of its row, so that the
    least weight names its other end too; which of two weights equal to 44 bits is taken is settled by that.
    """
    graphs, count = weights.shape[:2]
    device = weights.device
    bits = max(count - 1, 1).bit_length()
    rows = weights.view(torch.int64).bitwise_and_(-1 << bits)
    rows |= torch.arange(count, device=device)[:, None]
    rows = weights.view(graphs * count, count)
    first_row = torch.arange(0, graphs * count, count, device=device)
    closed = torch.zeros(graphs, count, dtype=torch.float64, device=device).fill_(-torch.inf)
    newest = torch.zeros(graphs, dtype=torch.int64, device=device)
    if mask is not None:
        closed.masked_fill_(~mask, torch.inf)
        newest = mask.to(torch.int8).argmax(1)
    closed.scatter_(1, newest[:, None], torch.inf)  # infinity where in the tree, or absent
    best = torch.maximum(rows.index_select(0, first_row + newest), closed)
    row = torch.empty_like(best)
    order, packed = [newest[:0]], [best.new_empty(0)]
    for _ in range(count - 1):
        newest = _places_of_least(best)
        chosen = newest[:, None]
        order.append(newest)
        packed.append(best.gather(1, chosen).squeeze(1))
        closed.scatter_(1, chosen, torch.inf)
        torch.index_select(rows, 0, first_row + newest, out=row)
        torch.minimum(best, row, out=best)
        torch.maximum(best, closed, out=best)
    shape = (count - 1, graphs)
    order, packed = (torch.cat(part).view(shape).T.contiguous() for part in (order, packed))
    padded = torch.isinf(packed)
    packed = packed.view(torch.int64)
    edges = torch.stack([order, packed & ((1 << bits) - 1)], 2).masked_fill_(padded[..., None], -1)
    return edges, (packed & (-1 << bits)).view(torch.float64)


def batch_in_order(edges: torch.Tensor, lengths: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Each graph's edges as (i, j) with i < j, sorted by length, i, j, the missing ones last with length 0."""
    low, high = (function(edges[..., 0], edges[..., 1]) for function in (torch.minimum, torch.maximum))
    # Least significant key first.
    rank = torch.argsort(low * (edges.shape[1] + 1) + high, dim=1)
    rank = rank.gather(1, torch.argsort(lengths.gather(1, rank), dim=1, stable=True))
    lengths = lengths.gather(1, rank)
    edges = torch.stack([low.gather(1, rank), high.gather(1, rank)], 2)
    return edges, lengths.masked_fill_(torch.isinf(lengths), 0.0)


def _places_of_least(values: torch.Tensor) -> torch.Tensor:
    """argmin of each row."""
    if values.device.type == "cpu":  # several times faster in numpy
        return torch.from_numpy(values.numpy().argmin(1))
    return values.argmin(1)
