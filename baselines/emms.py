"""EMMS with one-hot labels: how much of the label vectors a linear map of the features explains."""

from __future__ import annotations

import numpy as np

from tebench.metrics.registry import metric


@metric(
    name="emms",
    title="EMMS (one-hot)",
    paper="arXiv 2308.06262",
    direction="up",
    range=(-1.0, 0.0),
    reads="moments",
    cost="moments",
    invariances=("scale", "rotation", "shift"),
    disagreements=(
        "the authors write sum / N * D2 for sum / (N D2), D2 the width of the label embedding: -12.25 where -0.191 is "
        "right at D2 = 8, outside [-1, 0]",
        "the authors embed label names with language models and mix several embeddings; see the note on one-hot labels",
    ),
)
def emms(moments) -> float:
    """Minus the mean squared residual of standardised one-hot labels regressed on standardised features.

    EMMS: min over W, t of |X W - sum_k t_k Z_k|^2 / (N D2), Z_k standardised embeddings of the labels by K language
    models, t in the simplex, solved by alternation [paper]. Embeddings of label names need those models, which this
    suite does not ship; what is defined without them is K = 1 with the one-hot vectors of the C classes, which leaves
    t = 1 and no alternation [choice]:
        score = - mean_c (1 - R_c^2),   R_c^2 the share of the variance of [y = c] that the features explain linearly.
    So it is the regression that EMMS builds on, not the published numbers.

    moments: `Moments` of (N, D) features.   Range [-1, 0]; higher is better; 0 as soon as the features
    have N - 1 independent directions.
    Source: Meng et al., NeurIPS 2023, arXiv 2308.06262.
    """
    n, counts, spectrum = moments.n, moments.counts, moments.spectrum
    # the centred features' X'y of a class is n_c times the class offset
    along = (counts[:, None] * moments.offsets) @ spectrum.axes / spectrum.values
    explained = (along**2).sum(axis=1) / (counts * (1 - counts / n))
    return float(-np.clip(1 - explained, 0, 1).mean())
