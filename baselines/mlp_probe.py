"""MLP probe: Dice of a small network with one hidden layer, trained on the other cases."""

from __future__ import annotations

from typing import Annotated

import numpy as np

from tebench.baselines.case_folds import standardised
from tebench.baselines.foreground import LABEL_NAMES, case_rows, foreground_classes, mean_case_dice
from tebench.metrics.parameters import Interval
from tebench.metrics.registry import metric
from tebench.metrics.topology.labelled_tree import group_rows


@metric(
    name="mlp_probe",
    title="MLP probe",
    paper="arXiv 1610.01644 (classifier probes; here with one hidden layer)",
    direction="up",
    range=(0.0, 1.0),
    reads="cases",
    cost="iterative",
    invariances=("scale", "shift"),
    exceptions={"label names": LABEL_NAMES},
)
def mlp_probe(
    features,
    labels,
    cases,
    *,
    hidden: Annotated[int, Interval(1)] = 16,
    steps: Annotated[int, Interval(1)] = 60,
    rate: Annotated[float, Interval(1e-6, 1.0)] = 0.03,
    seed: int = 0,
    background: Annotated[int, Interval(0)] | None = 0,
) -> float:
    """Mean Dice of a network with one hidden layer on the features, leaving one case out.

    For each case: x -> B relu(A x + a) + b, trained on the voxels of the other cases by `steps` steps of Adam on their
    cross-entropy, all voxels in each step, every class of equal weight; a voxel of the case left out gets the class of
    the largest output. Dice of each foreground class in each case, averaged over the classes that the case has or is
    given, then over cases.

    A probe that is trained, not a closed form: what a readout that is not linear finds in the frozen features. Channels
    are standardised within each case. Weights start as N(0, 2 / D) and N(0, 1 / hidden), the same for every encoder of
    equal width [choice].

    hidden, steps, rate, seed: width, steps of Adam, its learning rate, seed of the weights.
    background: class that is not foreground, as index among the classes present (0: the lowest label); null: all count.

    features: (N, D).   labels: (N,).   cases: (N,).   Range [0, 1]; higher is better. Dice of the sample, not of the
    volume. Fewer than two cases: not applicable.
    Source: Alain, Bengio, arXiv 1610.01644, for probes; Adam: Kingma, Ba, arXiv 1412.6980.
    """
    rows = case_rows(cases)
    n_classes = int(labels.max()) + 1
    classes = foreground_classes(n_classes, background)
    points, predicted = standardised(features, cases), np.empty_like(labels)
    alike = group_rows(points)[0] * n_classes + labels  # voxels of one feature cell and label are one row, counted
    for own in rows:
        kept = np.delete(np.arange(len(labels)), own)
        _, first, counts = np.unique(alike[kept], return_index=True, return_counts=True)
        given, codes = np.unique(labels[kept[first]], return_inverse=True)
        layers = train(points[kept[first]], codes, counts, hidden=hidden, steps=steps, rate=rate, seed=seed)
        predicted[own] = given[outputs(points[own], layers).argmax(axis=1)]
    return mean_case_dice(labels, predicted, rows, classes)


def train(points, codes, counts, *, hidden, steps, rate, seed) -> list[np.ndarray]:
    """[A (D, hidden), a, B (hidden, C), b] after `steps` steps of Adam (0.9, 0.999, 1e-8), gradients written out."""
    rng, n_classes, d = np.random.default_rng(seed), int(codes.max()) + 1, points.shape[1]
    layers = [
        rng.standard_normal((d, hidden)) * np.sqrt(2 / d), np.zeros(hidden),
        rng.standard_normal((hidden, n_classes)) / np.sqrt(hidden), np.zeros(n_classes),
    ]  # fmt: skip
    weights = counts / (n_classes * np.bincount(codes, counts)[codes])
    first, second = ([np.zeros_like(layer) for layer in layers] for _ in range(2))
    for step in range(1, steps + 1):
        for layer, gradient, mean, square in zip(
            layers, _gradients(points, codes, weights, layers), first, second, strict=True
        ):
            mean += 0.1 * (gradient - mean)
            square += 0.001 * (gradient**2 - square)
            layer -= rate * (mean / (1 - 0.9**step)) / (np.sqrt(square / (1 - 0.999**step)) + 1e-8)
    return layers


def outputs(points, layers) -> np.ndarray:
    """(N, C) of the network."""
    return np.maximum(points @ layers[0] + layers[1], 0) @ layers[2] + layers[3]


def _gradients(points, codes, weights, layers) -> list[np.ndarray]:
    """Of the weighted cross-entropy, by the chain rule."""
    active = np.maximum(points @ layers[0] + layers[1], 0)
    scores = active @ layers[2] + layers[3]
    shares = np.exp(scores - scores.max(axis=1, keepdims=True))
    shares /= shares.sum(axis=1, keepdims=True)
    shares[np.arange(len(codes)), codes] -= 1
    shares *= weights[:, None]
    back = (shares @ layers[2].T) * (active > 0)
    return [points.T @ back, back.sum(axis=0), active.T @ shares, shares.sum(axis=0)]
