"""The LDA probe against Gaussian densities."""

import numpy as np
import pytest
import scipy.stats

import tebench
from tebench.base.errors import NotApplicable


def sample(seed=0, n=300, d=6):
    rng = np.random.default_rng(seed)
    labels = rng.choice(3, n, p=[0.8, 0.15, 0.05])
    shape = rng.standard_normal((d, d))
    features = rng.standard_normal((3, d))[labels] * 2 + rng.standard_normal((n, d)) @ shape + 100
    return features, labels, rng.integers(0, 3, n)


@pytest.mark.reference("lda_probe", source="densities of Gaussians by scipy.stats, one case left out")
@pytest.mark.parametrize("seed", range(3))
def test_it_is_the_largest_gaussian_density(seed):
    features, labels, cases = sample(seed)
    dice = []
    for case in range(3):
        train, test = cases != case, cases == case
        means = [features[train & (labels == c)].mean(0) for c in range(3)]
        centred = features[train] - np.array(means)[labels[train]]
        within = centred.T @ centred
        within = (within + 1e-3 * np.trace(within) / 6 * np.eye(6)) / train.sum()
        density = [scipy.stats.multivariate_normal(mean, within).logpdf(features[test]) for mean in means]
        answer, truth = np.argmax(density, axis=0), labels[test]
        dice.append(
            np.mean(
                [2 * ((answer == c) & (truth == c)).sum() / ((answer == c).sum() + (truth == c).sum()) for c in (1, 2)]
            )
        )
    assert tebench.score("lda_probe", features, labels, cases=cases) == pytest.approx(np.mean(dice))


def test_equal_priors_find_a_rare_class_that_the_linear_probe_leaves_to_background():
    rng = np.random.default_rng(1)
    labels = np.r_[np.zeros(2000, int), np.ones(60, int)]
    features = rng.standard_normal((2060, 4)) + 1.5 * labels[:, None]
    cases = np.arange(2060) % 2
    found, linear = (tebench.score(name, features, labels, cases=cases) for name in ("lda_probe", "linear_probe"))
    assert found > linear + 0.05


def test_degenerate_samples():
    features, labels, cases = sample()
    with pytest.raises(NotApplicable, match="one case only"):
        tebench.score("lda_probe", features, labels, cases=np.zeros(300, int))
    apart = labels[:, None] * np.array([[1.0, 2.0]])
    assert tebench.score("lda_probe", apart, labels, cases=cases) == pytest.approx(1), "no spread inside classes"
