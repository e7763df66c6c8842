"""ETran: energy of the features plus the posterior of a discriminant analysis, fused over the pool."""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np

from tebench.baselines.discriminant import adaptive_weight, softmax
from tebench.baselines.sfda import mean_posterior
from tebench.metrics.moments import check, check_finite
from tebench.metrics.parameters import Interval
from tebench.metrics.registry import metric

CHUNK = 8192


@metric(
    name="etran_energy",
    title="ETran energy",
    paper="arXiv 2308.02027",
    direction="up",
    range=(-np.inf, np.inf),
    reads="matrix",
    cost="linear",
    invariances=(),
    disagreements=("mgholamikn/ETran averages only the lowest 0.5 % of the samples: share=0.005",),
    not_monotone="label-free by definition: labels may be shuffled without any change of the score",
)
def etran_energy(features, labels, *, share: Annotated[float, Interval(0, 1)] = 1.0) -> float:
    """Mean negative free energy of the features, mean_i log sum_d exp(x_id).

    share: average only that share of the samples with the lowest value (at least one sample); 0.005 in the
    authors' code [released], all samples by default [paper].

    features: (N, D).   labels: (N,), not used.   Higher is better.
    Source: Gholami et al., ICCV 2023, arXiv 2308.02027.
    """
    features, _, _ = check(features, labels)
    check_finite(features)
    energies = np.concatenate(
        [_log_sum_exp(features[i : i + CHUNK].astype(np.float64)) for i in range(0, len(features), CHUNK)]
    )
    kept = max(1, int(np.floor(len(energies) * share + 1e-9)))
    return float(np.sort(energies)[:kept].mean())


def _log_sum_exp(block):
    top = block.max(axis=1)
    return top + np.log(np.exp(block - top[:, None]).sum(axis=1))


@metric(
    name="etran_lda",
    title="ETran discriminant",
    paper="arXiv 2308.02027",
    direction="up",
    range=(0.0, 1.0),
    reads="moments",
    cost="moments",
    invariances=("shift",),
    disagreements=(
        "mgholamikn/ETran takes eigh of a matrix that is not symmetric, which leaves an unwhitened nearest-mean "
        "rule: 0.4525 where LDA gives 0.6718 (rule=nearest_mean)",
    ),
)
def etran_lda(moments, *, rule: Literal["lda", "nearest_mean"] = "lda") -> float:
    """Mean posterior of the true class under linear discriminant analysis.

    rule: "lda" [paper]: within-class covariance S shrunk to (1 - a) S + a (tr S / D) I with
        a = max(exp(-5 lambda_max(S)), 1e-10), as in SFDA; depends on the features' scale, and by its
        power steps in the 6th digit on their rotation.
        "nearest_mean" [released]: softmax over classes of x'm_c - |m_c|^2 / 2 + log(n_c / N), which is what the
        authors' eigen-decomposition amounts to.

    moments: `tebench.metrics.moments.Moments` of (N, D) features.   Range [0, 1]; higher is better.
    Source: Gholami et al., ICCV 2023, arXiv 2308.02027.
    """
    if rule == "lda":
        return mean_posterior(moments, adaptive_weight(moments.within / moments.n))
    intercepts = np.log(moments.counts / moments.n) - (moments.offsets**2).sum(axis=1) / 2
    total = 0.0
    for rows, block in moments.blocks():
        codes = moments.codes[rows]
        total += softmax(block @ moments.offsets.T + intercepts)[np.arange(len(codes)), codes].sum()
    return float(total / moments.n)


@metric(
    name="etran",
    title="ETran",
    paper="arXiv 2308.02027",
    direction="up",
    range=(0.0, 2.0),
    reads="parts",
    cost="moments",
    parts={"energy": "etran_energy", "lda": "etran_lda"},
)
def etran(parts, n_foreground) -> np.ndarray:
    """Sum of the energy and the discriminant score, each scaled to [0, 1] over the candidate pool.

    parts: {"energy": (K,), "lda": (K,)} scores of the pool.   n_foreground: not used.
    Returns (K,), range [0, 2]; higher is better. A part on which the whole pool agrees counts 0.
    Source: Gholami et al., ICCV 2023, arXiv 2308.02027.
    """
    return min_max(parts["energy"]) + min_max(parts["lda"])


def min_max(scores) -> np.ndarray:
    """(K,) scores scaled to [0, 1] over the pool; zeros where all agree."""
    scores = np.asarray(scores, dtype=np.float64)
    width = np.ptp(scores)
    return (scores - scores.min()) / width if width > 0 else np.zeros_like(scores)
