"""LBTC as the authors' later code computes it."""

from __future__ import annotations

from typing import Annotated

import numpy as np

from tebench.metrics.parameters import Interval
from tebench.metrics.registry import metric
from tebench.metrics.topology.lbtc import consistency
from tebench.metrics.topology.patches import feature_patches


@metric(
    name="lbtc_released",
    title="LBTC (released code)",
    paper="arXiv:2602.23916, released code",
    direction="up",
    range=(0.0, 1.0),
    reads="patches",
    cost="trees",
    stages="encoder[-3:]",
    invariances=("scale", "rotation", "shift"),
    disagreements=(
        "Edges at the anchor are lost (3.4 to 3.8 of 15 on average on 16-d Gaussians): 0.657 where exact trees on the "
        "same patches give 0.560 (two classes, 1 apart).",
    ),
    not_monotone="rises with separation (two 16-d Gaussians of 256 rows: 0.592 at 0, 0.786 at 2, 0.905 at 4) only "
    "while some feature patch holds two labels; patches of one label are skipped, and at 8 apart none is left.",
)
def lbtc_released(
    features: np.ndarray,
    labels: np.ndarray,
    cases: np.ndarray,
    patches: np.ndarray,
    *,
    size: Annotated[int, Interval(2)] = 16,
) -> float:
    """LBTC on patches in feature space, with every tree edge at the anchor left out [released].

    As `lbtc(patch="feature")`, except for the edges: the released Prim routine starts with parent = -1 and
    keeps an edge only where the parent is not -1, so each edge at the first vertex, always the anchor, is
    lost. The leakage still divides by |V_k| - 1 [choice: the released divisor is not known to us].

    features: (N, D).   labels, cases: (N,).   patches: (P, V), of which the first column (anchors) is read.
    Returns a float in [0, 1]; higher is better. A patch whose only cross-label edges start at its anchor
    counts as perfect.
    Ties of identical rows are broken by row order.
    """
    return consistency(features, labels, feature_patches(features, cases, patches[:, 0], size), drop_anchor=True)
