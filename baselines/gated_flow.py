"""Gated flow: early learning everywhere and at the boundary, weighed by the number of structures."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

import numpy as np

from tebench.metrics.parameters import Interval
from tebench.metrics.registry import metric
from tebench.metrics.topology.fusion import weight


@metric(
    name="gated_flow",
    title="Gated flow",
    paper="arXiv 2602.23916 (the gate), arXiv 1810.10082 (early stopping of gradient flow)",
    direction="up",
    range=(-np.inf, np.inf),
    reads="parts",
    cost="linear",
    parts={"everywhere": "gradient_flow", "boundary": "boundary_flow"},
    invariances=("scale", "shift"),
)
def gated_flow(
    parts: Mapping[str, np.ndarray],
    n_foreground: int,
    *,
    gate: Literal["released", "sigmoid", "fixed"] = "released",
    gamma: float | None = None,
    beta: float | None = None,
    alpha: Annotated[float, Interval(0.0, 1.0)] = 0.5,
    time: Annotated[float, Interval(0.0, 1e9)] = 1.0,
) -> np.ndarray:
    """The paper's fusion over early learning: S = alpha Z(gradient_flow) + (1 - alpha) Z(boundary_flow).

    Z(s) = (s - mean) / SD over the candidate pool (ddof 0), 0 for a part that is the same for all [choice; the paper
    scales by minimum and maximum]. alpha by the gate of `grtd_lbtc`: focal tasks are judged at their boundary, tasks
    of many structures everywhere.

    parts: "everywhere" and "boundary", (K,) scores of the pool's encoders.   n_foreground: |C|, foreground classes.
    gate, gamma, beta, alpha: as in `grtd_lbtc`.   time: handed to both parts.
    Returns (K,), higher is better; mean 0 over the pool. Another pool, other scores.

    >>> import numpy
    >>> parts = {"everywhere": numpy.array([0.2, 0.4]), "boundary": numpy.array([0.5, 0.3])}
    >>> gated_flow(parts, 3, gate="fixed", alpha=0.75).round(12).tolist()
    [-0.5, 0.5]
    """
    share = weight(n_foreground, gate, gamma, beta, alpha)
    return share * over_pool(parts["everywhere"]) + (1 - share) * over_pool(parts["boundary"])


def over_pool(scores) -> np.ndarray:
    """(s - mean) / SD over the pool; 0 for all where no two differ by more than rounding."""
    scores = np.asarray(scores, dtype=np.float64)
    spread = scores.std()
    if spread <= 1e-12 * np.abs(scores).max():
        return np.zeros(len(scores))
    return (scores - scores.mean()) / spread
