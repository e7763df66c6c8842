"""Representation topology divergence (RTD)."""

from __future__ import annotations

from typing import Annotated

import numpy as np

from tebench.base.errors import NotApplicable
from tebench.metrics.parameters import Interval
from tebench.metrics.registry import metric
from tebench.metrics.topology.cross_barcode import cross_barcode
from tebench.metrics.topology.label_barcode import features_first, labels_first


@metric(
    name="rtd",
    title="RTD",
    paper="arXiv:2201.00058",
    direction="down",
    range=(0.0, np.inf),
    reads="matrix",
    cost="quadratic",
    invariances=("scale", "rotation", "shift"),
    disagreements=(
        "None in value: 20.9741062 by public code, 20.9741063 here (`rtd_distance`, 300 points); public code takes "
        "minutes for 500 points against labels.",
    ),
)
def rtd(
    features: np.ndarray,
    labels: np.ndarray,
    *,
    quantile: Annotated[float, Interval(0.0, 1.0)] = 0.9,
    max_points: Annotated[int, Interval(4)] = 500,
    seed: Annotated[int, Interval(0)] = 0,
) -> float:
    """RTD between the features and the one-hot labels.

    `rtd_distance` with one-hot labels as the second view, by the shortcuts of `label_barcode`.
    features: (N, D).   labels: (N,) in 0..C-1.   Returns a float >= 0; lower is better.
    quantile: which quantile of all N^2 distances is the unit of each view [released: 0.9].
    max_points: rows that enter at most, drawn from `seed`, the same for every encoder [choice: the size of the
    batches that the authors average over]. A sum of bars grows with their number: compare equal sizes only.
    Not applicable where the quantile of a view's distances is 0 (see `rtd_lite`).
    Rows and stage: all rows pooled, last encoder stage [choice].

    >>> import numpy
    >>> round(rtd(numpy.array([[0.0], [1.0], [4.0], [6.0]]), numpy.array([0, 0, 1, 1])), 6)
    0.5
    """
    if len(labels) > max_points:
        rows = np.sort(np.random.default_rng(seed).choice(len(labels), max_points, replace=False))
        features, labels = features[rows], labels[rows]
    _, labels = np.unique(labels, return_inverse=True)
    distances = _distances(features, quantile)
    between = _distances(np.eye(int(labels.max()) + 1)[labels], quantile).max()
    return float(features_first(distances, labels, between) + labels_first(distances, labels, between)) / 2.0


def rtd_distance(first: np.ndarray, second: np.ndarray, *, quantile: float = 0.9) -> float:
    """RTD between two views of the same N rows: the mean over both directions of the total length of the H1 bars.

    w, w~ = Euclidean distance matrices of the views, each divided by its 0.9-quantile over all N^2 entries;
    bars of H1 of the 2N x 2N matrix [[0, w+^T], [w+, min(w, w~)]] (w+: w above the diagonal, infinite below),
    then with w and w~ exchanged. Barannikov et al. (ICML 2022). Exact, see `cross_barcode`.

    first: (N, D1), second: (N, D2).   Returns a float >= 0; 0 for identical views. Symmetric. N x N matrices
    are held: N in the hundreds.
    """
    one, two = (_distances(view, quantile) for view in (first, second))
    return float(sum(np.diff(cross_barcode(*pair)).sum() for pair in ((one, two), (two, one))) / 2.0)


def _distances(view: np.ndarray, quantile: float) -> np.ndarray:
    view = np.asarray(view, dtype=np.float64)
    distances = np.empty((len(view), len(view)))
    for i, row in enumerate(view):
        distances[i] = np.sqrt(((view - row) ** 2).sum(axis=1))
    unit = np.quantile(distances, quantile)
    if not unit > 0:
        raise NotApplicable(
            f"the {quantile}-quantile of a view's distances is 0 (too many rows are equal), so they have no unit."
        )
    return distances / unit
