"""NLEEP: LEEP on the posteriors of a Gaussian mixture, for encoders without a source head."""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np

from tebench.baselines.leep import expected_log_likelihood
from tebench.metrics.parameters import Interval
from tebench.metrics.registry import ClassRange, metric

FLOOR = 1e-6  # of the mean variance, added to every mixture variance
TOLERANCE = 1e-3  # nats a sample: EM stops below this gain


@metric(
    name="nleep",
    title="NLEEP",
    paper="arXiv 2011.11200",
    direction="up",
    range=ClassRange("[-log C, 0]", lambda c: (-float(np.log(c)), 0.0)),
    reads="moments",
    cost="iterative",
    invariances=("scale", "rotation", "shift"),
    disagreements=(
        "no two public versions agree: -1.272 (EMAB, spherical, seed 123) and 0.337 (SFDA, full, no log, unseeded) "
        "where this one gives -1.262 and -1.213 (seeds 0, 1); their fixed reg_covar makes them depend on scale",
    ),
    not_monotone="the components that hold 80 % of the variance can miss the direction between two classes: four "
    "Gaussian classes score -0.004 at separation 2 and -0.21 at 4",
)
def nleep(
    moments,
    *,
    energy: Annotated[float, Interval(0, 1)] = 0.8,
    per_class: Annotated[int, Interval(1)] = 5,
    covariance: Literal["diagonal", "full"] = "diagonal",
    max_iter: Annotated[int, Interval(1)] = 100,
    seed: int = 0,
) -> float:
    """LEEP with the posteriors of a Gaussian mixture in place of a source head's probabilities.

    1. Principal components that hold `energy` of the variance [paper: 0.8].
    2. Gaussian mixture of per_class * C components [paper: 5 C] by expectation maximisation from k-means++
       centres [choice]. Variances have a floor of 1e-6 of the mean variance, so the score is free of scale.
    3. LEEP of the posteriors.
    The start depends on the set of rows and the seed, not on the rows' order. EM finds a local maximum; the
    spread over seeds belongs beside the score.

    covariance: of a component, "diagonal" along the principal axes [choice] or "full".

    moments: `tebench.metrics.moments.Moments` of (N, D) features.   Returns nats, range [-log C, 0]; higher is better.
    Source: Li et al., "Ranking neural checkpoints", CVPR 2021, arXiv 2011.11200.
    """
    rows = principal_rows(moments, energy)
    if not rows.shape[1]:
        theta = np.ones((moments.n, 1))
    else:
        theta = mixture_posteriors(rows, min(per_class * moments.c, moments.n), covariance, max_iter, seed)
    return expected_log_likelihood(theta, moments.codes, moments.c)


def principal_rows(moments, energy) -> np.ndarray:
    """(N, k) scores on the leading principal axes that hold `energy` of the variance, of unit mean variance.

    An axis points to where its third moment is positive, so a rotation of the features changes nothing.
    """
    spectrum = moments.spectrum
    share = np.cumsum(spectrum.values**2) / max((spectrum.values**2).sum(), np.finfo(float).tiny)
    k = min(int(np.searchsorted(share, energy - 1e-12)) + 1, spectrum.rank)
    rows = np.empty((moments.n, k))
    for part, block in moments.blocks():
        rows[part] = block @ spectrum.axes[:, :k]
    if k:
        rows *= np.where((rows**3).sum(axis=0) < 0, -1, 1) / np.sqrt((rows**2).mean())
    return rows


def mixture_posteriors(rows, k, covariance, max_iter, seed) -> np.ndarray:
    """(N, k) posteriors of a Gaussian mixture fitted by EM."""
    n, d = rows.shape
    nearest = _start(rows, k, seed)
    posterior = np.zeros((n, k))
    posterior[np.arange(n), nearest] = 1
    previous = -np.inf
    for _ in range(max_iter):
        weights = posterior.sum(axis=0) + 10 * np.finfo(np.float64).eps
        means = posterior.T @ rows / weights[:, None]
        logs = (_diagonal if covariance == "diagonal" else _full)(rows, posterior, weights, means)
        logs += np.log(weights / n) - d / 2 * np.log(2 * np.pi)
        top = logs.max(axis=1, keepdims=True)
        np.exp(logs - top, out=posterior)
        total = posterior.sum(axis=1, keepdims=True)
        posterior /= total
        likelihood = float((np.log(total) + top).mean())
        if likelihood - previous < TOLERANCE:
            break
        previous = likelihood
    return posterior


def _start(rows, k, seed):
    """Index of the nearest of k k-means++ centres, drawn from the rows in sorted order."""
    rng = np.random.default_rng(seed)
    order = np.lexsort(rows.T[::-1])
    first = order[rng.integers(len(rows))]
    distances = ((rows - rows[first]) ** 2).sum(axis=1)
    nearest = np.zeros(len(rows), dtype=np.int64)
    for j in range(1, k):
        cumulative = np.cumsum(distances[order])
        if cumulative[-1] <= 0:  # fewer distinct rows than components
            break
        centre = order[np.searchsorted(cumulative, rng.random() * cumulative[-1], side="right").clip(0, len(rows) - 1)]
        other = ((rows - rows[centre]) ** 2).sum(axis=1)
        closer = other < distances
        nearest[closer] = j
        distances = np.where(closer, other, distances)
    return nearest


def _diagonal(rows, posterior, weights, means):
    """(N, k) log densities without the constant, diagonal covariances."""
    squares = rows**2
    variances = np.maximum(posterior.T @ squares / weights[:, None] - means**2, 0) + FLOOR
    logs = squares @ (1 / variances).T - 2 * rows @ (means / variances).T
    logs += (means**2 / variances).sum(axis=1) + np.log(variances).sum(axis=1)
    return logs * -0.5


def _full(rows, posterior, weights, means):
    """(N, k) log densities without the constant, full covariances."""
    from scipy.linalg import solve_triangular

    logs = np.empty_like(posterior)
    for j, mean in enumerate(means):
        centred = rows - mean
        covariance = (posterior[:, j, None] * centred).T @ centred / weights[j]
        lower = np.linalg.cholesky(covariance + FLOOR * np.eye(rows.shape[1]))
        white = solve_triangular(lower, centred.T, lower=True, check_finite=False)
        logs[:, j] = -0.5 * (white**2).sum(axis=0) - np.log(np.diagonal(lower)).sum()
    return logs
