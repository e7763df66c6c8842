"""PED: potential energy decline, class means repelled before another metric reads the features."""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np

from tebench.baselines.logme import logme
from tebench.baselines.nleep import nleep
from tebench.baselines.sfda import sfda
from tebench.metrics.parameters import Interval
from tebench.metrics.registry import metric


@metric(
    name="ped",
    title="PED",
    paper="arXiv 2308.15074",
    direction="up",
    range=(-np.inf, np.inf),
    reads="moments",
    cost="moments",
    invariances=("shift",),
    disagreements=(
        "the authors standardise with the mean and deviation of source features (ImageNet) and refuse without them; no "
        "source data is in a feature cache, so the target sample's own are taken: another coordinate system for the "
        "forces, not the published number",
        "the authors divide by the distance of class means, 0 / 0 where two coincide; such a pair does not push here",
    ),
)
def ped(
    moments,
    *,
    then: Literal["sfda", "logme", "nleep"] = "sfda",
    radius: Annotated[float, Interval(0)] = 0.6,
    step: Annotated[float, Interval(0)] = 0.1,
    steps: Annotated[int, Interval(0)] = 6,
    exit_ratio: Annotated[float, Interval(0, 1)] = 0.5,
    seed: Annotated[int, Interval(0)] = 0,
) -> float:
    """Another metric on features whose overlapping classes were pushed apart, as fine-tuning would.

    In standardised coordinates a class is a ball at its mean m_c with radius r_c = radius * sqrt(tr S_c). Two balls
    that overlap by o = max(r_c + r_k - |m_c - m_k|, 0) repel each other along the line of their means by
    min(step^2 / 2, 1) o: half of acceleration times time squared, the force being the overlap [released]. All pairs
    act at once; steps end before one whose motion sum |shift| falls to exit_ratio of the first's, at the latest after
    `steps` [released]. Each voxel moves with its class, then `then` scores the moved features.

    Standardised with the target sample's own mean and deviation [choice]; the authors take those of source features,
    which a benchmark of weights without source data does not have.

    then: metric of the moved features, with its defaults; range and direction are its own ("nleep" uses seed).
    radius: 0.6, or 0.3 [released, chosen for each table].   step: time of one step [released: 0.1].
    steps 0: no motion, the metric `then` itself.

    moments: `tebench.metrics.moments.Moments` of (N, D) features.   Higher is better.
    Source: Li et al., ICCV 2023, arXiv 2308.15074.
    """
    variances = moments.counts @ (moments.variances + moments.offsets**2) / moments.n
    scale = np.where(variances > 0, np.sqrt(variances), 1.0)
    shifts = repulsion(moments, scale, radius=radius, step=step, steps=steps, exit_ratio=exit_ratio)
    moved = moments.moved(shifts)
    if then == "sfda":
        return sfda(moved)
    return logme(moved) if then == "logme" else nleep(moved, seed=seed)


def repulsion(moments, scale, *, radius, step, steps, exit_ratio) -> np.ndarray:
    """(C, D) shift of each class, in the features' units. The classes move rigidly: means and spreads are enough."""
    radii = radius * np.sqrt((moments.variances / scale**2).sum(axis=1))
    start = moments.offsets / scale
    means, first = start.copy(), None
    for _ in range(steps):
        shift = push(means, radii, step)
        motion = np.abs(shift).sum()
        first = motion if first is None else first
        if not motion > exit_ratio * first:
            break
        means += shift
    return (means - start) * scale


def push(means, radii, step) -> np.ndarray:
    """(C, D) shift of every mean in one step."""
    between = means[:, None] - means
    distances = np.linalg.norm(between, axis=2)
    # a class does not push itself, nor does one at the same place up to rounding: there is no direction
    apart = distances > 1e-12 * radii.max()
    overlaps = np.maximum(radii[:, None] + radii - distances, 0)
    weights = np.where(apart, min(step**2 / 2, 1.0) * overlaps / np.where(apart, distances, 1), 0)
    return np.einsum("ck,ckd->cd", weights, between)
