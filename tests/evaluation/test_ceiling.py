import numpy as np
import pytest
from scipy.stats import weightedtau

from tebench.evaluation.ceiling import perfect_ceiling, split_ceiling


def test_three_seeds_are_each_against_the_other_two():
    values = np.random.default_rng(0).random((6, 3))
    taus = [weightedtau(values[:, s], np.delete(values, s, 1).mean(1)).statistic for s in range(3)]
    found = split_ceiling(values)
    assert found.value == pytest.approx(np.mean(taus))
    assert (found.low, found.high) == pytest.approx((min(taus), max(taus)))
    assert (found.n_splits, found.parts) == (3, "1 vs 2 seeds")


@pytest.mark.parametrize(("seeds", "splits"), [(2, 1), (4, 3), (5, 10), (6, 10), (20, 500)])
def test_number_of_splits(seeds, splits):
    assert split_ceiling(np.random.default_rng(0).random((5, seeds))).n_splits == splits


def test_ends_noise_free_and_pure_noise():
    rng = np.random.default_rng(1)
    exact = np.repeat(rng.random((7, 1)), 3, 1) + np.array([0, 0.1, 0.2])
    assert split_ceiling(exact).value == pytest.approx(1)
    assert perfect_ceiling(exact).value == pytest.approx(1)
    noise = [split_ceiling(rng.random((7, 3))).value for _ in range(300)]
    assert abs(np.mean(noise)) < 0.05


def test_perfect_ceiling_estimates_what_a_metric_that_knows_the_truth_reaches():
    rng = np.random.default_rng(2)
    reached, estimated = [], []
    for _ in range(150):
        true = 0.5 + 0.05 * rng.standard_normal(12)
        values = true[:, None] + 0.04 * rng.standard_normal((12, 4))
        reached.append(weightedtau(true, values.mean(1)).statistic)
        estimated.append(perfect_ceiling(values, n_draws=200).value)
    assert np.mean(estimated) == pytest.approx(np.mean(reached), abs=0.03)


def test_one_seed_has_no_ceiling():
    assert np.isnan(split_ceiling(np.ones((4, 1))).value)
    assert np.isnan(perfect_ceiling(np.random.default_rng(0).random((4, 1))).value)
