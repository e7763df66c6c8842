"""The published score: GRTD and LBTC, each normalised over the candidate pool, joined by a gate."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, Literal

import numpy as np

from tebench.base.errors import InputError
from tebench.metrics.parameters import Interval
from tebench.metrics.registry import metric

_FACTS = {
    "direction": "up",
    "range": (0.0, 1.0),
    "reads": "parts",
    "cost": "trees",
}


@metric(
    name="grtd_lbtc",
    title="GRTD + LBTC",
    paper="arXiv:2602.23916",
    parts={"grtd": "grtd", "lbtc": "lbtc"},
    invariances=("rotation", "shift"),
    **_FACTS,
)
def grtd_lbtc(
    parts: Mapping[str, np.ndarray],
    n_foreground: int,
    *,
    gate: Literal["released", "sigmoid", "fixed"] = "released",
    gamma: float | None = None,
    beta: float | None = None,
    alpha: Annotated[float, Interval(0.0, 1.0)] = 0.5,
    patch: Literal["spatial", "feature"] = "spatial",
) -> np.ndarray:
    """The paper's score: S = alpha N(T_GRTD) + (1 - alpha) N(T_LBTC), N = min-max over the candidate pool.

    parts: "grtd" and "lbtc", (K,) scores of the pool's encoders.   n_foreground: |C|, foreground classes.
    Returns (K,) in [0, 1], higher is better. Adding or removing an encoder changes every value [paper].
    gate: how alpha follows from |C|, kappa = log|C|.
    - "released": alpha = tanh(kappa / 2) = (|C| - 1) / (|C| + 1) [released; default].
    - "sigmoid": alpha = 1 / (1 + exp(-(gamma kappa + beta))) [paper]; gamma and beta were fitted on 10 pilot
      cases and are not published, so both must be given.
    - "fixed": alpha as given.
    patch: handed to `lbtc`.
    A part that is the same for all encoders says nothing about them: it counts 0.5 for each [choice].
    The sum is 0 for the worst and 1 for the best encoder only where both parts agree on it.

    >>> import numpy
    >>> parts = {"grtd": numpy.array([-4.0, -2.0, -3.0]), "lbtc": numpy.array([0.5, 0.7, 0.9])}
    >>> grtd_lbtc(parts, 3).round(12).tolist()
    [0.0, 0.75, 0.75]
    """
    return fuse(parts, weight(n_foreground, gate, gamma, beta, alpha))


@metric(
    name="grtd_relative_lbtc",
    title="GRTD (relative) + LBTC (ours)",
    paper="this suite; after arXiv:2602.23916",
    parts={"grtd": "grtd_relative", "lbtc": "lbtc"},
    invariances=("scale", "rotation", "shift"),
    **_FACTS,
)
def grtd_relative_lbtc(
    parts: Mapping[str, np.ndarray],
    n_foreground: int,
    *,
    gate: Literal["released", "sigmoid", "fixed"] = "released",
    gamma: float | None = None,
    beta: float | None = None,
    alpha: Annotated[float, Interval(0.0, 1.0)] = 0.5,
    patch: Literal["spatial", "feature"] = "spatial",
) -> np.ndarray:
    """The paper's fusion with `grtd_relative` in the place of `grtd` [choice]; everything else as in `grtd_lbtc`."""
    return fuse(parts, weight(n_foreground, gate, gamma, beta, alpha))


@metric(
    name="grtd_lbtc_released",
    title="GRTD + LBTC (released code)",
    paper="arXiv:2602.23916, released code",
    parts={"grtd": "grtd_released", "lbtc": "lbtc_released"},
    invariances=("rotation", "shift"),
    **_FACTS,
)
def grtd_lbtc_released(parts: Mapping[str, np.ndarray], n_foreground: int) -> np.ndarray:
    """The released fusion of `grtd_released` and `lbtc_released`; gate tanh(log|C| / 2) [released].

    Stages are averaged with equal weights here; the released code weights them by a Gaussian [choice].
    """
    return fuse(parts, weight(n_foreground, "released", None, None, 0.5))


def weight(n_foreground: int, gate: str, gamma: float | None, beta: float | None, alpha: float) -> float:
    """alpha in [0, 1], the weight of the global part."""
    if gate == "fixed":
        return alpha
    if n_foreground < 1:
        raise InputError(f"n_foreground must be at least 1 for gate={gate}, got {n_foreground}.")
    if gate == "released":
        return (n_foreground - 1) / (n_foreground + 1)
    if gamma is None or beta is None:
        raise InputError(
            "gate=sigmoid needs both gamma and beta: the paper does not publish its values. Give them, or use "
            "gate=released or gate=fixed."
        )
    argument = gamma * math.log(n_foreground) + beta
    return 0.5 * (1.0 + math.tanh(0.5 * argument))  # the logistic function, without overflow


def fuse(parts: Mapping[str, np.ndarray], alpha: float) -> np.ndarray:
    """alpha N(grtd) + (1 - alpha) N(lbtc) over the pool."""
    return alpha * over_pool(parts["grtd"], "grtd") + (1.0 - alpha) * over_pool(parts["lbtc"], "lbtc")


def over_pool(scores: np.ndarray, part: str) -> np.ndarray:
    """Min-max over the pool: (s - min) / (max - min); 0.5 for all where no two scores differ."""
    scores = np.asarray(scores, dtype=np.float64)
    if scores.ndim != 1 or len(scores) < 2:
        raise InputError(
            f"part {part!r}: a pool-normalised score needs at least 2 encoders, got scores of shape {scores.shape}."
        )
    missing = np.flatnonzero(~np.isfinite(scores))
    if len(missing):
        raise InputError(
            f"part {part!r} is missing (not finite) for encoder number {missing.tolist()} of the pool of "
            f"{len(scores)} (counted from 0). Compute it, or leave those encoders out of the pool."
        )
    low, high = scores.min(), scores.max()
    # Differences at rounding level carry no information; min-max would blow them up to 0 and 1.
    if high - low <= 1e-12 * max(abs(low), abs(high)):
        return np.full(len(scores), 0.5)
    return (scores - low) / (high - low)
