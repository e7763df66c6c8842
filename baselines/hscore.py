"""H-score: the label-explained share of the features' whitened covariance."""

from __future__ import annotations

from tebench.metrics.registry import ClassRange, metric


@metric(
    name="hscore",
    title="H-score",
    paper="DOI 10.1109/ICIP.2019.8803726",
    direction="up",
    range=ClassRange("[0, C - 1]", lambda c: (0.0, c - 1.0)),
    reads="moments",
    cost="moments",
    invariances=("scale", "rotation", "shift"),
    disagreements=(
        "stable_transfer multiplies elementwise before the trace: 416.6 where 3.964 is right, 4.5578 where 1.5934 is",
        "pactran_metrics reports minus the H-score and adds 1e-6 to the Gram matrix",
        "float32 covariances in several suites are wrong from the 4th digit on features with an offset",
    ),
)
def hscore(moments) -> float:
    """Trace of the pseudo-inverse of the feature covariance times the covariance of the class means.

    H = tr(cov(f)^+ cov(E[f | y])) = sum_c n_c |diag(1/s) V'(m_c - m)|^2, with V diag(s) from the centred
    features: the sum of squared canonical correlations of features and one-hot labels [paper].
    Directions below the numerical rank (eigenvalues under max(N, D) eps times the largest) are left out
    [choice]. Range [0, C - 1]; it saturates at C - 1 when the rank reaches N - 1.

    moments: `tebench.metrics.moments.Moments` of (N, D) features.   Higher is better.
    Source: Bao et al., "An information-theoretic approach to transferability", ICIP 2019.
    """
    spectrum = moments.spectrum
    whitened = moments.offsets @ spectrum.axes / spectrum.values
    score = moments.counts @ (whitened**2).sum(axis=1)
    return float(min(score, moments.c - 1.0))
