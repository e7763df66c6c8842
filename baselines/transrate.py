"""TransRate: coding rate of the features minus that of the classes."""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np

from tebench.metrics.parameters import Interval
from tebench.metrics.registry import metric


@metric(
    name="transrate",
    title="TransRate",
    paper="arXiv 2106.09362",
    direction="up",
    range=(-np.inf, np.inf),
    reads="moments",
    cost="moments",
    invariances=("rotation", "shift"),
    disagreements=(
        "tllib and EMMS average the class rates with weight 1/C: 44.69 where 12.20 (n_c / N) is right at 14 classes",
        "the authors' repository normalises rows and eigenvalues and picks eps for each table: 0.0797 for 5.572",
    ),
)
def transrate(
    moments,
    *,
    eps: Annotated[float, Interval(1e-300)] = 1e-4,
    weights: Literal["frequency", "uniform"] = "frequency",
) -> float:
    """Rate of the features minus the mean rate of the classes: how much the label shortens the code.

    R(Z) - sum_c w_c R(Z_c),  R(Z) = log det(I + Z'Z / (n eps)) / 2, Z centred once over the whole sample
    (the Z_c are not centred again) [paper].
    eps: squared distortion, frozen here [choice: the authors choose it for each table]; it makes the score
    depend on the features' scale.   weights: w_c = n_c / N, an expectation over labels and never negative, or
    1 / C as the paper's listing has it.

    moments: `tebench.metrics.moments.Moments` of (N, D) features.   Returns nats; higher is better.
    Source: Huang et al., ICML 2022, arXiv 2106.09362.
    """
    n, spectrum = moments.n, moments.spectrum
    values = np.concatenate([spectrum.values, spectrum.rest])
    whole = np.log1p(values**2 / (n * eps)).sum() / 2
    rates = np.array([_class_rate(moments, c, eps) for c in range(moments.c)])
    share = moments.counts / n if weights == "frequency" else np.full(moments.c, 1 / moments.c)
    return float(whole - share @ rates)


def _class_rate(moments, c, eps) -> float:
    """Half log det of I + Z_c'Z_c / (n_c eps), rows about the overall mean."""
    count, offset, factor = moments.counts[c], moments.offsets[c], moments.factor(c)
    if factor is not None:
        values = np.linalg.svd(np.concatenate([factor, np.sqrt(count) * offset[None]]), compute_uv=False)
        return np.log1p(values**2 / (count * eps)).sum() / 2
    gram = (moments.scatter(c) / count + np.outer(offset, offset)) / eps
    return np.log(np.diagonal(np.linalg.cholesky(np.eye(moments.d) + gram))).sum()
