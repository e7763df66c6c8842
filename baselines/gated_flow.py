"""Gated flow: early learning everywhere and at the boundary, weighed by the number of structures."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

import numpy as np

from tebench.metrics.parameters import Interval
from tebench.metrics.registry import metric
from tebench.metrics.topology.fusion import over_pool, weight


@metric(
    name="gated_flow",
    title="Gated flow",
    paper="arXiv 2602.23916 (the gate), arXiv 1810.10082 (early stopping of gradient flow)",
    direction="up",
    range=(0.0, 1.0),
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
    time: Annotated[float, Interval(1e-9, 1e9)] = 1.0,
    balance: Literal["sample", "kept"] = "sample",
    strata: bool = True,
    anchors: bool = False,
) -> np.ndarray:
    """The paper's fusion over early learning: S = alpha N(gradient_flow) + (1 - alpha) N(boundary_flow).

    N = min-max over the candidate pool, alpha by the gate of `grtd_lbtc` [paper]: focal tasks are judged at their
    boundary, tasks of many structures everywhere. One predictor, asked in two places.

    parts: "everywhere" and "boundary", (K,) scores of the pool's encoders.   n_foreground: |C|, foreground classes.
    gate, gamma, beta, alpha: as in `grtd_lbtc`.
    time, balance, strata, anchors: handed to the parts. By default the global part is asked in the foreground and
        background strata, the boundary part at patch members, as the form was first tried.
    Returns (K,) in [0, 1], higher is better. Another pool, other scores.

    >>> import numpy
    >>> parts = {"everywhere": numpy.array([0.2, 0.4]), "boundary": numpy.array([0.5, 0.3])}
    >>> gated_flow(parts, 3, gate="fixed", alpha=0.75).round(12).tolist()
    [0.25, 0.75]
    """
    share = weight(n_foreground, gate, gamma, beta, alpha)
    everywhere, boundary = (over_pool(parts[name], name) for name in ("everywhere", "boundary"))
    return share * everywhere + (1 - share) * boundary
