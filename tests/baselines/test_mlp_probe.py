"""The MLP probe against the same network in torch."""

import numpy as np
import pytest
import torch

import tebench
from tebench.baselines.case_folds import standardised
from tebench.baselines.mlp_probe import outputs, train


def ring(seed=0, n=600):
    """Two classes that no line separates, in three cases."""
    rng = np.random.default_rng(seed)
    labels, angle = np.arange(n) % 2, rng.uniform(0, 2 * np.pi, n)
    radius = 1 + 2 * labels + 0.3 * rng.standard_normal(n)
    return radius[:, None] * np.column_stack([np.cos(angle), np.sin(angle)]), labels, rng.integers(0, 3, n)


@pytest.mark.reference("mlp_probe", source="torch: the same layers, cross_entropy and Adam")
def test_training_is_that_of_torch():
    features, labels, cases = ring()
    points = standardised(features, cases)
    start = train(points, labels, np.ones(600), hidden=8, steps=0, rate=0.03, seed=3)
    layers = [torch.tensor(layer, requires_grad=True) for layer in start]
    x, y = torch.tensor(points), torch.tensor(labels)
    adam = torch.optim.Adam(layers, lr=0.03)
    for _ in range(25):
        adam.zero_grad()
        scores = torch.relu(x @ layers[0] + layers[1]) @ layers[2] + layers[3]
        loss = torch.stack([torch.nn.functional.cross_entropy(scores[y == c], y[y == c]) for c in (0, 1)]).mean()
        loss.backward()
        adam.step()
    found = train(points, labels, np.ones(600), hidden=8, steps=25, rate=0.03, seed=3)
    for mine, theirs in zip(found, layers, strict=True):
        assert np.allclose(mine, theirs.detach().numpy(), rtol=1e-8, atol=1e-10)
    # the score is the Dice of these networks' answers on the case that each has not seen
    dice = []
    for case in range(3):
        kept = cases != case
        layers = train(points[kept], labels[kept], np.ones(kept.sum()), hidden=8, steps=25, rate=0.03, seed=3)
        answer, truth = outputs(points[~kept], layers).argmax(1), labels[~kept]
        dice.append(2 * (answer & truth).sum() / (answer.sum() + truth.sum()))
    given = {"cases": cases, "hidden": 8, "steps": 25, "seed": 3}
    assert tebench.score("mlp_probe", features, labels, **given) == pytest.approx(np.mean(dice))


def test_it_finds_what_a_line_cannot():
    features, labels, cases = ring()
    assert tebench.score("mlp_probe", features, labels, cases=cases) > 0.95
    assert tebench.score("linear_probe", features, labels, cases=cases) < 0.7


def test_identical_rows_count_as_often_as_they_occur():
    features, labels, cases = ring(n=200)
    rows = np.repeat(np.arange(200), 1 + np.arange(200) % 3)
    points = standardised(features, cases)
    once = train(points, labels, 1 + np.arange(200) % 3, hidden=4, steps=9, rate=0.03, seed=0)
    often = train(points[rows], labels[rows], np.ones(len(rows)), hidden=4, steps=9, rate=0.03, seed=0)
    assert all(np.allclose(a, b) for a, b in zip(once, often, strict=True))
