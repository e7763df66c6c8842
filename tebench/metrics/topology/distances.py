"""Exact quantiles of all pairwise distances in bounded memory; no metric lives here."""

from __future__ import annotations

import numpy as np

from tebench.metrics.topology.labelled_tree import group_rows

_AT_ONCE = 1 << 16  # pairs sorted out together; of more, only those near the quantile
_SAMPLE = 1 << 15  # random pairs that bracket the quantile: its rank is then known to 0.3 %
_MARGIN = 0.012  # of the ranks, on both sides
_ROWS = 64  # of one tile of pairs: it stays in the processor's cache


def pair_quantile(points, quantile: float, *, diagonal: bool) -> float:
    """Quantile (linear interpolation) of the Euclidean distance matrix of points (N, D), in float64.

    diagonal: over all N^2 entries, the N zeros of the diagonal included; else over the N (N - 1) others.
    Equal to `numpy.quantile` of the full matrix, but never holds it: a random sample of pairs brackets the
    quantile, one pass over the tiles counts below the bracket and keeps what lies inside. Equal points, as voxels of
    one feature cell, are compared once.
    """
    points = np.asarray(points, dtype=np.float64)
    count = len(points)
    group, first = group_rows(points)
    times = np.bincount(group)
    distinct = points[first] - points.mean(axis=0)
    equal = int((times * (times - 1) // 2).sum())  # pairs at distance zero

    def select(ranks):
        values = np.zeros(len(ranks))
        apart = ranks >= equal
        if apart.any():
            values[apart] = np.sqrt(np.maximum(_smallest(distinct, times, ranks[apart] - equal), 0.0))
        return values

    return interpolated(select, quantile, zeros=count if diagonal else 0, pairs=count * (count - 1) // 2)


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


def _smallest(points: np.ndarray, times: np.ndarray, ranks: np.ndarray) -> np.ndarray:
    """Squared distances of the given ranks among all pairs of points that differ, each point `times` over."""
    pairs = (times.sum() ** 2 - (times**2).sum()) // 2
    low, high = -np.inf, np.inf
    if len(points) ** 2 // 2 > _AT_ONCE:
        rng = np.random.default_rng(0)  # chooses a bracket only; the result does not depend on it
        first, second = rng.choice(len(points), (2, _SAMPLE), p=times / times.sum())
        kept = first != second
        sample = np.concatenate([
            ((points[i] - points[j]) ** 2).sum(axis=1)
            for i, j in zip(np.array_split(first[kept], 32), np.array_split(second[kept], 32), strict=True)
        ])  # fmt: skip
        low = np.quantile(sample, max(ranks.min() / pairs - _MARGIN, 0.0))
        high = np.quantile(sample, min(ranks.max() / pairs + _MARGIN, 1.0))
    while True:
        below, inside, weights = _sweep(points, times, low, high)
        if below <= ranks.min() and ranks.max() < below + (len(inside) if weights is None else weights.sum()):
            if weights is None:
                return np.partition(inside, ranks - below)[ranks - below]
            order = inside.argsort(kind="stable")
            return inside[order[np.searchsorted(weights[order].cumsum(), ranks - below, side="right")]]
        # Heavy ties or a rank at the end: open the bracket on the side that was too tight.
        low, high = (-np.inf, high) if below > ranks.min() else (low, np.inf)


def _sweep(points: np.ndarray, times: np.ndarray, low: float, high: float) -> tuple[int, np.ndarray, np.ndarray | None]:
    """How many squared distances lie below `low`, those in [low, high], how often each of these is (None: once)."""
    squares = np.einsum("ij,ij->i", points, points)[:, None]
    ones = np.ones_like(squares)
    left, right = np.hstack([-2.0 * points, squares, ones]), np.hstack([points, ones, squares])
    below, inside, weights, plain = 0, [], [], bool((times == 1).all())
    for start in range(0, len(points), _ROWS):
        tile = left[start : start + _ROWS] @ right[start:].T
        tile[np.tril_indices(len(tile))] = np.nan  # every pair once: neither below nor inside
        less = tile < low
        keep = tile <= high
        keep &= tile >= low
        places = np.flatnonzero(keep)
        inside.append(tile.ravel()[places])
        if plain:
            below += int(np.count_nonzero(less))
        else:
            below += int(times[start : start + len(tile)] @ np.where(less, times[start:], 0).sum(axis=1))
            rows, columns = np.divmod(places, tile.shape[1])
            weights.append(times[start + rows] * times[start + columns])
    return below, np.concatenate(inside), None if plain else np.concatenate(weights)
