"""Early-stopped probes: how far a readout gets on an encoder's features in a given time of gradient flow."""

from __future__ import annotations

from typing import Annotated

import numpy as np

from tebench.base.errors import NotApplicable
from tebench.baselines.case_folds import Fold, leave_one_case_out, standardised
from tebench.metrics.parameters import Interval
from tebench.metrics.registry import metric

_FACTS = {
    "paper": "arXiv 1810.10082 (early stopping of gradient flow), arXiv 1610.01644 (linear probes)",
    "direction": "up",
    "range": (0.0, 1.0),
    "cost": "linear",
    "stages": "encoder",
    "invariances": ("scale", "shift"),
}
Time = Annotated[float, Interval(0.0, 1e9)]


@metric(name="gradient_flow", title="Gradient flow", reads="cases", **_FACTS)
def gradient_flow(features, labels, cases, *, time: Time = 1.0) -> float:
    """Recall of a linear readout after a short time of gradient flow, on the case that it has not seen.

    Fine-tuning starts with a readout on the encoder's features, and a short budget ends before that readout is fitted.
    The readout x -> W'(x - m) learned by gradient flow from W = 0 on half the weighted squared error obeys
        dW/dt = b - A W,        W(t) = A^-1 (1 - exp(-A t)) b,
    A = weighted covariance of the features, b = weighted covariance of features and one-hot labels. With A = V diag(l)
    V' each direction has after time t made the share 1 - exp(-l t) of its way: the strong ones are learned first. Time
    is counted in units of the largest eigenvalue, t = T / l_max, which makes it free of scale and is the unit in which
    the step of gradient descent is bounded (below 2 / l_max):
        W(T) = V diag((1 - exp(-T l / l_max)) / l) V' b,        T / l_max in place of the fraction where l = 0.
    A high score needs labels that lie in strong directions and a spectrum flat enough for many directions to move.

    - T -> 0: W ~ b, classification by the inner product with class means minus their mean (a prototype classifier,
      nothing whitened).   T -> infinity: W = A^+ b, the class-balanced least-squares probe. T is one dial between both.
    - Kernel alignment: the loss falls at t = 0 by |b|^2 = <K, L>, the inner product of the weighted centred Gram
      matrices of features and labels, whose cosine is the centred kernel alignment (CKA).
    - Ridge with l_max / T on the diagonal moves a direction by u / (1 + u) in place of 1 - exp(-u), u = T l / l_max:
      equal at both ends, at most 1.30 times less between (arXiv 1810.10082 bounds the risks' ratio by 1.69).

    In this order: each channel standardised within each case, as the instance normalisation of a decoder does; every
    class of equal mass over the cases that are kept, background too; one case left out at a time; score = mean over the
    classes of the case left out of the share of their rows whose largest output is their own, mean over cases. All
    [choice]. A class that only the case left out has counts as missed; where nothing can be learned (constant features)
    every class gets its share by chance, 1 / C.
    From sums by case and class: N D^2 once, one eigendecomposition for each case, never N x N.

    time: T. The default is one e-folding of the leading direction, the shortest time after which anything is learned
        (63 % of the way): that of a budget which ends while the readout still learns. Longer budgets should ask for
        larger T [choice].

    features: (N, D).   labels: (N,).   cases: (N,).   Range [0, 1]; higher is better; chance 1 / C. Mean over the
    encoder's stages. Fewer than two cases: not applicable.
    Source: Ali, Kolter, Tibshirani, "A continuous-time view of early stopping for least squares regression", AISTATS
    2019, arXiv 1810.10082, for the flow; its use as a transferability metric is ours.
    """
    return held_out_recall(standardised(features, cases), labels, cases, time)


@metric(name="boundary_flow", title="Boundary flow", reads="patches", **_FACTS)
def boundary_flow(features, labels, cases, patches, *, time: Time = 1.0) -> float:
    """`gradient_flow` judged where structures meet: the readout's recall in the boundary patches of the case left out.

    The same predictor W(T), fitted on the rows outside the patches of all cases but one. Its recall, mean over
    classes, is taken over the anchors and the patch members of the case left out: LBTC's idea that anatomical
    boundaries decide (arXiv 2602.23916), read from early learning instead of from trees. Channels are standardised
    within each case over all its rows. All [choice].

    time: T, as in `gradient_flow`.

    features: (N, D), all rows of the sample.   labels, cases: (N,).   patches: (P, V) row indices, -1 pads.
    Range [0, 1]; higher is better. Mean over the encoder's stages. Fewer than two cases, a sample of patches only:
    not applicable.
    """
    inside = np.zeros(len(labels), dtype=bool)
    inside[patches[patches >= 0]] = True
    return held_out_recall(standardised(features, cases), labels, cases, time, judged=inside, fitted=~inside)


def held_out_recall(points, labels, cases, time, *, judged=None, fitted=None) -> float:
    """Mean over cases left out of the mean recall of the classes there, of the readout learned on the others.

    points: (N, D), standardised.   fitted, judged: (N,) bool, the rows that teach and those that are asked; all.
    A case without a row to judge counts for nothing.
    """
    everywhere = np.ones(len(labels), dtype=bool)
    fitted, judged = (everywhere if rows is None else rows for rows in (fitted, judged))
    if not fitted.any():
        raise NotApplicable("every row is in a boundary patch, so there is nothing to fit the readout on.")
    recalls = []
    for fold in leave_one_case_out(points[fitted], labels[fitted], cases[fitted]):
        asked = np.flatnonzero(judged & (cases == fold.case))
        if len(asked):
            recalls.append(_recall(fold, points[asked], labels[asked], time))
    if not recalls:
        raise NotApplicable("no case that can be left out has a row to judge.")
    return float(np.mean(recalls))


def _recall(fold: Fold, points, labels, time: float) -> float:
    """Mean over the classes of `labels` of the share of their rows that the readout gives to them."""
    present = np.unique(labels)
    weights = readout(fold, time)
    if not weights.any():
        return float(np.isin(present, fold.classes).mean() / len(fold.classes))
    right = fold.classes[((points - fold.mean) @ weights).argmax(axis=1)] == labels
    return float(np.mean([right[labels == c].mean() for c in present]))


def readout(fold: Fold, time: float) -> np.ndarray:
    """(D, C) W(T) without its factor T / l_max, which moves no argmax: V diag((1 - exp(-u)) / u) V' b."""
    values, axes = np.linalg.eigh(fold.gram)
    top, d = values[-1], len(values)
    real = values > d * np.finfo(np.float64).eps * max(top, 0)
    if not real.any():
        return np.zeros_like(fold.cross)
    moved = time * values[real] / top
    share = np.divide(-np.expm1(-moved), moved, out=np.ones_like(moved), where=moved > 0)
    return axes[:, real] @ (share[:, None] * (axes[:, real].T @ fold.cross))
