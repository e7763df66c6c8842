"""DISCO against its definition on an explicit singular value decomposition."""

import numpy as np
import pytest

import tebench
from tebench.base.errors import NotApplicable


def by_hand(features, labels, components):
    centred = features - features.mean(0)
    left, values, _ = np.linalg.svd(centred, full_matrices=False)
    values = values[values > 1e-9 * values[0]]
    total = 0.0
    for own in np.array_split(np.arange(len(values)), min(components, len(values))):
        points = left[:, own] * values[own]
        means = np.stack([points[labels == c].mean(0) for c in np.unique(labels)])
        variance = ((points - means[labels]) ** 2).mean()
        weights = np.exp(-((points[:, None] - means) ** 2).sum(2) / (2 * variance))
        posterior = weights[np.arange(len(labels)), labels] / weights.sum(1)
        total += values[own].sum() / values.sum() * posterior.mean()
    return total


@pytest.mark.reference("disco", source="singular value decomposition and posteriors row by row, written in the test")
@pytest.mark.parametrize("components", [1, 3, 8, 50])
def test_it_is_the_weighted_posterior_of_each_component(components):
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 4, 300)
    features = rng.standard_normal((4, 12))[labels] + rng.standard_normal((300, 12)) * np.arange(1, 13) / 4 + 7
    found = tebench.score("disco", features, labels, components=components)
    assert found == pytest.approx(by_hand(features, labels, components))
    assert 0.25 < found < 1


def test_it_rises_with_the_share_of_the_spectrum_that_carries_the_labels():
    rng = np.random.default_rng(1)
    labels = np.arange(400) % 2
    noise = rng.standard_normal((400, 2))
    told = np.column_stack([labels * 4.0 + noise[:, 0], noise[:, 1]])
    strong, weak = (tebench.score("disco", told * scale, labels, components=2) for scale in ([5, 1], [1, 5]))
    assert strong > 0.85
    assert weak < strong - 0.1


def test_constant_features_have_no_component():
    with pytest.raises(NotApplicable, match="no spectral component"):
        tebench.score("disco", np.ones((40, 3)), np.arange(40) % 2)
