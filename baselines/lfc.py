"""LFC: label-feature correlation, the alignment of two similarity matrices."""

from __future__ import annotations

import numpy as np

from tebench.metrics.registry import metric


@metric(
    name="lfc",
    title="LFC",
    paper="arXiv 2102.00084",
    direction="up",
    range=(-1.0, 1.0),
    reads="moments",
    cost="moments",
    invariances=("scale", "rotation"),
    disagreements=(
        "Model-Spider builds both N x N matrices in float32: 20 GB at N = 50,000, and 0.12331113279 where "
        "0.12331113919 is right",
    ),
)
def lfc(moments) -> float:
    """Cosine between the Gram matrix of the rows and the +1/-1 same-label matrix, each minus its global mean.

    cos(K - mean K, L - mean L), K = XX', L_ij = 1 for equal labels and -1 otherwise, all N^2 pairs.
    In closed form, with offsets a_c = m_c - m, total scatter S and q = sum_c (n_c / N)^2:
        <K - mean K, L - mean L> = 2 sum_c n_c^2 (a_c'a_c + 2 a_c'm),
        |K - mean K|^2 = |S|_F^2 + 2 N m'S m,     |L - mean L|^2 = 4 N^2 q (1 - q).
    One global mean is not the double centring of CKA: a large offset of the features dominates K and destroys
    the score, by definition [paper]. 0 where all rows are equal.

    moments: `tebench.metrics.moments.Moments` of (N, D) features.   Higher is better.
    Source: Deshpande et al., "A linearized framework and a new benchmark for model selection for fine-tuning",
    arXiv 2102.00084.
    """
    n, mean, offsets, counts = moments.n, moments.mean, moments.offsets, moments.counts.astype(np.float64)
    scale = np.abs(moments.total).max()
    if scale == 0:
        return 0.0
    total = moments.total / scale  # squares of squares: keep them inside float64
    inner = 2 * (counts**2 / scale) @ ((offsets**2).sum(axis=1) + 2 * offsets @ mean)
    features = np.sqrt((total**2).sum() + 2 * n * mean @ total @ mean / scale)
    same = (counts**2).sum() / n**2
    return float(inner / (features * 2 * n * np.sqrt(same * (1 - same))))
