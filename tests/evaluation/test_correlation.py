import itertools

import numpy as np
import pytest
from scipy.stats import kendalltau, pearsonr, weightedtau

from tebench.base.errors import InputError
from tebench.evaluation import correlation as c
from tebench.evaluation import statistics


def test_weighted_and_plain_tau_equal_scipy_with_and_without_ties():
    rng = np.random.default_rng(0)
    compared = 0
    for _ in range(400):
        n = int(rng.integers(3, 20))
        score = rng.integers(0, rng.integers(2, 30), n).astype(float)
        dice = rng.random(n).round(int(rng.integers(1, 4)))
        if c.is_constant(score) or c.is_constant(dice):
            continue
        compared += 1
        assert c.weighted_tau(score, dice) == pytest.approx(weightedtau(score, dice).statistic, abs=1e-12)
        assert c.kendall_tau(score, dice) == pytest.approx(kendalltau(score, dice).statistic, abs=1e-12)
        assert c.pearson(score, dice) == pytest.approx(pearsonr(score, dice).statistic, abs=1e-12)
    assert compared > 300


def test_batches_equal_single_calls_across_chunks(monkeypatch):
    monkeypatch.setattr(c, "_CHUNK", 200)
    rng = np.random.default_rng(1)
    score, dice = rng.integers(0, 5, (60, 7)).astype(float), rng.random((60, 7))
    expected = [c.weighted_tau(s, d) for s, d in zip(score, dice, strict=True)]
    np.testing.assert_allclose(c.weighted_tau_many(score, dice), expected, atol=1e-12)
    many = statistics.point_many(score, dice[:1], rng)
    np.testing.assert_allclose(many["pearson"], [c.pearson(s, dice[0]) for s in score], atol=1e-12)


def test_hand_computed_value():
    # Only the pair (3, 4) is discordant. By score its ranks are 0 and 1, by Dice too: weight 1 + 1/2 of a total of
    # 3 (1 + 1/2 + 1/3 + 1/4) = 6.25, so tau = 1 - 2 * 1.5 / 6.25.
    assert c.weighted_tau([1, 2, 3, 4], [0.1, 0.2, 0.4, 0.3]) == pytest.approx(1 - 3 / 6.25)


def test_ideal_and_reversed_scores_reach_the_ends():
    dice = np.random.default_rng(2).random(8)
    best, worst = statistics.point(np.exp(dice), dice), statistics.point(-np.exp(dice), dice)
    assert (best["tau_w"], best["tau"], best["regret"], best["rel1"], best["rel3"]) == pytest.approx((1, 1, 0, 1, 1))
    assert (worst["tau_w"], worst["tau"]) == pytest.approx((-1, -1))
    assert worst["regret"] == pytest.approx(100 * np.ptp(dice))
    assert worst["rel1"] == pytest.approx(dice.min() / dice.max())


def test_a_score_constant_but_for_one_encoder_does_not_reach_one():
    assert c.weighted_tau([1, 0, 0, 0, 0, 0], [6, 5, 4, 3, 2, 1]) < 0.9


def test_constant_sides_have_no_correlation_and_rounding_is_no_order():
    assert np.isnan(c.weighted_tau([2, 2, 2], [1, 2, 3]))
    assert np.isnan(c.pearson([1, 2, 3], [0.1, 0.1, 0.1]))
    almost = 0.1 * np.array([3, 3, 3]) + np.array([0, 5e-17, 1e-16])
    assert c.is_constant(almost)
    assert c.tied_pairs([1, 1, 1, 2, 2]) == 4
    np.testing.assert_array_equal(c.merge_ties([3.0, 1.0, 1.0 + 1e-15]), [3, 1, 1])


def test_a_tie_at_the_top_gives_the_expected_regret():
    dice = np.array([0.9, 0.5, 0.7, 0.1])
    assert c.regret([2, 2, 1, 0], dice) == pytest.approx(100 * (0.9 - 0.7))
    assert c.rel_at_k([2, 2, 1, 0], dice, 1) == pytest.approx(0.7 / 0.9)


def test_expected_best_equals_the_average_over_all_tie_breakings():
    rng = np.random.default_rng(3)
    for _ in range(30):
        score, dice = rng.integers(0, 3, 6).astype(float), rng.random(6)
        for k in (1, 2, 3, 6, 9):
            bests = []
            for order in itertools.permutations(range(6)):
                order = sorted(order, key=lambda i: -score[i])  # stable: keeps the permutation inside ties
                bests.append(dice[order[:k]].max())
            assert c.expected_best(score, dice, k) == pytest.approx(np.mean(bests))


def test_random_tie_breaking_in_batches_has_that_expectation():
    score, dice = np.array([1.0, 1, 1, 0, 0]), np.array([0.9, 0.4, 0.2, 0.8, 0.1])
    many = statistics.point_many(np.tile(score, (20000, 1)), dice[None], np.random.default_rng(0))
    assert many["regret"].mean() == pytest.approx(c.regret(score, dice), abs=0.5)
    assert many["rel1"].mean() == pytest.approx(c.rel_at_k(score, dice, 1), abs=0.01)


def test_bad_input_is_refused_with_its_reason():
    with pytest.raises(InputError, match=r"score must be finite; entries \[1\]"):
        c.weighted_tau([1, np.nan, 3, 4], [1, 2, 3, 4])
    with pytest.raises(InputError, match="dice must be finite"):
        c.kendall_tau([1, 2, 3], [1, np.inf, 3])
    with pytest.raises(InputError, match="at least 3 encoders"):
        c.pearson([1, 2], [1, 2])
    with pytest.raises(InputError, match="one length"):
        c.regret([1, 2, 3], [1, 2])
    with pytest.raises(InputError, match="positive best Dice"):
        c.rel_at_k([1, 2, 3], [0, 0, 0], 1)


def test_inputs_are_not_written_into():
    score, dice = np.array([1.0, 1 + 1e-15, 3]), np.array([0.1, 0.2, 0.3])
    before = score.copy(), dice.copy()
    statistics.point(score, dice)
    np.testing.assert_array_equal(score, before[0])
    np.testing.assert_array_equal(dice, before[1])


def test_huge_scores_keep_a_finite_pearson():
    assert c.pearson([1e200, 2e200, 3e200], [0.1, 0.2, 0.3]) == pytest.approx(1)
