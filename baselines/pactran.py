"""PACTran: PAC-Bayes bounds on the loss of a linear head, or of a head on source classes."""

from __future__ import annotations

from typing import Annotated

import numpy as np

from tebench.baselines.discriminant import softmax
from tebench.baselines.leep import check_probabilities, class_sums
from tebench.metrics.parameters import Interval
from tebench.metrics.registry import metric
from tebench.metrics.topology.labelled_tree import group_rows

PAPER = "arXiv 2203.05126"
GUARD = 1e-10  # in prior and logarithm, as released: it shifts values in the 9th digit


@metric(
    name="pactran",
    title="PACTran (Gauss)",
    paper=PAPER,
    direction="up",
    range=(-np.inf, 0.0),
    reads="moments",
    cost="iterative",
    invariances=("rotation", "shift"),
    disagreements=(
        "pactran_metrics reports the bound (lower is better), subtracts the mean from its input in place and starts "
        "at random; ETran's copy stops after 10 L-BFGS steps: -3.3074 where the bound is -3.3151",
    ),
)
def pactran(
    moments,
    *,
    strength: Annotated[float, Interval(1e-6)] = 1.0,
    prior: Annotated[float, Interval(0)] = 100.0,
    max_iter: Annotated[int, Interval(1)] = 200,
) -> float:
    """Minus the PAC-Bayes bound of a softmax head with a Gaussian prior on its weights.

    With b = strength N and a head (w, v) on the centred features, w (D, C) and v (C,),
        L = min_{w, v} mean cross-entropy + |w|^2 / (2 b),
        score = - L - (prior / D) (D C / (2 b)) log(1 + b tr H / (D C)),
    tr H = sum_n sum_c p_nc (1 - p_nc) (|x_n|^2 + 1), the Hessian's trace summed, not averaged, over the samples
    [released]. L is convex and minimised to convergence from zero, in whitened coordinates (L-BFGS).

    strength, prior: 1 and 100 as released; the authors also try strength 0.1 and 10, prior 10 and 1000.
    max_iter: limit of L-BFGS steps.

    moments: `Moments` of (N, D) features.   Returns nats, range (-inf, 0]; higher is better; depends on
    scale.
    Source: Ding et al., ECCV 2022, arXiv 2203.05126.
    """
    from scipy.optimize import minimize

    n, d, c, spectrum = moments.n, moments.d, moments.c, moments.spectrum
    b = strength * n
    whiten = spectrum.axes * (np.sqrt(n) / spectrum.values)
    centred = np.concatenate([block for _, block in moments.blocks()])
    group, first = group_rows(centred)  # voxels inside one feature cell are one row, as often as they are there
    table = np.bincount(group * c + moments.codes, minlength=len(first) * c).reshape(-1, c)
    times, norms = table.sum(axis=1), np.einsum("ij,ij->i", centred[first], centred[first])
    ones = np.column_stack([centred[first] @ whiten, np.ones(len(first))])
    # |w|^2 in the whitened coordinates; the intercepts are free
    penalty = np.append(n / spectrum.values**2, 0.0)[:, None] / b
    sums = ones.T @ table

    def loss(theta):
        theta = theta.reshape(-1, c)
        logits = ones @ theta
        top = logits.max(axis=1)
        logits -= top[:, None]
        np.exp(logits, out=logits)
        total = logits.sum(axis=1)
        logits *= (times / total)[:, None]
        value = times @ (np.log(total) + top) - (sums * theta).sum()
        gradient = ones.T @ logits - sums
        return value / n + (penalty * theta**2).sum() / 2, (gradient / n + penalty * theta).ravel()

    start = np.zeros((spectrum.rank + 1, c))
    start[-1] = np.log(moments.counts / n)
    options = {"maxiter": max_iter, "ftol": 1e-13, "gtol": 1e-9, "maxcor": 20}
    found = minimize(loss, start.ravel(), jac=True, method="L-BFGS-B", options=options)
    p = softmax(ones @ found.x.reshape(-1, c))
    trace = np.einsum("nc,n->", p * (1 - p), times * (norms + 1))
    flatness = prior / d * d * c / (2 * b) * np.log1p(b * trace / (d * c))
    return float(-max(found.fun, 0.0) - flatness)


def _evidence_steps(probabilities, labels, alpha):
    theta, codes, n_classes = check_probabilities(probabilities, labels)
    prior = alpha * np.bincount(codes, minlength=n_classes)[:, None] / len(codes) + GUARD
    return theta, codes, n_classes, prior


