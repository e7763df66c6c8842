"""Class-balanced moments with one case left out: what the gradient-flow probes share; no metric lives here."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tebench.base.errors import NotApplicable

SAME = 1e-12  # a standard deviation below this share of a channel's largest value is rounding
CHUNK = 1024  # rows taken at once: a float64 block stays in the processor's cache


@dataclass(frozen=True)
class Fold:
    """Weighted moments of the standardised rows of all cases but one, total mass 1."""

    case: int  # the one that is left out
    classes: np.ndarray  # (C,) present in the others
    shares: np.ndarray  # (C,) mass of each class, the weighted mean of the one-hot labels
    mean: np.ndarray  # (D,) weighted
    gram: np.ndarray  # (D, D) weighted covariance A
    cross: np.ndarray  # (D, C) weighted covariance b with the one-hot labels
    origin: np.ndarray  # (D,) mean of the case left out
    inverse: np.ndarray  # (D,) 1 / SD of the case left out, 0 for a channel that is constant there

    def standardised(self, rows: np.ndarray) -> np.ndarray:
        """(n, D) rows of the case left out, minus the mean of the others."""
        return (rows - self.origin) * self.inverse - self.mean


@dataclass
class _Case:
    """Sums of one case's fitted rows about `origin`, the mean of its known rows; the Gram matrices are standardised."""

    counts: np.ndarray  # (C,)
    sums: np.ndarray  # (C, D)
    origin: np.ndarray
    inverse: np.ndarray
    gram: np.ndarray | None  # (D, D) sum of rows weighted by 1 / n_c of the sample
    by_class: dict[int, np.ndarray]  # class -> (D, D), where each fold has weights of its own


def leave_one_case_out(features, labels, cases, *, fitted=None, known=None, kept: bool = False) -> list[Fold]:
    """One `Fold` for each case, from sums by case: every row is multiplied once, whatever the number of cases.

    features: (N, D) float64; each channel is standardised (mean 0, SD 1, ddof 0) within each case over its known rows.
    labels: (N,) class indices.   cases: (N,).   fitted: (N,) bool, the rows that count; all.
    known: (N,) bool, the fitted rows and perhaps others; the fitted ones.
    kept: a row of class c weighs 1 over the rows of c in the cases that are kept; else in all cases.
    Fewer than two cases, or one class in all other cases: NotApplicable.
    """
    names = np.unique(cases)
    fitted = np.ones(len(labels), dtype=bool) if fitted is None else fitted
    beside = np.zeros(len(labels), dtype=bool) if known is None else known & ~fitted
    if len(names) < 2:
        raise NotApplicable("leaves out one case, and the sample holds one case only.")
    n_classes = int(labels.max()) + 1
    whole = np.bincount(labels[fitted], minlength=n_classes)
    found = []
    for name in names:
        own = cases == name
        others = features[own & beside]
        found.append(_case(features, labels, np.flatnonzero(own & fitted), others, whole, kept))
    left = whole - np.stack([case.counts for case in found])  # rows of each class in the other cases
    if (few := (left > 0).sum(axis=1)).min() < 2:
        raise NotApplicable(f"without case number {int(few.argmin())} the sample holds one class only.")
    weights = np.where(left > 0, 1 / np.maximum(left if kept else whole, 1), 0)
    weights /= (weights * left).sum(axis=1)[:, None]
    sums = np.stack([case.sums * case.inverse for case in found])
    total = None if kept else sum(case.gram for case in found)
    folds = []
    for index, (name, case) in enumerate(zip(names, found, strict=True)):
        classes = np.flatnonzero(left[index])
        share = weights[index, classes] * left[index, classes]
        massed = weights[index, classes, None] * (sums.sum(axis=0) - sums[index])[classes]  # class means times shares
        mean = massed.sum(axis=0)
        if kept:
            others = found[:index] + found[index + 1 :]
            gram = sum(weights[index, c] * part for other in others for c, part in other.by_class.items())
        else:
            # weights of the sample differ between folds by a factor alone
            c = classes[0]
            gram = (total - case.gram) * (weights[index, c] * whole[c])
        cross = (massed - share[:, None] * mean).T
        folds.append(Fold(name, classes, share, mean, gram - np.outer(mean, mean), cross, case.origin, case.inverse))
    return folds


def _case(features, labels, rows, others, whole, kept) -> _Case:
    """The sums of one case, chunk by chunk and class by class; others: (M, D) rows for its mean and SD alone."""
    d, n_classes = features.shape[1], len(whole)
    rows = rows[np.argsort(labels[rows], kind="stable")]
    counts = np.bincount(labels[rows], minlength=n_classes)
    shift = features[rows[:: max(1, len(rows) // 256)]].mean(axis=0) if len(rows) else np.zeros(d)
    sums, squares, largest, grams = np.zeros((n_classes, d)), np.zeros(d), np.zeros(d), {}
    ends = np.cumsum(counts)
    for c in np.flatnonzero(counts):
        for start in range(ends[c] - counts[c], ends[c], CHUNK):
            block = features[rows[start : min(start + CHUNK, ends[c])]]
            largest = np.maximum(largest, np.abs(block).max(axis=0))
            block -= shift
            sums[c] += block.sum(axis=0)
            squares += np.einsum("ij,ij->j", block, block)
            gram = block.T @ block
            if not kept:
                gram /= whole[c]
            key = int(c) if kept else 0
            grams[key] = grams[key] + gram if key in grams else gram
    n, total = max(len(rows) + len(others), 1), sums.sum(axis=0)
    if len(others):
        largest = np.maximum(largest, np.abs(others).max(axis=0))
        others = others - shift
        total, squares = total + others.sum(axis=0), squares + np.einsum("ij,ij->j", others, others)
    drift = total / n
    spread = np.sqrt(np.maximum(squares / n - drift**2, 0))
    moves = spread > SAME * largest
    inverse = np.where(moves, 1 / np.where(moves, spread, 1), 0)
    for key, gram in grams.items():
        weight = np.where(np.arange(n_classes) == key, 1.0, 0) if kept else 1 / np.maximum(whole, 1)
        grams[key] = _about(gram, weight @ sums, weight @ counts, drift) * np.outer(inverse, inverse)
    sums -= counts[:, None] * drift
    if not kept and not grams:
        grams[0] = np.zeros((d, d))
    return _Case(counts, sums, shift + drift, inverse, None if kept else grams[0], grams if kept else {})


def _about(gram, total, mass, drift):
    """sum w (x - drift)(x - drift)' from sum w xx', sum w x and sum w."""
    crossed = np.outer(total, drift)
    return gram - crossed - crossed.T + mass * np.outer(drift, drift)


def standardised(features: np.ndarray, cases: np.ndarray) -> np.ndarray:
    """(N, D) each channel with zero mean and unit SD (ddof 0) within its case; 0 where it is constant there."""
    found = np.zeros(features.shape)
    for case in np.unique(cases):
        own = np.flatnonzero(cases == case)
        rows = features[own] - features[own].mean(axis=0)
        rows -= rows.mean(axis=0)  # of a channel with an offset the first mean is off by rounding
        spread = np.sqrt(np.einsum("ij,ij->j", rows, rows) / len(rows))
        moves = spread > SAME * np.abs(features[own]).max(axis=0)
        found[own] = rows * np.where(moves, 1 / np.where(moves, spread, 1), 0)
    return found
