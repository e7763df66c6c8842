"""DSE: clusters that are apart and thin, in features that use their dimensions."""

from __future__ import annotations

from typing import Annotated

import numpy as np

from tebench.base.errors import NotApplicable
from tebench.baselines.spectra import NO_LABELS, effective_rank
from tebench.metrics.parameters import Interval
from tebench.metrics.registry import metric

ITERATIONS = 20


@metric(
    name="dse",
    title="DSE",
    paper="arXiv 2510.17299",
    direction="up",
    range=(-np.inf, np.inf),
    reads="cases",
    cost="iterative",
    invariances=("scale", "rotation"),
    not_monotone=NO_LABELS,
    disagreements=(
        "the released code starts k-means++ from torch's global random state, so its value differs from run to run; "
        "here the start is the farthest-first traversal, which needs no seed",
    ),
)
def dse(
    features,
    labels,
    cases,
    *,
    local: Annotated[int, Interval(1)] = 3,
    together: Annotated[int, Interval(2)] = 24,
    weight: Annotated[float, Interval(0.0)] = 1.0,
) -> float:
    """Dense representation structure: distance between clusters, minus their spread, plus effective dimension.

    Rows are scaled to unit length; k-means gives pseudo-labels, `local` in each case and `together` in all of them
    [released]. With R = mean distance of a row from the overall mean:
        M_inter = mean over rows of the distance to the nearest centre of another cluster (all cases together), over R;
        M_intra = mean over clusters of |X_k - mean|_* / sqrt(max(n_k - 1, D)), the nuclear norm, over R: the average of
            the clusters of single cases and of those of all;
        M_dim = exp(entropy of the normalised singular values of the rows) / min(N, D);
        DSE = M_inter - M_intra + weight M_dim [paper, released].

    Ours [choice]: the paper takes M_dim over one random token of each of many images, here over all rows, since a
    task has few cases; `weight` is the paper's lambda, there the ratio of standard deviations over a pool of
    checkpoints, 1 in the released code; k-means starts from the row farthest from the mean and then always from the row
    farthest from all centres, and ends when no row changes its cluster or after 20 rounds [released]. No label is read.

    features: (N, D).   cases: (N,).   Higher is better. Constant features: not applicable.
    Source: Dai et al., "Exploring structural degradation in dense representations for self-supervised learning",
    NeurIPS 2025, arXiv 2510.17299.
    """
    lengths = np.linalg.norm(features, axis=1, keepdims=True)
    points = features / np.where(lengths > 0, lengths, 1)
    centred = points - points.mean(axis=0)
    radius = np.linalg.norm(centred, axis=1).mean()
    if not radius > 1e-12:
        raise NotApplicable("the features are constant, so they form no clusters.")
    of_cases = [_thickness(points[own], _clusters(points[own], local)[0]) for own in _rows(cases)]
    codes, centres = _clusters(points, together)
    apart = _squared(points, centres)
    apart[np.arange(len(points)), codes] = np.inf
    inter = np.sqrt(apart.min(axis=1)).mean() if len(centres) > 1 else 0.0
    intra = (np.mean(of_cases) + _thickness(points, codes)) / 2
    return float((inter - intra) / radius + weight * _dimension(points))


def _rows(cases) -> list[np.ndarray]:
    return [np.flatnonzero(cases == case) for case in np.unique(cases)]


def _dimension(points) -> float:
    return effective_rank(np.linalg.svd(_square(points), compute_uv=False)) / min(points.shape)


def _square(points):
    """A factor of at most D rows with the same singular values."""
    return np.linalg.qr(points, mode="r") if len(points) > points.shape[1] else points


def _thickness(points, codes) -> float:
    """Mean over clusters of two or more rows of their nuclear norm over sqrt(max(n - 1, D)); 1 where there is none."""
    found = []
    for own in _rows(codes):
        if len(own) > 1:
            rows = _square(points[own] - points[own].mean(axis=0))
            found.append(np.linalg.svd(rows, compute_uv=False).sum() / np.sqrt(max(len(own) - 1, points.shape[1])))
    return float(np.mean(found)) if found else 1.0


def _clusters(points, k) -> tuple[np.ndarray, np.ndarray]:
    """(codes (N,), centres (K, D)) of k-means; K < k where fewer rows are distinct."""
    centres = [points[_squared(points, points.mean(axis=0)[None])[:, 0].argmax()]]
    nearest = _squared(points, centres[0][None])[:, 0]
    while len(centres) < k and nearest.max() > 1e-12:
        centres.append(points[nearest.argmax()])
        nearest = np.minimum(nearest, _squared(points, centres[-1][None])[:, 0])
    centres, codes = np.array(centres), None
    for _ in range(ITERATIONS):
        found = _squared(points, centres).argmin(axis=1)
        if codes is not None and np.array_equal(found, codes):
            break
        codes = found
        sums = np.zeros_like(centres)
        np.add.at(sums, codes, points)
        counts = np.bincount(codes, minlength=len(centres))[:, None]
        centres = np.where(counts > 0, sums / np.maximum(counts, 1), centres)
    return codes, centres


def _squared(points, centres) -> np.ndarray:
    """(N, K) squared distances, never negative."""
    found = (points**2).sum(axis=1)[:, None] - 2 * points @ centres.T + (centres**2).sum(axis=1)
    return np.maximum(found, 0)
