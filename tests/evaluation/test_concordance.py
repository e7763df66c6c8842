"""Counting by sorting gives the whole numbers of the table of pairs, with and without ties."""

import numpy as np
import pytest

from tebench.evaluation import correlation
from tebench.evaluation.concordance import FROM, concordance


@pytest.mark.parametrize("k", [2, 31, 32, 33, 100, 257])
@pytest.mark.parametrize("values", [3, 40, 10**6], ids=["many ties", "some ties", "hardly any"])
def test_sorting_and_pairs_agree(k, values):
    rng = np.random.default_rng(k)
    score, dice = rng.integers(0, values, (5, k)).astype(float), rng.integers(0, values, (5, k)).astype(float)
    for found, expected in zip(concordance(score, dice), correlation._by_pairs(score, dice), strict=True):
        assert np.array_equal(found, expected)


def test_a_row_that_serves_the_whole_batch():
    rng = np.random.default_rng(1)
    score, dice = rng.normal(size=(7, 50)), np.broadcast_to(rng.normal(size=50), (7, 50))
    for found, expected in zip(concordance(score, dice), concordance(score, dice.copy()), strict=True):
        assert np.array_equal(found, expected)


def test_a_large_pool_has_the_tau_of_scipy():
    from scipy.stats import kendalltau, weightedtau

    rng = np.random.default_rng(2)
    dice = rng.normal(size=FROM + 41)
    score = np.round(dice + rng.normal(size=len(dice)), 1)
    assert correlation.weighted_tau(score, dice) == pytest.approx(weightedtau(score, dice)[0], abs=1e-12)
    assert correlation.kendall_tau(score, dice) == pytest.approx(kendalltau(score, dice)[0], abs=1e-12)
