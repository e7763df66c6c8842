"""DISCO: how much of the spectrum lies in components that tell classes apart."""

from __future__ import annotations

from typing import Annotated

import numpy as np

from tebench.base.errors import NotApplicable
from tebench.baselines.discriminant import softmax
from tebench.metrics.parameters import Interval
from tebench.metrics.registry import metric


@metric(
    name="disco",
    title="DISCO",
    paper="arXiv 2412.19085",
    direction="up",
    range=(0.0, 1.0),
    reads="moments",
    cost="moments",
    invariances=("scale", "rotation", "shift"),
)
def disco(moments, *, components: Annotated[int, Interval(1)] = 8) -> float:
    """Transferability of the spectral components of the features, each weighted by its share of the singular values.

    F = U diag(s) V' of the centred features; component g = the rows' coordinates along a group of successive singular
    directions, R_g = sum of its s over the sum of all, N_g = mean over the rows of the posterior that a nearest
    centroid classifier on that component alone gives to the true class:  DISCO = sum_g R_g N_g [paper].

    Details that are ours [choice]: directions go into `components` groups of nearly equal number, leading ones first;
    the classifier's posterior is a softmax of minus half the squared distance to the class means, in units of the
    component's variance within classes per direction; features are centred; every row counts, without the paper's
    selection of hard examples.

    components: number of groups; at most the numerical rank.

    moments: `tebench.metrics.moments.Moments` of (N, D) features.   Range [0, 1]; higher is better.
    Constant features: not applicable.
    Source: Zhang et al., "Assessing pre-trained models for transfer learning through distribution of spectral
    components", AAAI 2025, arXiv 2412.19085.
    """
    spectrum = moments.spectrum
    if not spectrum.rank:
        raise NotApplicable("the features are constant, so they have no spectral component.")
    groups = np.array_split(np.arange(spectrum.rank), min(components, spectrum.rank))
    centres = moments.offsets @ spectrum.axes
    within = spectrum.values**2 - moments.counts @ centres**2  # scatter inside classes along each direction
    scales = [
        max(within[own].sum(), 1e-12 * (spectrum.values[own] ** 2).sum()) / (moments.n * len(own)) for own in groups
    ]
    found = np.zeros(len(groups))
    for rows, block in moments.blocks():
        points = block @ spectrum.axes
        for g, (own, scale) in enumerate(zip(groups, scales, strict=True)):
            logits = (points[:, own] @ centres[:, own].T - (centres[:, own] ** 2).sum(axis=1) / 2) / scale
            found[g] += softmax(logits)[np.arange(len(block)), moments.codes[rows]].sum()
    shares = np.array([spectrum.values[own].sum() for own in groups]) / spectrum.values.sum()
    return float(shares @ found / moments.n)
