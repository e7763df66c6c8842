"""PARC: pairwise annotation representation comparison."""

from __future__ import annotations

from typing import Annotated

import numpy as np

from tebench.metrics.moments import check, check_finite
from tebench.metrics.parameters import Interval
from tebench.metrics.registry import metric
from tebench.metrics.topology.labelled_tree import group_rows

AT_ONCE = 2**17  # sorted pairs summed together
ROWS = 64  # of one tile of pairs: it stays in the processor's cache
RESOLUTION = 1e12  # correlations closer than 1e-12 are ties, not rounding
FLAT = 1e-12  # rows that vary less than this share of the most varying one are constant, up to rounding


@metric(
    name="parc",
    title="PARC",
    paper="arXiv 2111.06977",
    direction="up",
    range=(-100.0, 100.0),
    reads="matrix",
    cost="quadratic",
    invariances=("scale", "shift"),
    disagreements=(
        "dbolya/parc ranks label distances of 0 and 2e-16 as different: 67.89 where 70.03 is right with 3 classes "
        "(equal with 2: 26.0537)",
    ),
)
def parc(
    features,
    labels,
    *,
    standardize: bool = True,
    max_points: Annotated[int, Interval(3)] = 5000,
    seed: int = 0,
) -> float:
    """Spearman correlation, times 100, between feature and label dissimilarities over all pairs of samples.

    Feature dissimilarity: 1 - Pearson correlation of two rows; label dissimilarity: the same of one-hot labels,
    which takes one value for equal and one for different labels [paper]. Ties have their mean rank; feature
    dissimilarities that agree to 1e-12 are ties. A row without variation correlates 0 with every other [choice].
    The authors may reduce the features to 32 principal components before that [released]; not done here.

    features: (N, D).   labels: (N,).
    standardize: bring every column to mean 0 and variance 1 first [released].
    max_points: above that many rows a random draw of that size is used: pairs cost N^2 [choice]; the draw
    depends on the rows and the seed, not on their order.   Range [-100, 100]; higher is better.
    Source: Bolya, Mittapalli, Hoffman, NeurIPS 2021, arXiv 2111.06977.
    """
    features, _, codes = check(features, labels)
    check_finite(features)
    rows = _draw(features, max_points, seed)
    block, codes = np.asarray(features[rows], dtype=np.float64), codes[rows]
    block = block[:, (block != block[0]).any(axis=0)]
    if standardize and block.shape[1]:
        block = (block - block.mean(axis=0)) / block.std(axis=0)
    block = block - block.mean(axis=1, keepdims=True) if block.shape[1] else np.zeros((len(rows), 1))
    norms = np.linalg.norm(block, axis=1, keepdims=True)
    flat = norms <= FLAT * norms.max()
    block = np.where(flat, 0.0, block / np.where(flat, 1.0, norms))
    group, first = group_rows(np.column_stack([block, codes]))
    if 2 * len(first) > len(rows):
        return 100 * _rank_correlation(np.sort(_keys(block, codes, 1)))
    # voxels inside one feature cell are one row, as often as they are there
    times = np.bincount(group)
    keys, weights = _keys(block[first], codes[first], 0), np.outer(times, times)
    weights[np.diag_indices(len(times))] = times * (times - 1) // 2
    order = keys.argsort(kind="stable")
    return 100 * _rank_correlation(keys[order], weights[np.triu_indices(len(times))][order])


def _keys(rows, codes, diagonal) -> np.ndarray:
    """One integer a pair, the dissimilarity above and the label bit below, so that one plain sort does.

    Pairs (i, j) with j >= i + diagonal, in the order of `numpy.triu_indices`.
    """
    n, filled = len(rows), 0
    keys = np.empty(n * (n - 1) // 2 if diagonal else n * (n + 1) // 2, dtype=np.int64)
    for start in range(0, n, ROWS):
        own = slice(start, start + ROWS)
        tile = rows[own] @ rows[start:].T
        tile *= -RESOLUTION
        tile = np.rint(tile, out=tile).astype(np.int64)
        tile *= 2
        tile += codes[own, None] != codes[start:]
        for i, row in enumerate(tile):
            part = row[i + diagonal :]
            keys[filled : filled + len(part)] = part
            filled += len(part)
    return keys


def _draw(features, size, seed):
    """Rows of the sample: all, or `size` drawn after sorting by a fixed projection."""
    n, d = features.shape
    if n <= size:
        return np.arange(n)
    axis = np.random.default_rng(d).standard_normal(d)
    order = np.argsort(features.astype(np.float64) @ axis, kind="stable")
    return np.sort(order[np.random.default_rng(seed).choice(n, size, replace=False)])


def _rank_correlation(keys, times=None) -> float:
    """Spearman correlation of keys // 2 with keys % 2, keys ascending, each `times` over; 0 where one is constant."""
    n = float(len(keys) if times is None else times.sum())
    covariance = spread = n_different = before = 0.0
    start = 0
    while start < len(keys):
        # up to the last key of one value: the label is its lowest bit
        stop = int(np.searchsorted(keys, keys[min(start + AT_ONCE, len(keys)) - 1] | 1, side="right"))
        values, different = keys[start:stop] >> 1, (keys[start:stop] & 1).astype(np.float64)
        starts = np.flatnonzero(np.r_[True, values[1:] != values[:-1]])
        if times is None:
            sizes = np.diff(np.r_[starts, len(values)]).astype(np.float64)
        else:
            sizes = np.add.reduceat(times[start:stop], starts).astype(np.float64)
            different *= times[start:stop]
        # mean rank of each tie, minus the overall mean
        centred = before + np.cumsum(sizes) - sizes + (sizes - 1) / 2 - (n - 1) / 2
        covariance += np.add.reduceat(different, starts) @ centred
        spread += sizes @ centred**2
        n_different += different.sum()
        before += sizes.sum()
        start = stop
    spread *= n_different * (n - n_different) / n
    return float(covariance / np.sqrt(spread)) if spread > 0 else 0.0
