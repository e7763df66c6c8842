"""Exact quantiles of all pairwise distances in bounded memory; no metric lives here."""

from __future__ import annotations

import numpy as np

_AT_ONCE = 1 << 20  # pairs sorted out together; of more, only those near the quantile
_ROWS = 64  # of one tile of pairs: it stays in the processor's cache


def pair_quantile(points, quantile: float, *, diagonal: bool) -> float:
    """Quantile (linear interpolation) of the Euclidean distance matrix of points (N, D), in float64.

    diagonal: over all N^2 entries, the N zeros of the diagonal included; else over the N (N - 1) others.
    Equal to `numpy.quantile` of the full matrix, but never holds it: a random sample of pairs brackets the
    quantile, one pass over the tiles counts below the bracket and keeps what lies inside.
    """
    points = np.asarray(points, dtype=np.float64)
    count = len(points)
    return interpolated(
        lambda ranks: np.sqrt(np.maximum(_smallest(points - points.mean(axis=0), ranks), 0.0)),
        quantile,
        zeros=count if diagonal else 0,
        pairs=count * (count - 1) // 2,
    )


def interpolated(select, quantile: float, *, zeros: int, pairs: int) -> float:
    """Quantile of a symmetric matrix: `zeros` zeros, then each of `pairs` values twice.

    select(ranks (k,)) returns the values of those ranks (0 = smallest) among the pairs.
    """
    position = quantile * (zeros + 2 * pairs - 1)
    low = int(np.floor(position))
    ranks = np.array([low, min(low + 1, zeros + 2 * pairs - 1)])
    values = np.zeros(2)
    beyond = ranks >= zeros
    if beyond.any():
        values[beyond] = select((ranks[beyond] - zeros) // 2)
    return float(values[0] + (position - low) * (values[1] - values[0]))


def _smallest(points: np.ndarray, ranks: np.ndarray) -> np.ndarray:
    """Squared distances of the given ranks among all unordered pairs."""
    count = len(points)
    pairs = count * (count - 1) // 2
    low, high = -np.inf, np.inf
    if pairs > _AT_ONCE:
        rng = np.random.default_rng(0)  # chooses a bracket only; the result does not depend on it
        first, second = rng.integers(0, count, (2, 1 << 16))
        kept = first != second
        sample = np.concatenate([
            ((points[i] - points[j]) ** 2).sum(axis=1)
            for i, j in zip(np.array_split(first[kept], 64), np.array_split(second[kept], 64), strict=True)
        ])  # fmt: skip
        low = np.quantile(sample, max(ranks.min() / pairs - 0.01, 0.0))
        high = np.quantile(sample, min(ranks.max() / pairs + 0.01, 1.0))
    while True:
        below, inside = _sweep(points, low, high)
        if below <= ranks.min() and ranks.max() < below + len(inside):
            return np.partition(inside, ranks - below)[ranks - below]
        # Heavy ties or a rank at the end: open the bracket on the side that was too tight.
        low, high = (-np.inf, high) if below > ranks.min() else (low, np.inf)


def _sweep(points: np.ndarray, low: float, high: float) -> tuple[int, np.ndarray]:
    """How many squared distances lie below `low`, and those in [low, high]."""
    squares = np.einsum("ij,ij->i", points, points)[:, None]
    ones = np.ones_like(squares)
    left, right = np.hstack([-2.0 * points, squares, ones]), np.hstack([points, ones, squares])
    below, inside = 0, []
    for start in range(0, len(points), _ROWS):
        tile = left[start : start + _ROWS] @ right[start:].T
        size = len(tile)
        for values in (tile[:, :size][np.triu_indices(size, 1)], tile[:, size:]):
            keep = values >= low
            below += values.size - int(np.count_nonzero(keep))
            keep &= values <= high
            inside.append(values[keep])
    return below, np.concatenate(inside)
