"""What the patch metrics share: patches in feature space, and the leakage of one patch; no metric lives here."""

from __future__ import annotations

import numpy as np

from tebench.metrics.topology.labelled_tree import group_rows

_CHUNK = 1 << 23  # feature values gathered at once: 64 MiB of float64


def feature_patches(features: np.ndarray, cases: np.ndarray, anchors: np.ndarray, size: int) -> np.ndarray:
    """(P, size) row indices: each anchor, then the size - 1 rows of its own case nearest in features; -1 pads.

    Rows at exactly equal distance enter in row order.
    """
    table = np.full((len(anchors), size), -1, dtype=np.int64)
    table[:, 0] = anchors
    for case in np.unique(cases[anchors]):
        rows = np.flatnonzero(cases == case)
        own = np.flatnonzero(cases[anchors] == case)
        group, first = group_rows(features[rows])
        points = features[rows[first]]
        points = points - points.mean(axis=0)
        squares = np.einsum("ij,ij->i", points, points)
        position = np.searchsorted(rows, anchors[own])
        centres = group[position]
        distances = squares[None, :] - 2.0 * (points[centres] @ points.T) + squares[centres, None]
        distances[np.arange(len(own)), centres] = 0.0
        distances = distances[:, group]
        distances[np.arange(len(own)), position] = np.inf
        nearest = np.argsort(distances, axis=1, kind="stable")[:, : min(size, len(rows)) - 1]
        table[own, 1 : 1 + nearest.shape[1]] = rows[nearest]
    return table


def mixed(labels: np.ndarray, table: np.ndarray) -> np.ndarray:
    """(P,) True where the rows of a patch have more than one label."""
    own = labels[np.maximum(table, 0)]
    return ((own != own[:, :1]) & (table >= 0)).any(axis=1)


def leakages(features: np.ndarray, labels: np.ndarray, table: np.ndarray, *, drop_anchor: bool = False) -> np.ndarray:
    """(P,) share of the |V| - 1 edges of each patch's minimum spanning tree that join different labels.

    table: (P, V) row indices, -1 pads.   drop_anchor: leave out the edges at the first vertex, and the ties
    of identical rows as they come, as the released code does. Otherwise identical rows of a patch count by
    their mean over all minimum spanning trees (see `labelled_tree`).
    """
    from tebench.graphs import small_trees

    step = max(1, _CHUNK // (table.shape[1] * features.shape[1]))
    parts = []
    for start in range(0, len(table), step):
        rows = table[start : start + step]
        present = rows >= 0
        rows = np.maximum(rows, 0)
        edges, _ = small_trees(features[rows], present)
        real = edges[..., 0] >= 0
        ends = np.maximum(edges, 0)
        patch = np.arange(len(rows))[:, None]
        if drop_anchor:
            own = labels[rows]
            cross = (own[patch, ends[..., 0]] != own[patch, ends[..., 1]]) & (ends > 0).all(axis=2)
        else:
            cross = _tie_mean(features, labels[rows], rows, present)[patch, ends[..., 0], ends[..., 1]]
        parts.append((cross * real).sum(axis=1) / (present.sum(axis=1) - 1))
    return np.concatenate(parts)


def _tie_mean(features, own, rows, present) -> np.ndarray:
    """(P, V, V): the chance that an edge between the vertices' groups of identical rows joins different labels."""
    used, back = np.unique(rows, return_inverse=True)
    group = group_rows(features[used])[0][back.reshape(rows.shape)]
    same_row = (group[:, :, None] == group[:, None, :]) & present[:, None, :]
    one_hot = (own[:, :, None] == np.unique(own)) & present[:, :, None]
    counts = same_row.astype(np.float64) @ one_hot.astype(np.float64)
    size = np.maximum(counts.sum(axis=2), 1.0)
    shares = counts / size[:, :, None]
    between = 1.0 - shares @ shares.transpose(0, 2, 1)
    # Inside a group the two ends are drawn without replacement.
    inside = between * (size / np.maximum(size - 1.0, 1.0))[:, :, None]
    return np.where(same_row, inside, between)
