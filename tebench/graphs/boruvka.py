"""Minimum spanning forests of edge lists by Boruvka's rounds, in whole-array operations.

Each round gives every component its least outgoing edge under one strict order (length, then place in the
list) and joins along them, so ties and zero lengths make no cycle. About log2(V) rounds.
Nesetril, Milkova, Nesetrilova (2001), doi:10.1016/S0012-365X(00)00224-7
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from tebench.base.errors import InputError
from tebench.graphs.checks import as_tensor, give_back, in_order, true_places

_NONE = torch.iinfo(torch.int64).max


@dataclass(frozen=True)
class Forest:
    """A spanning forest: `chosen` rows of the edge list, and how its rounds merged the components.

    joins[r] maps the components before round r to those after it; costs[r] is the length of the edge that
    each component chose in round r.
    """

    chosen: torch.Tensor
    joins: list[torch.Tensor]
    costs: list[torch.Tensor]

    def path_maximum(self, ends: torch.Tensor) -> torch.Tensor:
        """Longest edge on the tree path between the two vertices of each row of `ends` (K, 2).

        A path leaves a component only through edges that are at least as long as those inside it and through
        the ones chosen on the way up (King 1997, doi:10.1007/BF02526037), so climbing the rounds until the
        ends meet finds the maximum. Infinite between different trees.
        """
        first, second = ends.unbind(1)
        dtype = self.costs[0].dtype if self.costs else None
        longest = torch.zeros(len(first), dtype=dtype, device=first.device)
        for join, cost in zip(self.joins, self.costs, strict=True):
            apart = first != second
            climbed = torch.maximum(cost.take(first), cost.take(second))
            longest = torch.where(apart, torch.maximum(longest, climbed), longest)
            first, second = join.take(first), join.take(second)
        return longest


def forest_of_edges(ends: torch.Tensor, lengths: torch.Tensor, count: int) -> Forest:
    """Minimum spanning forest of `count` vertices and edges `ends` (K, 2) with non-negative `lengths` (K,)."""
    place = torch.arange(len(ends), device=ends.device)
    if lengths.dtype == torch.float32:
        # The bits of non-negative float32 numbers sort as integers: length and place fit in one int64 key.
        key, listed = (lengths.view(torch.int32).long() << 32) | place, None
    else:
        listed = torch.argsort(lengths, stable=True)
        key, ends = place, ends[listed]
    first, second = ends.unbind(1)
    chosen, joins, costs = [], [], []
    while True:
        apart = true_places(first != second)
        if not len(apart):
            break
        first, second, key = (part.take(apart) for part in (first, second, key))
        least = torch.full((count,), _NONE, dtype=torch.int64, device=ends.device)
        least.scatter_reduce_(0, first, key, "amin").scatter_reduce_(0, second, key, "amin")
        itself = torch.arange(count, device=ends.device)
        target = itself.clone()
        mine = true_places(least.take(first) == key)
        target[first.take(mine)] = second.take(mine)
        mine = true_places(least.take(second) == key)
        target[second.take(mine)] = first.take(mine)
        # Two components that chose the same edge point at each other: the smaller is the root.
        target = torch.where((target.take(target) == itself) & (itself < target), itself, target)
        used = least[(target != itself)]
        chosen.append(used)
        active = least != _NONE
        row = torch.where(active, least, 0) & 0xFFFFFFFF if listed is None else torch.where(active, least, 0)
        place_of = row if listed is None else listed[row]
        costs.append(torch.where(active, lengths[place_of], torch.inf))
        for _ in range(max(count - 1, 1).bit_length()):
            target = target.take(target)
        root = target == itself
        join = (torch.cumsum(root, 0) - 1)[target]
        joins.append(join)
        first, second, count = join.take(first), join.take(second), int(root.sum())
    rows = torch.cat(chosen) if chosen else place[:0]
    rows = rows & 0xFFFFFFFF if listed is None else listed[rows]
    return Forest(rows, joins, costs)


def tree_of_edges(edges, lengths, count: int):
    """Minimum spanning tree of a connected graph given as a list of edges.

    Parameters
    ----------
    edges : array_like or torch.Tensor of int, shape (K, 2)
        Vertices in 0..count-1 (repeated edges and loops allowed).
    lengths : array_like or torch.Tensor, shape (K,)
        Finite, >= 0.
    count : int
        Number of vertices, >= 1.

    Returns
    -------
    edges : numpy.ndarray or torch.Tensor, shape (count - 1, 2), int64
        Vertices i < j, sorted by length, i, j.
    lengths : numpy.ndarray or torch.Tensor, shape (count - 1,), float64
        Of the chosen edges. numpy in, numpy out; torch in, torch out.

    Raises
    ------
    InputError
        Where the edges leave the graph in pieces, or are not as described.
    """
    if count < 1:
        raise InputError(f"count must be at least 1; got {count}.")
    ends = torch.as_tensor(edges)
    if ends.ndim != 2 or ends.shape[1] != 2 or ends.is_floating_point():
        raise InputError(f"edges must be integers of shape (K, 2); got {ends.dtype} of shape {tuple(ends.shape)}.")
    if len(ends) == 0 and count == 1:
        return give_back(edges, ends.long(), torch.zeros(0, dtype=torch.float64, device=ends.device))
    weights = as_tensor(lengths, "lengths", ndim=1, shape="(K,)").double()
    if len(weights) != len(ends) or int(ends.min()) < 0 or int(ends.max()) >= count or float(weights.min()) < 0:
        raise InputError("edges must name vertices in 0..count-1, each with one length >= 0.")
    chosen = forest_of_edges(ends.long(), weights, count).chosen
    if len(chosen) != count - 1:
        raise InputError(f"the edges connect {count} vertices into {count - len(chosen)} pieces; a tree needs one.")
    return give_back(edges, *in_order(ends.long()[chosen], weights[chosen]))
