"""CC-FV: class consistency between cases, with feature variety."""

from __future__ import annotations

from itertools import combinations
from typing import Annotated, Literal

import numpy as np

from tebench.base.errors import NotApplicable
from tebench.baselines.foreground import LABEL_NAMES, case_rows, foreground_classes
from tebench.metrics.parameters import Interval
from tebench.metrics.registry import metric
from tebench.metrics.topology.labelled_tree import group_rows

ROWS = 64  # of one tile of pairs: it stays in the processor's cache
SAME = 1e-12  # a distance below this share of the largest feature is rounding


@metric(
    name="ccfv",
    title="CC-FV",
    paper="arXiv 2307.11958",
    direction="up",
    range=(-np.inf, np.inf),
    reads="cases",
    cost="quadratic",
    stages="decoder",
    invariances=("rotation",),
    disagreements=(
        "the authors' loop adds the running sum of distances to itself instead of taking its mean: -3.29 as coded, "
        "-0.71 with the mean on three classes in four cases (variant=released keeps the loop)",
        "the authors' variety is the energy itself, not its inverse, of the cases' mean features without "
        "normalisation, so it falls where cases spread: 1.12 to 0.03 when they move apart (variant=released)",
        "the authors add the stages' terms; here they are averaged, which ranks alike",
    ),
    exceptions={
        "label names": LABEL_NAMES,
        "direction: follows separation": "class means enter the variety alone, and features that gather in "
        "classes have the higher energy: -0.358 -0.364 -0.385 -0.453 -0.633 at separations 0 0.5 1 2 4",
    },
)
def ccfv(
    features,
    labels,
    cases,
    *,
    variant: Literal["paper", "released"] = "paper",
    background: Annotated[int, Interval(0)] | None = 0,
    eps: Annotated[float, Interval(1e-12)] = 1e-3,
) -> float:
    """Log of feature variety over class inconsistency: log(FV / CC), mean over the stages read.

    CC = mean over foreground classes c, mean over pairs of cases i < j, of W(c, i, j) [paper];
    W^2 = |m_i - m_j|^2 + tr(S_i + S_j - 2 (S_i S_j)^(1/2)), the 2-Wasserstein distance of Gaussians [paper].
    FV = mean over cases of 1 / E,  E = mean over pairs of the case's voxels of (|v_a - v_b|^2 + eps)^(-1/2),
    v = x / |x|: the inverse hyperspherical energy [paper].

    Standing of the details: covariances divide by n - 1 [released], a class with one voxel in a case has covariance
    0 there [choice]; a class counts where two cases have it, all such classes equally [choice]; background is left
    out of CC [paper] and enters FV [released]; E is a mean over pairs, so that FV does not shrink with the sample
    [choice]; eps = 1e-3 [released], needed because voxels of one feature cell coincide; a zero vector stays zero
    [choice]. Stages: the decoder's [released]; here the decoder is the random one, stages=encoder reads what was
    pre-trained. CC grows with the features' scale, FV does not: the score falls by log s when features are
    multiplied by s.

    variant: "released" is the authors' code: per class, in order, w <- w + sum of W, then w <- w + w / (K^2 / 2) / C
        (K cases, C foreground classes); FV = mean over pairs of cases of (|g_i - g_j|^2 + eps)^(-1/2), g_i the mean
        of all features of case i.
    background: class that is not foreground, as index among the classes present in ascending order (0, the lowest
        label, when background rows are read); null: every class counts.

    features: (N, D).   labels: (N,).   cases: (N,).   Higher is better.
    Source: Yang et al., MICCAI 2023, arXiv 2307.11958.
    """
    rows = case_rows(cases)
    classes = foreground_classes(int(labels.max()) + 1, background)
    distances = [class_distances(features, labels, rows, c) for c in classes]
    if variant == "released":
        consistency, variety = _running_sum(distances, len(rows)), case_energy(features, rows, eps)
    else:
        means = [np.mean(own) for own in distances if len(own)]
        consistency = np.mean(means) if means else None
        variety = np.mean([1 / energy(unit(features[own]), eps) for own in rows if len(own) > 1] or [0.0])
    if consistency is None or not variety > 0:
        raise NotApplicable("no foreground class is present in two cases with more than one voxel each.")
    if not consistency > SAME * np.abs(features).max():
        raise NotApplicable("the features of every foreground class are the same in all cases; log(FV / 0).")
    return float(np.log(variety / consistency))


def class_distances(features, labels, rows, c) -> np.ndarray:
    """W of class c for every pair of cases that have it."""
    gaussians = [gaussian(features[own[labels[own] == c]]) for own in rows if (labels[own] == c).any()]
    return np.array([wasserstein(one, other) for one, other in combinations(gaussians, 2)])


def gaussian(rows) -> tuple[np.ndarray, np.ndarray]:
    """(mean, F) with covariance F'F, F of at most D rows."""
    mean = rows.mean(axis=0)
    factor = (rows - mean) / np.sqrt(max(len(rows) - 1, 1))
    return mean, np.linalg.qr(factor, mode="r") if len(factor) > factor.shape[1] else factor


def wasserstein(one, other) -> float:
    """2-Wasserstein distance of two Gaussians given as (mean, factor).

    tr (S1 S2)^(1/2) is the nuclear norm of F1 F2', so the covariance part is the residual of the best rotation
    of F2 onto F1 (orthogonal Procrustes). The residual itself is formed: the textbook difference of traces
    loses half the digits where the Gaussians nearly agree.
    """
    (mean1, first), (mean2, second) = one, other
    if len(first) < len(second):
        first, second = second, first
    left, _, right = np.linalg.svd(first @ second.T, full_matrices=False)
    residual = first - left @ (right @ second)
    return float(np.sqrt(((mean1 - mean2) ** 2).sum() + (residual**2).sum()))


def unit(rows) -> np.ndarray:
    """Rows divided by their length; a zero row stays."""
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return rows / np.where(lengths > 0, lengths, 1)


def energy(points, eps) -> float:
    """Mean over pairs of 1 / sqrt(squared distance + eps). Equal points, as voxels of one feature cell, are one."""
    group, first = group_rows(points)
    count, points = np.bincount(group).astype(np.float64), points[first]
    squares, n, total = (points**2).sum(axis=1), len(group), 0.0
    for start in range(0, len(points), ROWS):
        own = slice(start, start + ROWS)
        gaps = points[own] @ points[start:].T
        gaps *= -2
        gaps += squares[own, None]
        gaps += squares[start:]
        size = np.arange(len(gaps))
        gaps[size, size] = 0
        np.maximum(gaps, 0, out=gaps)
        gaps += eps
        np.divide(1, np.sqrt(gaps, out=gaps), out=gaps)
        weights = np.where(np.arange(len(points) - start) < len(gaps), 1.0, 2.0) * count[start:]  # the lower half too
        gaps[size, size] *= 1 - 1 / count[own]  # no pair of a voxel with itself
        total += count[own] @ gaps @ weights
    return total / (n * (n - 1))


def _running_sum(distances, n_cases) -> float | None:
    total = 0.0
    for own in distances:
        total += own.sum()
        total += total / (n_cases**2 / 2) / len(distances)
    return total if any(len(own) for own in distances) else None


def case_energy(features, rows, eps) -> float:
    """Energy of the cases' mean features as they are: the authors' variety."""
    return energy(np.stack([features[own].mean(axis=0) for own in rows]), eps)
