import itertools

import numpy as np
import pytest
from scipy.stats import weightedtau

from tebench.base.errors import InputError
from tebench.evaluation import uncertainty as u
from tebench.evaluation.correlation import weighted_tau, weighted_tau_many


def test_exact_null_equals_full_enumeration_with_scipy():
    dice, score = np.array([0.1, 0.4, 0.2, 0.5, 0.3]), np.array([1.0, 3, 2, 5, 4])
    taus = np.array([weightedtau(score[list(p)], dice).statistic for p in itertools.permutations(range(5))])
    null = u.permutation_null(score, dice)
    observed = weightedtau(score, dice).statistic
    assert null.exact
    assert null.n_draws == 120
    assert (null.low, null.high) == pytest.approx(tuple(np.quantile(taus, [0.025, 0.975])))
    tail = min((taus >= observed - 1e-9).mean(), (taus <= observed + 1e-9).mean())
    assert null.p == pytest.approx(min(1, 2 * tail))


@pytest.mark.parametrize(("n", "low", "high"), [(6, -0.70, 0.76), (8, -0.60, 0.63), (12, -0.49, 0.51)])
def test_null_intervals_have_their_known_width(n, low, high):
    null = u.permutation_null(np.arange(n), np.arange(n) / n, n_draws=9999)
    assert null.exact == (n <= 7)
    assert (null.low, null.high) == pytest.approx((low, high), abs=0.025)


def test_permutation_p_is_uniform_for_random_scores():
    """5 % of scores that know nothing fall outside, whatever ties they have."""
    rng = np.random.default_rng(0)
    p = [u.permutation_null(rng.integers(0, 5, 6), rng.random(6)).p for _ in range(300)]
    assert 0.01 <= np.mean(np.array(p) <= 0.05) <= 0.085
    p = [u.permutation_null(rng.random(9), rng.random(9), n_draws=499).p for _ in range(300)]
    assert 0.02 <= np.mean(np.array(p) <= 0.05) <= 0.085


def test_monte_carlo_p_is_never_zero():
    assert u.permutation_null(np.arange(10), np.arange(10) / 10, n_draws=199).p == pytest.approx(2 / 200)


def _tau_interval(rng, strength, *, k=8, s=3, noise=0.02):
    true = 0.5 + 0.04 * rng.standard_normal(k)
    score = strength * (true - 0.5) / 0.04 + np.sqrt(1 - strength**2) * rng.standard_normal(k)
    dice = true[:, None] + 0.05 * rng.standard_normal((1, s)) + noise * rng.standard_normal((k, s))
    noise_draws = u.seed_draws(dice, 300, rng, pooled=True)
    draws = weighted_tau_many(score[None], dice.mean(1) + noise_draws)
    low, high = u.interval(weighted_tau(score, dice.mean(1)), draws)
    return low - 1e-9 <= weighted_tau(score, true) <= high + 1e-9


@pytest.mark.parametrize("strength", [0.0, 0.6, 0.9])
def test_seed_interval_covers_the_tau_with_the_true_means(strength):
    rng = np.random.default_rng(4)
    covered = np.mean([_tau_interval(rng, strength) for _ in range(250)])
    assert 0.88 <= covered <= 1


def test_seed_draws_have_the_variance_of_a_mean_over_seeds():
    rng = np.random.default_rng(5)
    for pooled in (True, False):
        spread = [
            u.seed_draws(rng.standard_normal((6, 3)) + rng.standard_normal((1, 3)), 50, rng, pooled=pooled).var()
            for _ in range(400)
        ]
        assert np.mean(spread) == pytest.approx(1 / 3, rel=0.1)
    assert not u.seed_draws(np.ones((4, 1)), 5, rng, pooled=True).any()


def test_encoder_interval_covers_the_tau_of_the_population():
    """Encoders drawn from a bivariate normal, whose weighted tau at K = 16 is known by simulation."""
    rng = np.random.default_rng(6)

    def draw(n):
        truth = rng.standard_normal((n, 16))
        return 0.7 * truth + np.sqrt(1 - 0.49) * rng.standard_normal((n, 16)), truth

    target = weighted_tau_many(*draw(4000)).mean()
    covered = []
    for score, truth in zip(*draw(200), strict=True):
        picks = u.encoder_draws(16, 300, rng)
        low, high = u.interval(weighted_tau(score, truth), weighted_tau_many(score[picks], truth[picks]))
        covered.append(low <= target <= high)
    assert 0.88 <= np.mean(covered) <= 1


def test_encoder_draws_refuse_small_pools_and_keep_three_encoders():
    with pytest.raises(InputError, match="at least 8"):
        u.encoder_draws(7, 10, np.random.default_rng(0))
    picks = u.encoder_draws(8, 5000, np.random.default_rng(0))
    assert min(len(np.unique(pick)) for pick in picks) >= 3


def test_interval_holds_the_estimate_and_the_bounds():
    low, high = u.interval(0.9, np.random.default_rng(0).uniform(0.4, 0.85, 500))
    assert low < 0.45
    assert high == 1
    assert np.isnan(u.interval(0.5, np.full(10, np.nan))).all()
