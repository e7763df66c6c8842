"""Total length of the cross-barcode's H1 bars where one of the two graphs is a labelling; no metric lives here.

With distances 0 inside a class and L between classes the complexes of `cross_barcode` are simple enough for
trees and a small elimination, N^2 instead of the general algorithm's N^3 and more.
"""

from __future__ import annotations

import numpy as np


def features_first(distances: np.ndarray, labels: np.ndarray, between: float) -> float:
    """Total bar length for w = distances (N, N), w~ = label distances, L = `between`.

    Before L: every class is one simplex of min(w, w~) from the start, so loops inside a class are told apart
    only by the components they join; two rows of a class become one at w(a, a') (disc) or at
    max(w(a, b), w(a', b)) for a row b of another class (two sides die, so the third does). That is single
    linkage inside each class, cut at L. From L on min(w, w~) is one simplex, and what is left is the
    single linkage of w above L. A row b joins the rows of a class within reach of it, which is a star from the
    nearest of them.
    """
    from tebench.graphs import tree_of_matrix

    total = np.maximum(tree_of_matrix(distances)[1] - between, 0.0).sum()
    for c in np.unique(labels):
        own, others = np.flatnonzero(labels == c), np.flatnonzero(labels != c)
        if len(own) < 2:
            continue
        inside, across = distances[np.ix_(own, own)], distances[np.ix_(own, others)]
        np.minimum.at(inside, across.argmin(axis=0), across.T)
        inside = np.minimum(inside, inside.T)
        total += np.minimum(tree_of_matrix(inside)[1], between).sum()
    return float(total)


def labels_first(distances: np.ndarray, labels: np.ndarray, between: float) -> float:
    """Total bar length for w = label distances, L = `between`, w~ = distances (N, N).

    Loops inside a class die at once, a cross-class edge is a loop from w~(e) to L at most. Two edges of one
    pair of classes with a common end are the same loop (the third side of their triangle is dead), so the
    loops of a class pair are the components of its bipartite graph, and a triangle over three classes is one
    linear relation of three components. Loops by union-find, relations by elimination over Z/2: the youngest
    loop of a new relation dies (elder rule).
    """
    count, n_classes = len(distances), int(labels.max()) + 1
    rows, columns = np.triu_indices(count, 1)
    times = distances[rows, columns]
    alive = (labels[rows] != labels[columns]) & (times < between)
    order = np.flatnonzero(alive)[np.argsort(times[alive], kind="stable")]

    home = list(range(count * n_classes))  # node (row, class): the row, in its bipartite graph with that class
    loop = [-1] * (count * n_classes)  # at a root: the loop of its component, numbered by birth
    linked = [0] * count  # bit set of the rows across a class that are linked to each row so far
    members = [sum(1 << int(i) for i in np.flatnonzero(labels == c)) for c in range(n_classes)]
    label = labels.tolist()
    births: list[float] = []
    relations: dict[int, int] = {}  # by the youngest loop in them
    total = 0.0

    def root(node: int) -> int:
        while home[node] != node:
            home[node] = home[home[node]]
            node = home[node]
        return node

    def relate(relation: int, time: float) -> float:
        """Length of the bar that this relation ends, 0 if it follows from those before it."""
        while relation:
            youngest = relation.bit_length() - 1
            if youngest not in relations:
                relations[youngest] = relation
                return time - births[youngest]
            relation ^= relations[youngest]
        return 0.0

    for i, j, time in zip(rows[order].tolist(), columns[order].tolist(), times[order].tolist(), strict=True):
        a, b = root(i * n_classes + label[j]), root(j * n_classes + label[i])
        if a != b:
            one, other = loop[a], loop[b]
            if one < 0 and other < 0:
                one = len(births)
                births.append(time)
            elif one >= 0 and other >= 0:
                total += relate(1 << one ^ 1 << other, time)
                one = min(one, other)
            else:
                one = max(one, other)
            home[b] = a
            loop[a] = one
        common = linked[i] & linked[j]
        if common:
            for c in range(n_classes):
                if common & members[c]:
                    sides = (loop[a], loop[root(i * n_classes + c)], loop[root(j * n_classes + c)])
                    total += relate(1 << sides[0] ^ 1 << sides[1] ^ 1 << sides[2], time)
        linked[i] |= 1 << j
        linked[j] |= 1 << i
    return total + sum(float(between) - birth for g, birth in enumerate(births) if g not in relations)
