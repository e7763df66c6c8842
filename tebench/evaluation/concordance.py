"""Concordance of large pools: K log K steps a ranking, where a table of all pairs takes K^2."""

from __future__ import annotations

import numpy as np

FROM = 160  # encoders from which sorting is faster than the table of pairs
_BLOCK = 32  # compared directly before merging begins


def concordance(score: np.ndarray, dice: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(c, untied_score, untied_dice), (B, K) each, of (B, K) scores and Dice. All are whole numbers, hence exact.

    c_i = sum_j sign(s_i - s_j) sign(t_i - t_j); untied_i = how many j differ from i.

    With D(s, t)_i = |{j: s_j < s_i, t_j < t_i}|, c = D(s, t) + D(-s, -t) - D(s, -t) - D(-s, t); where no value is
    tied, the numbers below on either side, l, give the other three: c = 4 D + K - 1 - 2 l(s) - 2 l(t).
    """
    k = score.shape[-1]
    low_score, same_score = _places(score)
    low_dice, same_dice = _places(dice)
    untied = k - same_score, k - same_dice
    if (same_score == 1).all() and (same_dice == 1).all():
        c = 4 * _both_below(score, dice) + (k - 1 - 2 * low_score - 2 * low_dice)
    else:
        c = (
            _both_below(score, dice)
            + _both_below(-score, -dice)
            - _both_below(score, -dice)
            - _both_below(-score, dice)
        )
    return tuple(values.astype(np.float64) for values in (c, *untied))


def _places(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(how many values of the row are lower, how many are equal, itself included)."""
    if len(values) and values.strides[0] == 0:  # one row for the whole batch
        return tuple(np.broadcast_to(part, values.shape) for part in _places(values[:1].copy()))
    order = np.argsort(values, axis=-1, kind="stable")
    ordered = np.take_along_axis(values, order, -1)
    at = np.arange(values.shape[-1])
    first = np.concatenate([np.ones((len(values), 1), bool), ordered[:, 1:] != ordered[:, :-1]], axis=1)
    last = np.concatenate([first[:, 1:], np.ones((len(values), 1), bool)], axis=1)
    begin = np.maximum.accumulate(np.where(first, at, 0), axis=-1)
    end = np.minimum.accumulate(np.where(last, at, values.shape[-1])[:, ::-1], axis=-1)[:, ::-1]
    lower, equal = np.empty_like(order), np.empty_like(order)
    np.put_along_axis(lower, order, begin, -1)
    np.put_along_axis(equal, order, end - begin + 1, -1)
    return lower, equal


def _both_below(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """(B, K) how many are lower in both."""
    # Ties must not count: equals in `first` stand with the higher `second` before, equals in `second` rank falling.
    order = np.lexsort((-second, first), axis=-1)
    by_second = np.take_along_axis(second, order, -1)
    falling = np.broadcast_to(-np.arange(second.shape[-1]), second.shape)
    ranks = np.empty(second.shape, dtype=np.int32)
    placed = np.broadcast_to(np.arange(second.shape[-1], dtype=np.int32), second.shape)
    np.put_along_axis(ranks, np.lexsort((falling, by_second), axis=-1), placed, -1)
    out = np.empty(second.shape, dtype=np.int64)
    np.put_along_axis(out, order, _smaller_before(ranks), -1)
    return out


def _smaller_before(ranks: np.ndarray) -> np.ndarray:
    """(B, K) how many smaller values stand before each value of a row of distinct ones: a merge sort that counts."""
    b, k = ranks.shape
    size = _BLOCK
    whole = size << max(0, (-(-k // size) - 1).bit_length())
    values = np.full((b, whole), k, dtype=np.int32)  # what fills up is larger than all
    values[:, :k] = ranks
    blocks = values.reshape(b, -1, size)
    counts = np.zeros(blocks.shape, dtype=np.int32)
    for place in range(1, size):
        counts[..., place] = (blocks[..., :place] < blocks[..., place : place + 1]).sum(-1)
    where = np.broadcast_to(np.arange(whole, dtype=np.int32), (b, whole)).reshape(blocks.shape)
    values, counts, where = _sorted(blocks, counts, where)
    while size < whole:
        values, counts, where = (part.reshape(b, -1, 2 * size) for part in (values, counts, where))
        order = np.argsort(values, axis=-1, kind="stable")
        from_right = order >= size
        # A value of the right half has passed all that lie before it now but those of its own half.
        passed = np.arange(2 * size, dtype=np.int32) - (order - size)
        counts = np.take_along_axis(counts, order, -1) + np.where(from_right, passed, 0).astype(np.int32)
        values, where = np.take_along_axis(values, order, -1), np.take_along_axis(where, order, -1)
        size *= 2
    out = np.empty((b, whole), dtype=np.int64)
    np.put_along_axis(out, where.reshape(b, whole), counts.reshape(b, whole), -1)
    return out[:, :k]


def _sorted(values, *others):
    order = np.argsort(values, axis=-1, kind="stable")
    return tuple(np.take_along_axis(part, order, -1) for part in (values, *others))
