"""Regularised H-score: the H-score with a Ledoit-Wolf shrunk covariance."""

from __future__ import annotations

import numpy as np

from tebench.metrics.registry import ClassRange, metric


@metric(
    name="hscore_regularized",
    title="Regularised H-score",
    paper="arXiv 2110.06893",
    direction="up",
    range=ClassRange("[0, 2 (C - 1)]", lambda c: (0.0, 2.0 * (c - 1))),
    reads="moments",
    cost="moments",
    invariances=("scale", "rotation", "shift"),
    disagreements=(
        "transformer-ranker differs from the 8th digit (2.907625912 where 2.907625986 is right): float32 steps",
    ),
)
def hscore_regularized(moments) -> float:
    """H-score with the covariance shrunk toward a multiple of the identity, scaled by the weight kept.

    H_a = (1 - a) tr(S_a^-1 S_g),  S_a = (1 - a) S + a (tr S / D) I, with S the biased covariance (1/N),
    S_g the covariance of the class means over the samples (1/(N - 1)) and a the Ledoit-Wolf coefficient
        a = min(b, d) / d,  d = |S - (tr S / D) I|_F^2,  b = (sum_i |x_i - m|^4 / N - |S|_F^2) / N.
    Range [0, (C - 1) N / (N - 1)]. The score is 0 where the covariance carries nothing (a = 1).

    moments: `tebench.metrics.moments.Moments` of (N, D) features.   Higher is better.
    Source: Ibrahim, Ponomareva, Mazumder, ECML-PKDD 2022, arXiv 2110.06893; Ledoit, Wolf, J. Multivariate
    Analysis 88 (2004), DOI 10.1016/S0047-259X(03)00096-4.
    """
    n, d, spectrum = moments.n, moments.d, moments.spectrum
    if not spectrum.rank:
        return 0.0
    eigenvalues = spectrum.values**2 / n
    a, level = ledoit_wolf(eigenvalues, moments.fourth / n, n, d)
    projected = (moments.offsets @ spectrum.axes) ** 2
    between = moments.counts @ projected / (n - 1)
    return float((1 - a) * np.sum(between / ((1 - a) * eigenvalues + a * level)))


def ledoit_wolf(eigenvalues, fourth, n, d) -> tuple[float, float]:
    """(a, tr S / D) from the non-zero eigenvalues of the (D, D) biased covariance and mean |x - m|^4."""
    level = eigenvalues.sum() / d
    distance = ((eigenvalues - level) ** 2).sum() + (d - len(eigenvalues)) * level**2
    noise = max((fourth - (eigenvalues**2).sum()) / n, 0.0)
    # D = 1, or a spectrum that is flat to rounding: nothing to shrink
    if distance <= d * (8 * np.finfo(np.float64).eps * level) ** 2:
        return 0.0, level
    return min(noise, distance) / distance, level
