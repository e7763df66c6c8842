"""SFDA: self-challenging Fisher discriminant analysis."""

from __future__ import annotations

import numpy as np

from tebench.baselines.discriminant import adaptive_weight, discriminants, shrunk, softmax
from tebench.metrics.moments import Moments
from tebench.metrics.registry import metric


@metric(
    name="sfda",
    title="SFDA",
    paper="arXiv 2207.03036",
    direction="up",
    range=(0.0, 1.0),
    reads="moments",
    cost="moments",
    invariances=("shift",),
    disagreements=(
        "TencentARC/SFDA writes the mixed features into its input, rounded to float32: 0.6600765 where 0.6600757 "
        "is right on a rank-deficient case",
    ),
)
def sfda(moments) -> float:
    """Mean posterior of the true class under a regularised LDA, after hard samples were pushed to other classes.

    1. LDA with the within-class covariance S shrunk by a: (1 - a) S + a (tr S / D) I,
       a = max(exp(-5 lambda_max(S)), 1e-10), which depends on the features' scale [paper].
    2. Self-challenge: with p_i the softmax of the posterior, taken at the true class,
       x_i <- p_i x_i + (1 - p_i) (mean of the other classes' means) [paper].
    3. LDA on the mixed features with the same a; score = mean_i P(y_i | x_i).
    lambda_max comes from three double power steps that start at S's row sums [released], which a rotation of the
    features changes (5e-6 of the score); linear solves replace the eigen-decomposition of the authors' code, which
    gives the same posterior.

    moments: `tebench.metrics.moments.Moments` of (N, D) features.   Range [0, 1], saturates at 1; higher is better.
    Source: Shao et al., ECCV 2022, arXiv 2207.03036.
    """
    weight = adaptive_weight(moments.within / moments.n)
    others = (moments.offsets.sum(axis=0) - moments.offsets) / (moments.c - 1)
    mixed = np.empty((moments.n, moments.d))
    for rows, block, posterior in posteriors(moments, weight):
        codes = moments.codes[rows]
        trust = softmax(posterior)[np.arange(len(codes)), codes][:, None]
        mixed[rows] = trust * block + (1 - trust) * others[codes]
    return mean_posterior(Moments.of(mixed, moments.codes), weight)


def posteriors(moments, weight):
    """(rows, centred features, (n, C) LDA posteriors), chunk by chunk."""
    covariance = shrunk(moments.within / moments.n, weight)
    coefficients, intercepts = discriminants(moments.offsets, moments.counts, covariance)
    for rows, block in moments.blocks():
        yield rows, block, softmax(block @ coefficients + intercepts)


def mean_posterior(moments, weight) -> float:
    """Mean LDA posterior of the true class."""
    total = 0.0
    for rows, _, posterior in posteriors(moments, weight):
        codes = moments.codes[rows]
        total += posterior[np.arange(len(codes)), codes].sum()
    return float(total / moments.n)
