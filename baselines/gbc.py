"""GBC: Gaussian Bhattacharyya coefficient, the overlap of Gaussian classes."""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np

from tebench.metrics.parameters import Interval
from tebench.metrics.registry import ClassRange, metric


@metric(
    name="gbc",
    title="GBC",
    paper="arXiv 2111.12780",
    direction="up",
    range=ClassRange("[-C (C - 1), 0]", lambda c: (-c * (c - 1.0), 0.0)),
    reads="moments",
    cost="moments",
    invariances=("scale", "rotation", "shift"),
    disagreements=(
        "stable_transfer and two copies do not multiply the spherical log-variance term by D: -8.2426 where "
        "-7.4440 is right; a variance floor of 1e-4 kills small-scale features",
        "Model-Spider's full covariance takes determinants with guards of 1e-5: -2246.5, outside the range [-20, 0]",
    ),
)
def gbc(
    moments,
    *,
    covariance: Literal["spherical", "diagonal", "full"] = "spherical",
    pca: Annotated[int, Interval(1)] | None = None,
    ridge: Annotated[float, Interval(0)] = 1e-4,
) -> float:
    """Minus the sum of exp(-Bhattacharyya distance) over ordered pairs of Gaussian classes.

    B(c, k) = (m_c - m_k)' S^-1 (m_c - m_k) / 8 + (log det S - (log det S_c + log det S_k) / 2) / 2,
    S = (S_c + S_k) / 2, class covariances divided by n_c, no variance floor; columns that are constant over
    all samples are dropped. Range [-C (C - 1), 0].

    covariance: "spherical" (default, [paper]): mean variance of the class over the columns, so the
        log-variance term counts D times; "diagonal": not invariant to rotation; "full".
    pca: keep that many leading principal components first (fewer where the rank is lower); the paper's tables
        use 64. None: all columns.
    ridge: only "full", only where a class covariance is singular (eigenvalues under max(n_c, D) eps times the
        largest): this times the mean within-class variance is added to that class's diagonal [choice].

    A class without variance in a direction overlaps nothing there: distance infinite, coefficient 0; two such
    classes with one mean coincide there.

    moments: `tebench.metrics.moments.Moments` of (N, D) features.   Higher is better.
    Source: Pandy et al., CVPR 2022, arXiv 2111.12780.
    """
    axes = _axes(moments, pca)
    means = moments.offsets @ axes if axes is not None else moments.offsets[:, ~moments.constant]
    if not means.shape[1]:
        return -float(moments.c * (moments.c - 1))
    if covariance == "full":
        distances = _full(moments, means, axes, ridge)
    else:
        variances, weight = _variances(moments, axes), 1
        if covariance == "spherical":  # one variance for all columns: its log term counts once for each
            variances, weight = variances.mean(axis=1, keepdims=True), means.shape[1]
        distances = []
        for c in range(moments.c):
            for k in range(c):
                gap = (means[c] - means[k]) ** 2
                gap = gap if weight == 1 else gap.sum(keepdims=True)
                distances.append(_axis_aligned(gap, variances[c], variances[k], weight))
    return float(-2 * np.exp(-np.maximum(distances, 0)).sum())


def _axes(moments, pca):
    return None if pca is None else moments.spectrum.axes[:, :pca]


def _variances(moments, axes):
    """(C, D') class variances, constant columns dropped."""
    if axes is None:
        return moments.variances[:, ~moments.constant]
    return np.stack([np.diagonal(axes.T @ moments.scatter(c) @ axes) / n for c, n in enumerate(moments.counts)])


def _axis_aligned(gap, one, other, weight) -> float:
    """Bhattacharyya distance of diagonal Gaussians; squared gaps and variances (D',), each worth `weight` columns."""
    middle = (one + other) / 2
    spread = middle > 0
    if gap[~spread].any():
        return np.inf  # two points apart
    middle, one, other = middle[spread], one[spread], other[spread]
    with np.errstate(divide="ignore"):
        logs = np.log(middle) - (np.log(one) + np.log(other)) / 2
    return float((gap[spread] / middle).sum() / 8 + weight * logs.sum() / 2)


def _full(moments, means, axes, ridge) -> list[float]:
    keep = np.eye(moments.d)[:, ~moments.constant] if axes is None else axes
    d = keep.shape[1]
    level = ridge * np.trace(keep.T @ moments.within @ keep) / (moments.n * d)
    covariances, logdets = [], []
    for c, count in enumerate(moments.counts):
        values = moments.class_values(c, keep) / count
        singular = values[-1] <= max(count, d) * np.finfo(np.float64).eps * values[0]
        extra = level if singular else 0.0
        covariances.append(keep.T @ moments.scatter(c) @ keep / count + extra * np.eye(d))
        with np.errstate(divide="ignore"):
            logdets.append(np.log(values + extra).sum())
    distances = []
    for c in range(moments.c):
        for k in range(c):
            gap = means[c] - means[k]
            middle = (covariances[c] + covariances[k]) / 2
            sign, logdet = np.linalg.slogdet(middle)
            if sign <= 0 or not np.isfinite(logdet):  # no variance at all: every class is a point
                distances.append(np.inf if gap.any() else 0.0)
                continue
            mahalanobis = gap @ np.linalg.solve(middle, gap) / 8
            distances.append(mahalanobis + (logdet - (logdets[c] + logdets[k]) / 2) / 2)
    return distances
