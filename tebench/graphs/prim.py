"""Minimum spanning trees of dense weight matrices, exact in float64 (Prim's algorithm).

Zero weights are edges of length zero; nothing is read as "no edge", as sparse-graph routines do.
Prim, R. C. (1957), doi:10.1002/j.1538-7305.1957.tb01515.x
"""

from __future__ import annotations

import numpy as np
import torch

from tebench.base.errors import InputError
from tebench.graphs.checks import as_tensor, give_back, in_order, on_cpu


def tree_of_matrix(weights):
    """Minimum spanning tree of a complete graph with a dense weight matrix.

    Parameters
    ----------
    weights : array_like or torch.Tensor, shape (V, V)
        Symmetric, finite, any sign (zeros allowed; the diagonal is not read).

    Returns
    -------
    edges : numpy.ndarray or torch.Tensor, shape (V - 1, 2), int64
        Vertices i < j, sorted by length, i, j.
    lengths : numpy.ndarray or torch.Tensor, shape (V - 1,), float64
        The weights of the edges; empty for V = 1. numpy in, numpy out; torch in, torch out.

    Raises
    ------
    InputError
        For a matrix that is not as described.

    Notes
    -----
    Cost V^2.

    Examples
    --------
    >>> import numpy
    >>> edges, lengths = tree_of_matrix(numpy.array([[0.0, 0.0, 3.0], [0.0, 0.0, 2.0], [3.0, 2.0, 0.0]]))
    >>> edges.tolist(), lengths.tolist()
    ([[0, 1], [1, 2]], [0.0, 2.0])
    """
    matrix = as_tensor(weights, "weights", ndim=2, shape="(V, V)")
    _check_symmetric(matrix)
    edges, lengths = dense_tree(matrix)
    return give_back(weights, *in_order(edges, lengths))


def _check_symmetric(matrix: torch.Tensor) -> None:
    if len(matrix) != len(matrix.T):
        raise InputError(f"weights must be square; got {tuple(matrix.shape)}.")
    for block in range(0, len(matrix), 256):
        rows = matrix[block : block + 256]
        difference = (rows - matrix[:, block : block + 256].T).abs().max()
        # Matrix products leave the two halves equal up to rounding only.
        if difference > 1e-6 * rows.abs().max():
            raise InputError(f"weights must be symmetric; entries (i, j) and (j, i) differ by {float(difference):g}.")


def dense_tree(weights: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The core of `tree_of_matrix`: unordered edges, lengths; trusts its input."""
    if not on_cpu(weights.device):
        # One kernel launch for each vertex and operation would cost more than Boruvka's few rounds.
        from tebench.graphs.boruvka import forest_of_edges

        count = len(weights)
        pairs = torch.triu_indices(count, count, 1, device=weights.device).T
        found = weights[pairs[:, 0], pairs[:, 1]].double()
        chosen = forest_of_edges(pairs, found - found.min(), count).chosen
        return pairs[chosen], found[chosen]
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


def pack(weights: torch.Tensor) -> None:
    """Overwrite float64 `weights` (P, V, V) >= 0 by keys for `batched_trees`: the last bits name the row.

    The bits of non-negative numbers sort as integers; the least key then says its weight and its other end.
    """
    count = weights.shape[1]
    keys = weights.view(torch.int64).bitwise_and_(-1 << _bits(count))
    keys.bitwise_or_(torch.arange(count, device=weights.device)[:, None])


def _bits(count: int) -> int:
    return max(count - 1, 1).bit_length()


def batched_trees(packed: torch.Tensor, mask: torch.Tensor | None) -> tuple[torch.Tensor, torch.Tensor]:
    """One Prim step for all graphs at once; packed (P, V, V): see `pack`; mask (P, V): which vertices exist.

    Returns unsorted edges (P, V-1, 2) and weights (P, V-1), good to 2^-44 relative; -1 and infinity where a graph
    has too few vertices. Which of two weights equal to 44 bits is taken is settled by the number of their rows.
    """
    graphs, count = packed.shape[:2]
    device = packed.device
    rows = packed.view(torch.int64).view(graphs * count, count)
    first_row = torch.arange(0, graphs * count, count, device=device)
    # best[p, v]: the least key from the tree to v; -1, which no minimum undoes, where v is in the tree or absent.
    newest = torch.zeros_like(first_row) if mask is None else mask.to(torch.int8).argmax(1)
    place = first_row + newest
    best = rows.index_select(0, place)
    best.view(-1).index_fill_(0, place, -1)
    if mask is not None:
        best.masked_fill_(~mask, -1)
    order, keys = (torch.empty(count - 1, graphs, dtype=torch.int64, device=device) for _ in range(2))
    (_grow_by_numpy if on_cpu(device) else _grow)(rows, first_row, best, order, keys)
    order, keys = order.T.contiguous(), keys.T.contiguous()
    missing = keys < 0
    low = (1 << _bits(count)) - 1
    edges = torch.stack([order, keys & low], 2).masked_fill_(missing[..., None], -1)
    return edges, (keys & ~low).view(torch.float64).masked_fill_(missing, torch.inf)


def _grow(rows, first_row, best, order, keys) -> None:
    """Prim's steps on `best` (P, V): fills order and keys (V-1, P) with each step's vertices and least keys."""
    row = torch.empty_like(best)
    for newest, key in zip(order, keys, strict=True):
        torch.argmin(best.masked_fill(best < 0, torch.iinfo(torch.int64).max), 1, out=newest)
        place = first_row + newest
        torch.take(best, place, out=key)
        best.view(-1).index_fill_(0, place, -1)
        torch.index_select(rows, 0, place, out=row)
        torch.minimum(best, row, out=best)


def _grow_by_numpy(*tensors: torch.Tensor) -> None:
    """`_grow` on the CPU, where starting an operation of numpy costs a third: the steps are many and small."""
    rows, first_row, best, order, keys = (tensor.numpy() for tensor in tensors)
    row, place, flat = np.empty_like(best), np.empty_like(first_row), best.reshape(-1)
    unsigned = best.view(np.uint64)  # in which -1 is the largest number
    for newest, key in zip(order, keys, strict=True):
        np.argmin(unsigned, 1, out=newest)
        np.add(first_row, newest, out=place)
        flat.take(place, out=key, mode="clip")  # "clip": without a copy of `out`, which "raise" makes
        flat[place] = -1
        rows.take(place, 0, out=row, mode="clip")
        np.minimum(best, row, out=best)
