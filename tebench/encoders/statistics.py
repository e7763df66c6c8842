"""Statistics of large float32 arrays with the bits of numpy's on float64 copies, without such a copy."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import numpy as np

_LEAF = 2**20  # values that are float64 at a time


def mean_and_deviation(pieces: Callable[[], Iterable[np.ndarray]], count: int) -> tuple[np.float64, np.float64]:
    """Mean and standard deviation (of all `count` values, no correction) of what the pieces hold, one after another.

    pieces: gives the (n,) pieces anew each time it is called.
    """
    mean = _sum(pieces(), count, lambda values: values) / count
    squares = _sum(pieces(), count, lambda values: np.square(values - mean))
    return mean, np.sqrt(squares / count)


def percentiles(values: np.ndarray, shares: Iterable[float]) -> list[np.float64]:
    """As `np.percentile` gives them for a float64 copy of the (n,) values; their order is lost."""
    places = [(len(values) - 1) * np.true_divide(share, 100) for share in shares]
    below = [int(np.floor(place)) for place in places]
    above = [min(index + 1, len(values) - 1) for index in below]
    values.partition(sorted({*below, *above}))
    found = []
    for place, low, high in zip(places, below, above, strict=True):
        a, b, t = np.float64(values[low]), np.float64(values[high]), place - low
        found.append(b - (b - a) * (1 - t) if t >= 0.5 else a + (b - a) * t)
    return found


def _sum(pieces: Iterable[np.ndarray], count: int, change: Callable) -> np.float64:
    """Sum of change(values as float64), in the order of additions of `np.sum` over one array of them.

    numpy adds pairwise: an array of n > 128 is split at n // 2, rounded down to a multiple of 8.
    """
    take = _reader(iter(pieces))

    def add(n: int) -> np.float64:
        if n <= _LEAF:
            return np.add.reduce(change(take(n)))
        half = n // 2
        half -= half % 8
        first = add(half)
        return first + add(n - half)

    return add(count)


def _reader(pieces: Iterator[np.ndarray]) -> Callable[[int], np.ndarray]:
    """take(n): the next n values as float64."""
    rest = np.empty(0, np.float32)

    def take(n: int) -> np.ndarray:
        nonlocal rest
        out, filled = np.empty(n), 0
        while filled < n:
            if not len(rest):
                rest = next(pieces)
            used = min(len(rest), n - filled)
            out[filled : filled + used] = rest[:used]
            rest, filled = rest[used:], filled + used
        return out

    return take
