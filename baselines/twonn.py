"""TwoNN: the intrinsic dimension of the features, from two neighbours."""

from __future__ import annotations

from typing import Annotated

import numpy as np

from tebench.base.errors import NotApplicable
from tebench.baselines.spectra import NO_LABELS
from tebench.metrics.parameters import Interval
from tebench.metrics.registry import metric
from tebench.metrics.topology.labelled_tree import group_rows


@metric(
    name="twonn",
    title="TwoNN dimension",
    paper="doi:10.1038/s41598-017-11873-y; arXiv 2401.08865",
    direction="down",
    range=(0.0, np.inf),
    reads="matrix",
    cost="quadratic",
    invariances=("scale", "rotation", "shift"),
    not_monotone=NO_LABELS,
)
def twonn(features, labels, *, kept: Annotated[float, Interval(0.1, 1.0)] = 0.9) -> float:
    """Intrinsic dimension from the ratio of the distances to the second and the first nearest neighbour.

    Where the density hardly changes over two neighbours, m = r2 / r1 follows the Pareto law 1 - F(m) = m^-d. With m
    sorted and F_i = i / N, d = slope through the origin of -log(1 - F_i) on log m_i by least squares over the lower
    share `kept`, since the largest ratios are those that leave the law [paper: 0.9]. Labels are not read.

    Identical rows (voxels of one feature cell) are one point [choice]. The neighbours are exact.

    kept: share of the sorted ratios that enter.

    features: (N, D).   Range (0, inf); lower is better: medical networks generalise worse as the dimension grows
    (arXiv 2401.08865). Fewer than 20 distinct rows: not applicable.
    Source: Facco et al., "Estimating the intrinsic dimension of datasets by a minimal neighborhood information",
    Scientific Reports 7, 2017, doi:10.1038/s41598-017-11873-y; Konz, Mazurowski, ICLR 2024, arXiv 2401.08865.
    """
    from tebench.graphs import knn

    points = features[group_rows(features)[1]]
    if len(points) < 20:
        raise NotApplicable(f"needs at least 20 distinct rows of features, and the sample has {len(points)}.")
    _, distances = knn(points, 2)
    ratios = np.sort(np.log(distances[:, 1] / distances[:, 0]))
    n = min(int(kept * len(ratios)), len(ratios) - 1)  # of the largest, 1 - F = 0 has no logarithm
    ratios, level = ratios[:n], -np.log1p(-np.arange(1, n + 1) / len(ratios))
    if not ratios.any():
        raise NotApplicable("all neighbours are equally far, so their ratios show no dimension.")
    return float(ratios @ level / (ratios @ ratios))
