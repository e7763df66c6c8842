"""PARC: pairwise annotation representation comparison."""

from __future__ import annotations

from typing import Annotated

import numpy as np

from tebench.moments import check, check_finite
from tebench.parameters import Interval
from tebench.registry import metric

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
    return 100 * _rank_correlation(_keys(block, codes))


def _keys(rows, codes) -> np.ndarray:
    """One integer a pair, the dissimilarity above and the label bit below, so that one plain sort does."""
    n, filled = len(rows), 0
    keys = np.empty(n * (n - 1) // 2, dtype=np.int64)
    for start in range(0, n, ROWS):
        own, size = slice(start, start + ROWS), min(ROWS, n - start)
        tile = rows[own] @ rows[start:].T
        tile *= -RESOLUTION
        tile = np.rint(tile, out=tile).astype(np.int64)
        tile *= 2
        tile += codes[own, None] != codes[start:]
        for part in (tile[:, :size][np.triu_indices(size, 1)], tile[:, size:].ravel()):
            keys[filled : filled + part.size] = part
            filled += part.size
    return keys


def _draw(features, size, seed):
    """Rows of the sample: all, or `size` drawn after sorting by a fixed projection."""
    n, d = features.shape
    if n <= size:
        return np.arange(n)
    axis = np.random.default_rng(d).standard_normal(d)
    order = np.argsort(features.astype(np.float64) @ axis, kind="stable")
    return np.sort(order[np.random.default_rng(seed).choice(n, size, replace=False)])


def _rank_correlation(keys) -> float:
    """Spearman correlation of keys // 2 with keys % 2; 0 where either is constant."""
    keys.sort()
    values, different = keys >> 1, (keys & 1).astype(np.float64)
    starts = np.flatnonzero(np.r_[True, values[1:] != values[:-1]])
    sizes = np.diff(np.r_[starts, len(values)]).astype(np.float64)
    n, n_different = float(len(values)), different.sum()
    centred = starts + (sizes - 1) / 2 - (n - 1) / 2  # mean rank of each tie, minus the overall mean
    covariance = np.add.reduceat(different, starts) @ centred
    spread = (sizes @ centred**2) * n_different * (n - n_different) / n
    return float(covariance / np.sqrt(spread)) if spread > 0 else 0.0
