"""What the tree metrics share: labels on a Euclidean minimum spanning tree, and what chance would give.

Ties. Voxels that fall into one feature cell have identical features, so the minimum spanning tree is not
unique and the labels at its ends depend on the order of rows. Here identical rows are one vertex that
carries its label counts, and a statistic of edge labels is its mean over all minimum spanning trees, every
one equally likely [choice]. Without ties this is the plain statistic.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tebench.metrics.topology.shared import shared


@dataclass(frozen=True)
class LabelledTree:
    """Minimum spanning tree of N labelled rows, M of them distinct.

    edges: (M - 1, 2) indices of distinct rows.   lengths: (M - 1,), positive.
    cross: (M - 1,) probability that an edge joins different labels: 0 or 1 without ties.
    zero_edges: N - M, edges of length 0 inside groups of identical rows.   zero_cross: how many of them join
    different labels, on average.   counts: (M, C) rows of each label at each distinct row.
    """

    edges: np.ndarray
    lengths: np.ndarray
    cross: np.ndarray
    zero_edges: int
    zero_cross: float
    counts: np.ndarray


@shared
def labelled_tree(features: np.ndarray, labels: np.ndarray) -> LabelledTree:
    """The exact tree of features (N, D) with labels (N,) in 0..C-1."""
    from tebench.graphs import emst

    group, first = group_rows(features)
    counts = np.zeros((len(first), int(labels.max()) + 1))
    np.add.at(counts, (group, labels), 1)
    if len(first) > 1:
        edges, lengths = emst(features[first])
    else:
        edges, lengths = np.empty((0, 2), dtype=np.int64), np.empty(0)
    size = counts.sum(axis=1)
    shares = counts / size[:, None]
    cross = 1.0 - np.einsum("ec,ec->e", shares[edges[:, 0]], shares[edges[:, 1]])
    # In a group of n identical rows every one of the n (n - 1) / 2 pairs is equally often one of n - 1 edges.
    zero_cross = float(((size**2 - (counts**2).sum(axis=1)) / size).sum())
    return LabelledTree(edges, lengths, cross, len(features) - len(first), zero_cross, counts)


def group_rows(features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(group (N,), first (M,)): which distinct row each row is, and one row index of each distinct row.

    Distinct rows are numbered by content, not by position, so nothing downstream depends on row order.
    """
    rows = np.ascontiguousarray(features + 0.0)  # -0.0 and 0.0 are the same value but not the same bytes
    keys = rows.view(np.dtype((np.void, rows.dtype.itemsize * rows.shape[1]))).ravel()
    _, first, group = np.unique(keys, return_index=True, return_inverse=True)
    return group.ravel(), first


def class_bridges(tree: LabelledTree) -> np.ndarray:
    """(C - 1,) lengths of the minimum spanning tree of the classes; class distance = that of the nearest two rows.

    Making every within-class weight zero contracts each class to a point, and contraction keeps the
    minimum spanning tree inside the old one (cycle property). So Kruskal over the old edges gives it.
    """
    home = list(range(tree.counts.shape[1]))

    def root(c: int) -> int:
        while home[c] != c:
            c = home[c]
        return c

    def join(a: int, b: int) -> bool:
        a, b = root(a), root(b)
        home[a] = b
        return a != b

    labels = [np.flatnonzero(row) for row in tree.counts]
    bridges = []
    for present in labels:
        bridges += [0.0 for c in present[1:] if join(int(present[0]), int(c))]
    for edge in np.argsort(tree.lengths, kind="stable"):
        if len(bridges) == len(home) - 1:
            break
        i, j = tree.edges[edge]
        if join(int(labels[i][0]), int(labels[j][0])):
            bridges.append(float(tree.lengths[edge]))
    return np.array(bridges)


def chance_of_cross(sizes: np.ndarray) -> float:
    """q = 1 - sum_c n_c (n_c - 1) / (N (N - 1)): the chance that two different rows have different labels.

    Under a uniformly random permutation of the labels each tree edge joins different labels with
    probability q, so a sum of edge weights over cross-class edges has mean q times the total weight: exact
    for every weight that does not depend on the labels.
    """
    sizes = np.asarray(sizes, dtype=np.float64)
    total = sizes.sum()
    return float(1.0 - (sizes * (sizes - 1)).sum() / (total * (total - 1)))


def permutation_moments(edges: np.ndarray, weights: np.ndarray, sizes: np.ndarray) -> tuple[float, float]:
    """Mean and variance of T = sum of w_e over cross-class edges e, under label permutation, in closed form.

    Friedman and Rafsky (1979, doi:10.1214/aos/1176344722) give both for w = 1 and two classes; the same three
    cases serve any weights and classes. With q, a and d the chance that one edge, two edges with a common end
    and two edges without are cross-class (ends drawn without replacement), S = sum w, Q = sum w^2 and
    A = sum_v (sum of w at v)^2 - 2 Q (ordered pairs of edges with a common end):

        mean = q S,    variance = q Q + a A + d (S^2 - Q - A) - q^2 S^2.

    edges: (E, 2), a forest of rows without ties.   weights: (E,).   sizes: (C,) rows of each class.
    So (T - mean) / sqrt(variance) is a z-score.
    """
    sizes = np.asarray(sizes, dtype=np.float64)
    weights = np.asarray(weights, dtype=np.float64)
    n = sizes.sum()
    q = chance_of_cross(sizes)
    total, squares = weights.sum(), (weights**2).sum()
    at_vertex = np.bincount(np.ravel(edges), weights=np.repeat(weights, 2), minlength=1)
    adjacent = (at_vertex**2).sum() - 2 * squares
    others = n - sizes
    a = (sizes * others * (others - 1)).sum() / (n * (n - 1) * (n - 2)) if n > 2 else 0.0
    pairs = sizes * (sizes - 1)
    both_same = pairs.sum() ** 2 - (pairs**2).sum() + (pairs * (sizes - 2) * (sizes - 3)).sum()
    d = 2 * q - 1 + both_same / (n * (n - 1) * (n - 2) * (n - 3)) if n > 3 else 0.0
    mean = q * total
    return float(mean), float(q * squares + a * adjacent + d * (total**2 - squares - adjacent) - mean**2)


def at_most(labels: np.ndarray, most: int | None, seed: int) -> np.ndarray:
    """Row indices, in order, with at most `most` rows of each class, drawn by position from `seed` alone.

    The features have no say, so every encoder of a pool keeps the same voxels. (A draw that follows the
    features, which could be made independent of row order, was tried: two encoders' tree lengths then differ
    with 1.2 to 1.7 times the spread.)
    """
    if most is None:
        return np.arange(len(labels))
    rng = np.random.default_rng(seed)
    chosen = []
    for c in np.unique(labels):
        rows = np.flatnonzero(labels == c)
        chosen.append(rng.choice(rows, most, replace=False) if len(rows) > most else rows)
    return np.sort(np.concatenate(chosen))
