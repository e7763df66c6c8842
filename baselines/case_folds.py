"""Class-balanced moments with one case left out: what the gradient-flow probes share; no metric lives here."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tebench.base.errors import NotApplicable

SAME = 1e-12  # a standard deviation below this share of a channel's largest value is rounding


@dataclass(frozen=True)
class Fold:
    """Weighted moments of all cases but one, total mass 1."""

    case: int  # the one that is left out
    classes: np.ndarray  # (C,) present in the others
    shares: np.ndarray  # (C,) mass of each class, the weighted mean of the one-hot labels
    mean: np.ndarray  # (D,) weighted
    gram: np.ndarray  # (D, D) weighted covariance A
    cross: np.ndarray  # (D, C) weighted covariance b with the one-hot labels


def standardised(features: np.ndarray, cases: np.ndarray, rows: np.ndarray | None = None) -> np.ndarray:
    """(N, D) each channel with zero mean and unit SD (ddof 0) within its case; 0 where it is constant there.

    rows: (N,) bool, those that mean and SD are taken over; all. A case without one of them keeps zeros.
    """
    found = np.zeros(features.shape)
    for case in np.unique(cases):
        own = np.flatnonzero(cases == case)
        inside = own if rows is None else own[rows[own]]
        if not len(inside):
            continue
        origin = features[inside].mean(axis=0)
        moved = features[own] - origin
        known = moved if rows is None else moved[rows[own]]
        known, moved = known - known.mean(axis=0), moved - known.mean(axis=0)  # the first mean is off by rounding
        spread = np.sqrt(np.einsum("ij,ij->j", known, known) / len(known))
        moves = spread > SAME * np.abs(features[inside]).max(axis=0)
        found[own] = moved * np.where(moves, 1 / np.where(moves, spread, 1), 0)
    return found


def leave_one_case_out(points: np.ndarray, labels: np.ndarray, cases: np.ndarray, *, kept: bool = False) -> list[Fold]:
    """One `Fold` for each case, from sums by case and class: every row is multiplied once.

    points: (N, D) float64.   labels: (N,) class indices.   cases: (N,).
    kept: a row of class c weighs 1 over the rows of c in the cases that are kept; else in all cases.
    Fewer than two cases, or one class in all other cases: NotApplicable.
    """
    names = np.unique(cases)
    if len(names) < 2:
        raise NotApplicable("leaves out one case, and the sample holds one case only.")
    place, n_classes, d = np.searchsorted(names, cases), int(labels.max()) + 1, points.shape[1]
    counts = np.zeros((len(names), n_classes))
    np.add.at(counts, (place, labels), 1)
    whole = counts.sum(axis=0)
    left = whole - counts  # rows of each class in the other cases
    n_left = (left > 0).sum(axis=1)
    if n_left.min() < 2:
        raise NotApplicable(f"without case number {int(n_left.argmin())} the sample holds one class only.")
    weights = np.divide(
        1, left if kept else np.broadcast_to(whole, left.shape), out=np.zeros_like(left), where=left > 0
    )
    shares = weights * left
    weights, shares = weights / shares.sum(axis=1)[:, None], shares / shares.sum(axis=1)[:, None]
    sums, grams = np.zeros((len(names), n_classes, d)), np.zeros((len(names), d, d))
    for case, c in np.argwhere(counts):
        rows = points[(place == case) & (labels == c)]
        sums[case, c] = rows.sum(axis=0)
        gram = rows.T @ rows
        for fold in np.delete(np.arange(len(names)), case):
            grams[fold] += weights[fold, c] * gram
    folds = []
    for fold, name in enumerate(names):
        classes = np.flatnonzero(left[fold])
        share = shares[fold, classes]
        massed = weights[fold, classes, None] * (sums.sum(axis=0) - sums[fold])[classes]  # class means times shares
        mean = massed.sum(axis=0)
        cross = (massed - share[:, None] * mean).T
        folds.append(Fold(name, classes, share, mean, grams[fold] - np.outer(mean, mean), cross))
    return folds
