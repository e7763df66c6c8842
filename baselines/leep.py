"""LEEP: log expected empirical prediction, from a source head's probabilities."""

from __future__ import annotations

import numpy as np

from tebench.base.errors import InputError
from tebench.metrics.moments import check
from tebench.metrics.registry import ClassRange, metric


@metric(
    name="leep",
    title="LEEP",
    paper="arXiv 2002.12462",
    direction="up",
    range=ClassRange("[-log C, 0]", lambda c: (-float(np.log(c)), 0.0)),
    reads="probabilities",
    cost="linear",
    disagreements=(
        "pactran_metrics reports the negative: 1.4973 for -1.4973; one suite applies softmax to probabilities again",
        "guards of 1e-10 shift Model-Spider's value in the 10th digit: -1.4972933829 for -1.4972933828",
    ),
)
def leep(probabilities, labels) -> float:
    """Mean log likelihood of the labels when source classes stand in for them.

    P(y | z) = sum_{i: y_i = y} theta_iz / sum_i theta_iz,   LEEP = mean_i log sum_z P(y_i | z) theta_iz.

    probabilities: (N, S) of the encoder's source head, rows sum to 1.   labels: (N,).
    Returns nats, range [-log C, 0]; higher is better. Without a source head it does not apply.
    Source: Nguyen et al., ICML 2020, arXiv 2002.12462.
    """
    theta, codes, n_classes = check_probabilities(probabilities, labels)
    return expected_log_likelihood(theta, codes, n_classes)


def check_probabilities(probabilities, labels) -> tuple[np.ndarray, np.ndarray, int]:
    """(float64 (N, S) rows that sum to 1, codes, number of classes), or an InputError that names the argument."""
    _, classes, codes = check(np.zeros((len(labels), 1)), labels)
    theta = np.asarray(probabilities)
    if theta.ndim != 2 or theta.shape[0] != len(codes) or not theta.shape[1] or theta.dtype.kind not in "fiub":
        raise InputError(
            f"probabilities: expected a (N, S) matrix with one row a label, N = {len(codes)}, "
            f"got shape {theta.shape} of {theta.dtype}."
        )
    theta = theta.astype(np.float64)
    sums = theta.sum(axis=1)
    if not (np.isfinite(theta).all() and (theta >= 0).all() and np.abs(sums - 1).max() < 1e-2):
        raise InputError(
            "probabilities: expected finite numbers >= 0 that sum to 1 in each row, "
            f"got minimum {theta.min():g} and row sums from {sums.min():g} to {sums.max():g}. "
            "Apply softmax over the source classes once."
        )
    return theta / sums[:, None], codes, len(classes)


def class_sums(rows, codes, n_classes) -> np.ndarray:
    """(C, S) sums of the rows of each class."""
    return np.stack([rows[codes == c].sum(axis=0) for c in range(n_classes)])


def expected_log_likelihood(theta, codes, n_classes) -> float:
    """The LEEP of probabilities (N, S) that sum to 1 in each row."""
    joint = class_sums(theta, codes, n_classes)
    used = joint.sum(axis=0) > 0
    conditional = joint[:, used] / joint[:, used].sum(axis=0)
    likelihood = np.einsum("nz,nz->n", theta[:, used], conditional[codes])
    return float(np.minimum(np.log(likelihood).mean(), 0.0))
