"""Linear discriminant analysis on moments: the posterior that SFDA, ETran and NCTI share."""

from __future__ import annotations

import numpy as np


def shrunk(covariance, weight) -> np.ndarray:
    """(1 - weight) S + weight (tr S / D) I."""
    d = len(covariance)
    return (1 - weight) * covariance + weight * np.trace(covariance) / max(d, 1) * np.eye(d)


def adaptive_weight(covariance) -> float:
    """max(exp(-5 lambda), 1e-10), lambda the covariance's largest eigenvalue by three double power steps."""
    scale = 2.0 ** np.frexp(np.abs(covariance).max())[1]  # a power of two changes no digit and keeps squares in range
    covariance = covariance / scale
    vector, top = covariance.sum(axis=1), 0.0
    for _ in range(6):
        vector = covariance @ vector
        top = np.linalg.norm(vector)
        if top == 0:
            break
        vector = vector / top
    return float(max(np.exp(-5 * top * scale), 1e-10))


def discriminants(offsets, counts, covariance) -> tuple[np.ndarray, np.ndarray]:
    """Coefficients (D, C) and intercepts (C,) of LDA for rows centred like the class offsets (C, D)."""
    coefficients = solve(covariance, offsets.T)
    intercepts = -np.einsum("cd,dc->c", offsets, coefficients) / 2 + np.log(counts / counts.sum())
    return coefficients, intercepts


def solve(covariance, right) -> np.ndarray:
    """covariance^-1 right; eigenvalues are kept above rounding of the largest, so it also answers when singular."""
    from scipy.linalg import LinAlgError, cho_factor, cho_solve

    if not np.trace(covariance) > 0:  # no spread: any finite sharpness that dwarfs the offsets
        scale = (right**2).sum() or 1.0
        return right / (np.finfo(np.float64).eps * scale)
    try:
        return cho_solve(cho_factor(covariance), right)
    except LinAlgError:
        values, axes = np.linalg.eigh(covariance)
        values = np.maximum(values, len(values) * np.finfo(np.float64).eps * values[-1])
        return axes @ ((axes.T @ right) / values[:, None])


def softmax(scores) -> np.ndarray:
    """Row-wise softmax."""
    scores = np.exp(scores - scores.max(axis=1, keepdims=True))
    return scores / scores.sum(axis=1, keepdims=True)
