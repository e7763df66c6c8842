"""H1 of the cross-barcode of two weighted graphs, exactly, by persistent cohomology; no metric lives here."""

from __future__ import annotations

import numpy as np


def cross_barcode(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """(B, 2) births and deaths of the H1 bars of positive length of the graph [[0, w+^T], [w+, min(w, w~)]].

    first, second: w and w~, (N, N) symmetric, not negative, zero diagonal.

    The zero block makes N of the 2 N vertices one point from the start, and each copy of a vertex hangs on it
    by an edge of weight zero. Collapsing that leaves the mapping cone of the inclusion of the Vietoris-Rips
    complex of w into that of m = min(w, w~), with one vertex and the cells
    - an edge e, a loop, born at m(e);
    - a triangle, born at the largest m of its sides;
    - a disc on e, born at w(e).
    So N (N - 1) / 2 loops are each killed by triangles or, at w(e) at the latest, by their own disc.

    Persistent cohomology as in Ripser (Bauer 2021, arXiv:1908.02518): loops youngest first; the pivot of a
    loop's coboundary is its oldest cell. Two shortcuts leave few columns to reduce: a loop with
    w(e) <= w~(e) dies at birth in its disc, and a loop that is the strictly longest side of a triangle dies
    at birth in it (an apparent pair). What remains are edges that are not the longest side of any triangle.
    """
    count = len(first)
    rows, columns = np.triu_indices(count, 1)
    births, deaths = np.minimum(first, second)[rows, columns], first[rows, columns]
    order = np.argsort(births, kind="stable")
    rows, columns, births, deaths = rows[order], columns[order], births[order], deaths[order]
    edges = len(order)
    rank = np.full((count, count), -1, dtype=np.int64)
    rank[rows, columns] = rank[columns, rows] = np.arange(edges)

    # A cell's key sorts cells by birth: (rank of the last edge it needs) * stride + slot. Triangles take the
    # slot of the vertex opposite to that edge, discs the slots behind.
    stride = count + edges
    disc = (np.searchsorted(births, deaths, side="right") - 1) * stride
    disc += count
    by_death = np.argsort(deaths, kind="stable")
    disc[by_death] += np.arange(edges)
    apparent = _apparent(rank, rows, columns)
    new = births < deaths

    def coboundary(edge: int) -> np.ndarray:
        i, j = rows[edge], columns[edge]
        to_i, to_j = rank[i], rank[j]
        last = np.maximum(np.maximum(to_i, to_j), edge)
        opposite = np.where(last == edge, vertices, np.where(last == to_i, j, i))
        keys = last * stride + opposite
        keys[i] = disc[edge]
        keys = np.delete(keys, j)
        keys.sort()
        return keys

    vertices = np.arange(count)
    reduced: dict[int, np.ndarray] = {}
    bars = []
    for edge in np.flatnonzero(new & (apparent < 0))[::-1]:
        column = coboundary(edge)
        while True:
            pivot = int(column[0])
            last, slot = divmod(pivot, stride)
            if slot < count and new[last] and apparent[last] == slot:
                other = coboundary(last)
            elif pivot in reduced:
                other = reduced[pivot]
            else:
                break
            column = _add(column, other)
        reduced[pivot] = column
        bars.append((births[edge], births[last] if slot < count else deaths[by_death[slot - count]]))
    bars = np.array(bars).reshape(-1, 2)
    return bars[bars[:, 1] > bars[:, 0]]


def _apparent(rank: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """(E,) the first vertex that makes each edge the longest side of a triangle, -1 if none."""
    found = np.full(len(rows), -1, dtype=np.int64)
    for i in range(len(rank) - 1):
        longest = np.maximum(rank[i][None, :], rank[i + 1 :])  # (j, k)
        own = rank[i, i + 1 :]
        inside = longest < own[:, None]
        inside[:, i] = False
        inside[np.arange(len(own)), np.arange(i + 1, len(rank))] = False
        first = inside.argmax(axis=1)
        found[own] = np.where(inside[np.arange(len(own)), first], first, -1)
    return found


def _add(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Sum over Z/2 of two sorted columns."""
    both = np.concatenate([one, other])
    both.sort(kind="stable")
    equal = both[1:] == both[:-1]
    keep = np.ones(len(both), dtype=bool)
    keep[1:] &= ~equal
    keep[:-1] &= ~equal
    return both[keep]
