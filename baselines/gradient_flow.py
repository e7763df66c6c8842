"""Early-stopped probes: how far a readout gets on an encoder's features in a given time of gradient flow."""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np

from tebench.base.errors import NotApplicable
from tebench.baselines.case_folds import Fold, leave_one_case_out
from tebench.metrics.parameters import Interval
from tebench.metrics.registry import metric

_FACTS = {
    "paper": "arXiv 1810.10082 (early stopping of gradient flow), arXiv 1610.01644 (linear probes)",
    "direction": "up",
    "range": (0.0, 1.0),
    "cost": "linear",
    "stages": "encoder",
    "reads": "roles",
    "invariances": ("scale", "shift"),
}
Time = Annotated[float, Interval(1e-9, 1e9)]
Balance = Literal["sample", "kept"]


@metric(name="gradient_flow", title="Gradient flow", **_FACTS)
def gradient_flow(
    features, labels, cases, roles, *, time: Time = 1.0, balance: Balance = "sample", strata: bool = False
) -> float:
    """Recall of a linear readout after a short time of gradient flow, on the case that it has not seen.

    Fine-tuning starts with a readout on the encoder's features, and a short budget ends before that readout is fitted.
    The readout x -> W'(x - m) + q learned by gradient flow from W = 0 on half the weighted squared error obeys
        dW/dt = b - A W,        W(t) = A^-1 (1 - exp(-A t)) b,
    A = weighted covariance of the features, b = weighted covariance of features and one-hot labels, m and q their
    weighted means. With A = V diag(l) V' each direction has after time t made the share 1 - exp(-l t) of its way: the
    strong ones are learned first. Time is counted in units of the largest eigenvalue, t = T / l_max, which makes it
    free of scale and is the unit in which the step of gradient descent is bounded (below 2 / l_max):
        W(T) = V diag((1 - exp(-T l / l_max)) / l) V' b,        T / l_max in place of the fraction where l = 0.
    A high score needs labels that lie in strong directions and a spectrum flat enough for many directions to move.

    - T -> infinity: W = A^+ b, the class-balanced least-squares probe.   T -> 0: W ~ b, the inner product with class
      means minus their mean, nothing whitened: with balance="kept" a prototype classifier. T is one dial between both.
    - Kernel alignment: the loss falls at t = 0 by |b|^2 = <K, L>, the inner product of the weighted centred Gram
      matrices of features and labels, whose cosine is the centred kernel alignment (CKA).
    - Ridge with l_max / T on the diagonal moves a direction by u / (1 + u) in place of 1 - exp(-u), u = T l / l_max:
      equal at both ends, at most 1.30 times less between (arXiv 1810.10082 bounds the risks' ratio by 1.69).

    In this order: the rows that teach are all but the anchors (the foreground, background and global strata and patch
    members); each channel is standardised within each case, over the rows that teach or are asked, as the instance
    normalisation of a decoder does; a row of class c weighs 1 / n_c, so that every class has equal mass, background
    too; one case is left out at a time; each of its rows that are asked gets the class of the largest output; score =
    mean over classes of the share of their rows, over all cases left out, that get it. All [choice]. A class that no
    kept case has is missed; where nothing can be learned (constant features) every class gets its share by chance, 1/C.
    From sums by case and class: N D^2 once, one eigendecomposition for each case, never N x N.

    time: T. The default is one e-folding of the leading direction, the shortest time after which anything is learned
        (63 % of the way): that of a budget which ends while the readout still learns. Longer budgets should ask for
        larger T [choice].
    balance: where n_c is counted. "sample": in all cases, the form in which the metric was first tried; the classes'
        masses among the kept cases, q, then differ a little, and a class that the case left out is rich in starts
        behind, so T -> 0 ends in q alone. "kept": in the kept cases; q = 1 / C, and no label of the case left out is
        read before its answers are counted.
    strata: whether the foreground and background strata alone are asked; else all rows that teach.

    features: (N, D), all rows of the sample.   labels, cases: (N,).   roles: (N,) why each row was sampled.
    Range [0, 1]; higher is better; chance 1 / C. Mean over the encoder's stages; under stages=joint every channel
    counts alike, however many a stage has. Fewer than two cases: not applicable.
    Source: Ali, Kolter, Tibshirani, "A continuous-time view of early stopping for least squares regression", AISTATS
    2019, arXiv 1810.10082, for the flow; its use as a transferability metric is ours.
    """
    fitted = roles != "anchor"
    judged = np.isin(roles, ("foreground", "background")) if strata else fitted
    return held_out_recall(features, labels, cases, fitted, judged, time, balance)


@metric(name="boundary_flow", title="Boundary flow", **_FACTS)
def boundary_flow(
    features, labels, cases, roles, *, time: Time = 1.0, balance: Balance = "sample", anchors: bool = True
) -> float:
    """`gradient_flow` judged where structures meet: the readout's recall in the boundary patches of the case left out.

    The same predictor, fitted on all rows but the anchors (each anchor's patch members are among them) and asked at
    anchors and patch members: LBTC's idea that anatomical boundaries decide (arXiv 2602.23916), read from early
    learning instead of from trees. Everything else as in `gradient_flow`. All [choice].

    time, balance: as in `gradient_flow`.
    anchors: whether the anchors are asked too, or the patch members alone.

    features: (N, D), all rows of the sample.   labels, cases: (N,).   roles: (N,) why each row was sampled.
    Range [0, 1]; higher is better. Mean over the encoder's stages. Fewer than two cases, a sample without patches: not
    applicable.
    """
    judged = np.isin(roles, ("anchor", "member") if anchors else ("member",))
    return held_out_recall(features, labels, cases, roles != "anchor", judged, time, balance)


def held_out_recall(features, labels, cases, fitted, judged, time, balance) -> float:
    """Mean over classes of the share of judged rows that the readout, learned on the other cases, gives to them.

    fitted, judged: (N,) bool, the rows that teach and those that are asked; both give each case its mean and SD.
    """
    right, known = np.full(len(labels), np.nan), fitted | judged
    for fold in leave_one_case_out(features, labels, cases, fitted=fitted, known=known, kept=balance == "kept"):
        asked = np.flatnonzero(judged & (cases == fold.case))
        right[asked] = _right(fold, features[asked], labels[asked], time)
    asked = ~np.isnan(right)
    if not asked.any():
        raise NotApplicable("the sample has no row of the kind that is to be judged.")
    right, labels = right[asked], labels[asked]
    return float(np.mean([right[labels == c].mean() for c in np.unique(labels)]))


def _right(fold: Fold, rows, labels, time: float) -> np.ndarray:
    """(n,) 1 where the readout gives a row to its class, 0 where not; by chance where it has learned nothing."""
    weights = readout(fold, time)
    if not weights.any():
        return np.isin(labels, fold.classes) / len(fold.classes)
    outputs = fold.standardised(rows) @ weights + fold.shares
    return fold.classes[outputs.argmax(axis=1)] == labels


def readout(fold: Fold, time: float) -> np.ndarray:
    """(D, C) W(T); directions below the numerical rank stay where they are."""
    values, axes = np.linalg.eigh(fold.gram)
    top, d = values[-1], len(values)
    real = values > d * np.finfo(np.float64).eps * max(top, 0)
    if not real.any():
        return np.zeros_like(fold.cross)
    values, axes = values[real], axes[:, real]
    moved = -np.expm1(-time * values / top) / values
    return axes @ (moved[:, None] * (axes.T @ fold.cross))