@metric(
    name="pactran_dirichlet",
    title="PACTran (Dirichlet)",
    paper=PAPER,
    direction="up",
    range=(-np.inf, np.inf),
    reads="probabilities",
    cost="iterative",
    disagreements=("pactran_metrics reports the bound (lower is better): 0.2883 for -0.2883",),
)
def pactran_dirichlet(
    probabilities,
    labels,
    *,
    alpha: Annotated[float, Interval(1e-6)] = 1.0,
    iterations: Annotated[int, Interval(1)] = 10,
) -> float:
    """Variational evidence per sample and class of labels drawn through source classes, Dirichlet prior.

    y | z ~ Categorical(w_z), w_z ~ Dirichlet(a_0), a_0y = alpha n_y / N, z_i ~ theta_i. Alternate
        a_yz = a_0y + sum_{i: y_i = y} q_iz,   log q_iz = log theta_iz + psi(a_{y_i z}) - psi(sum_y a_yz) + const;
        score = (sum_z [log B(a_z) - log B(a_0)] - sum_i KL(q_i || theta_i)) / (N C),
    B the multivariate beta function. The division by C as well is the authors' code [released].

    probabilities: (N, S) of the encoder's source head.   labels: (N,).
    alpha, iterations: 1 and 10 as released.   Returns nats; higher is better.
    Source: Ding et al., ECCV 2022, arXiv 2203.05126.
    """
    from scipy.special import digamma, gammaln

    theta, codes, n_classes, prior = _evidence_steps(probabilities, labels, alpha)
    q, log_theta = theta, np.log(theta + GUARD)
    for _ in range(iterations):
        a = prior + class_sums(q, codes, n_classes)
        log_q = _normalized(log_theta + digamma(a)[codes] - digamma(a.sum(axis=0)))
        q = np.exp(log_q)
    beta = gammaln(a).sum(axis=0) - gammaln(a.sum(axis=0))
    beta_prior = gammaln(prior).sum() - gammaln(prior.sum())
    evidence = (beta - beta_prior).sum() - (q * (log_q - log_theta)).sum()
    return float(evidence / (len(codes) * n_classes))


@metric(
    name="pactran_gamma",
    title="PACTran (Gamma)",
    paper=PAPER,
    direction="up",
    range=(-np.inf, np.inf),
    reads="probabilities",
    cost="iterative",
    disagreements=("pactran_metrics reports the bound (lower is better): 1.2865 for -1.2865",),
)
def pactran_gamma(
    probabilities,
    labels,
    *,
    alpha: Annotated[float, Interval(1e-6)] = 1.0,
    iterations: Annotated[int, Interval(1)] = 10,
) -> float:
    """As `pactran_dirichlet` with unnormalised weights w_yz ~ Gamma(a_0y, 1) and a linearised normaliser.

        a_yz = a_0y + sum_{i: y_i = y} q_iz,   log q_iz = log theta_iz + psi(a_{y_i z}) + const,
        l_i = sum_z theta_iz sum_y a_yz  (of the a of the same step),
        score = (sum_yz [log Gamma(a_yz) - log Gamma(a_0y)] - sum_i [KL(q_i || theta_i) + log l_i - 1]) / (N C) - 1.

    probabilities: (N, S) of the encoder's source head.   labels: (N,).
    alpha, iterations: 1 and 10 as released.   Returns nats; higher is better.
    Source: Ding et al., ECCV 2022, arXiv 2203.05126.
    """
    from scipy.special import digamma, gammaln

    theta, codes, n_classes, prior = _evidence_steps(probabilities, labels, alpha)
    q, log_theta = theta, np.log(theta + GUARD)
    for _ in range(iterations):
        a = prior + class_sums(q, codes, n_classes)
        log_q = _normalized(log_theta + digamma(a)[codes])
        q = np.exp(log_q)
    normaliser = theta @ a.sum(axis=0)
    evidence = (gammaln(a) - gammaln(prior)).sum() - (q * (log_q - log_theta)).sum() - (np.log(normaliser) - 1).sum()
    return float(evidence / (len(codes) * n_classes) - 1)


def _normalized(logits):
    top = logits.max(axis=1, keepdims=True)
    return logits - top - np.log(np.exp(logits - top).sum(axis=1, keepdims=True))
