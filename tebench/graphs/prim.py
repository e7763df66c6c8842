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
    return give_back(weights, *batched_trees(tensor.double(), as_mask(mask, tensor.shape[:2], tensor.device)))


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
    """The core of `trees_of_matrices`: one Prim step for all graphs at once; trusts its input (float64)."""
    graphs, count = weights.shape[:2]
    rows = torch.arange(graphs, device=weights.device)
    closed = torch.zeros(graphs, count, dtype=torch.float64, device=weights.device)
    newest = torch.zeros(graphs, dtype=torch.int64, device=weights.device)
    if mask is not None:
        closed.masked_fill_(~mask, torch.inf)
        newest = mask.to(torch.int8).argmax(1)
    closed[rows, newest] = torch.inf
    best = weights[rows, newest] + closed
    parent = newest[:, None].repeat(1, count)
    order = torch.empty(graphs, max(count - 1, 0), dtype=torch.int64, device=weights.device)
    lengths = torch.empty(graphs, max(count - 1, 0), dtype=torch.float64, device=weights.device)
    for step in range(count - 1):
        least, newest = best.min(1)
        order[:, step], lengths[:, step] = newest, least
        closed[rows, newest] = torch.inf
        best[rows, newest] = torch.inf
        candidate = weights[rows, newest].add_(closed)
        parent = torch.where(candidate < best, newest[:, None], parent)
        torch.minimum(best, candidate, out=best)
    other = parent.gather(1, order)
    low, high = torch.minimum(order, other), torch.maximum(order, other)
    # Least significant key first; a graph that ran out of vertices has infinite lengths, which go last.
    rank = torch.argsort(low * count + high, dim=1)
    rank = rank.gather(1, torch.argsort(lengths.gather(1, rank), dim=1, stable=True))
    lengths = lengths.gather(1, rank)
    padded = torch.isinf(lengths)
    edges = torch.stack([low.gather(1, rank), high.gather(1, rank)], 2).masked_fill_(padded[..., None], -1)
    return edges, lengths.masked_fill_(padded, 0.0)
