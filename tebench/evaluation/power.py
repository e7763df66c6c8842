"""Which difference between two metrics a table of this size can show: metrics simulated at a stated mean tau_w.

A metric's score of encoder k on task t is theta_kt + s e_kt: theta the true Dice in units of the task's SD between
encoders, e standard normal, s the same for all tasks and chosen so that the expected mean tau_w against the *observed*
Dice, theta plus the noise of fine-tuning runs, is the stated level. A share of the variance of e may be common to the
tasks: a metric that overrates an encoder tends to overrate it everywhere.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass

import numpy as np
from scipy.stats import chi2, norm

from tebench.base.errors import InputError
from tebench.evaluation.compare import midranks, swap_test, swaps
from tebench.evaluation.correlation import weighted_tau_many
from tebench.evaluation.oracle import proportion
from tebench.evaluation.variance_shares import common_share

NOISES = np.array([0, 0.1, 0.2, 0.3, 0.45, 0.6, 0.8, 1.0, 1.3, 1.7, 2.3, 3.2, 4.5, 7.0, 12.0, 30.0])
CALIBRATION = 100_000  # entries (encoders x tasks x worlds) from which a metric's noise is calibrated


@dataclass(frozen=True)
class Worlds:
    """Simulated ground truths: true (B or 1, T, K) and observed (B, T, K), in units of each task's true SD."""

    true: np.ndarray
    observed: np.ndarray

    def first(self, n: int) -> Worlds:
        """The first n worlds."""
        return Worlds(self.true if len(self.true) == 1 else self.true[:n], self.observed[:n])


@dataclass(frozen=True)
class Difference:
    """What can be told of two metrics, one at `level`, one at `level + difference`.

    top: mean tau_w of a noiseless metric, the highest attainable.   sd: SD, over repetitions, of the difference of two
    equally good metrics at `level`.   yardstick: (z_{1-alpha/2} + z_{power}) sd, about the smallest difference that a
    test with border z_{1-alpha/2} sd shows with that power; above top - level no metric reaches it.
    power: chance that |difference| exceeds that border when the true one is `difference`.
    _low, _high: 95 % intervals for the finite number of draws.   NaN where level or level + difference is above top.
    """

    level: float
    difference: float
    top: float
    sd: float
    sd_low: float
    sd_high: float
    yardstick: float
    yardstick_low: float
    yardstick_high: float
    power: float
    power_low: float
    power_high: float


@dataclass(frozen=True)
class Simulation:
    """Metrics on `worlds`, share `errors` of their error variance common to the tasks."""

    worlds: Worlds
    errors: float = 0.0
    seed: int = 0

    @functools.cached_property
    def curve(self) -> np.ndarray:
        """Expected mean tau_w at each of NOISES, made non-increasing; the same errors at every noise keep it smooth."""
        _, t, k = self.worlds.observed.shape
        worlds = self.worlds.first(max(100, CALIBRATION // (t * k)))
        error = self.draw(worlds, 0)
        return np.minimum.accumulate([mean_tau(worlds, _scores(worlds, error, noise)).mean() for noise in NOISES])

    @property
    def top(self) -> float:
        return float(self.curve[0])

    def noise(self, level: float) -> float:
        """The noise at which the expected mean tau_w is `level`, by linear interpolation."""
        return float(np.interp(-level, -self.curve, NOISES))

    def draw(self, worlds: Worlds, stream: int) -> np.ndarray:
        """Errors (B, T, K) of one metric; metrics differ by `stream`."""
        return errors_of(worlds.observed.shape, self.errors, np.random.default_rng([self.seed, 42, stream]))

    def metric(self, worlds: Worlds, level: float, stream: int) -> np.ndarray:
        """Scores (B, T, K) of a metric at `level`."""
        return _scores(worlds, self.draw(worlds, stream), self.noise(level))

    def difference(
        self, level: float, gap: float, *, alpha: float = 0.05, power: float = 0.8, on: Worlds | None = None
    ) -> Difference:  # fmt: skip
        """Two metrics with independent errors at level and level + gap; at gap 0 power is alpha up to simulation.

        on: other worlds in which these metrics, with their noise, are judged (more seeds, say); level and gap stay
        those of the simulation's own worlds, and `top` is that of `on`.
        """
        check(level, gap, self.errors, alpha, power)
        worlds = on or self.worlds
        top = self.top if on is None else float(perfect(on).mean())
        if level > self.top:
            return Difference(level, gap, top, *[math.nan] * 9)
        tau = [mean_tau(worlds, self.metric(worlds, level, stream)) for stream in (1, 2)]
        n = len(tau[0])
        sd = float((tau[0] - tau[1]).std(ddof=1))
        low, high = (sd * math.sqrt((n - 1) / float(chi2.ppf(q, n - 1))) for q in (0.975, 0.025))
        factor = norm.ppf(1 - alpha / 2) + norm.ppf(power)
        shown = (math.nan, math.nan, math.nan)
        if level + gap <= self.top:
            better = mean_tau(worlds, self.metric(worlds, level + gap, 3))
            shown = proportion(int((np.abs(better - tau[0]) > norm.ppf(1 - alpha / 2) * sd).sum()), n)
        return Difference(level, gap, top, sd, low, high, factor * sd, factor * low, factor * high, *shown)

    def swap_power(self, level: float, gap: float, *, alpha: float = 0.05, n_sets: int = 300, n_swaps: int = 199):
        """(power, low, high) of the paired encoder-swap test (`compare.swap_test`) on the first n_sets worlds.

        NaN where level + gap is above what a noiseless metric reaches. The swap test looks at how the two metrics'
        ranks differ encoder by encoder, so that it may show more than the plain border of `difference`.
        """
        check(level, gap, self.errors, alpha, 0.8)
        if level + gap > self.top:
            return math.nan, math.nan, math.nan
        worlds = self.worlds.first(n_sets)
        better, worse = self.metric(worlds, level + gap, 3), self.metric(worlds, level, 1)
        masks, exact = swaps(better.shape[2], n_swaps, self.seed)
        hits = 0
        for a, b, dice in zip(better, worse, worlds.observed, strict=True):
            first, second = (np.array([midranks(row) for row in scores]) for scores in (a, b))
            hits += swap_test(first, second, dice, masks, exact) < alpha
        return proportion(int(hits), len(better))


def of_table(true: np.ndarray, noise: np.ndarray, *, n_draws: int, seed: int) -> Worlds:
    """Worlds of one table: true (K, T) and the SD of the observed means' noise (T,), both in the same unit.

    Tasks are scaled by their true SD; a task whose truth is flat takes the unit of its noise.
    """
    true, noise = np.asarray(true, np.float64), np.asarray(noise, np.float64)
    scale = true.std(0, ddof=1)
    scale = np.where(scale > 1e-12, scale, np.where(noise > 0, noise, 1.0))
    standard = ((true - true.mean(0)) / scale).T[None]
    rng = np.random.default_rng([seed, 41])
    error = rng.standard_normal((n_draws, *standard.shape[1:])) * (noise / scale)[None, :, None]
    return Worlds(standard, standard + error)


def errors_of(shape, errors: float, rng: np.random.Generator) -> np.ndarray:
    """(B, T, K) standard normal; share `errors` of the variance is the same on every task."""
    b, t, k = shape
    own = rng.standard_normal((b, t, k))
    return own if errors == 0 else math.sqrt(errors) * rng.standard_normal((b, 1, k)) + math.sqrt(1 - errors) * own


def mean_tau(worlds: Worlds, scores: np.ndarray) -> np.ndarray:
    """(B,) mean tau_w over tasks of scores (B, T, K) against the observed Dice."""
    b, t, k = worlds.observed.shape
    return weighted_tau_many(scores.reshape(-1, k), worlds.observed.reshape(-1, k)).reshape(b, t).mean(1)


def perfect(worlds: Worlds) -> np.ndarray:
    """(B,) mean tau_w of a metric that knows the true Dice; where all are level it guesses."""
    return mean_tau(worlds, _scores(worlds, errors_of(worlds.observed.shape, 0.0, np.random.default_rng(0)), 0.0))


def error_agreement(score: np.ndarray, dice: np.ndarray) -> float:
    """Share of a real metric's error that is common to the tasks: what `errors` is for that metric.

    score, dice (K, T): per task both standardised, the score regressed on Dice, ICC(C,1) of the residuals over tasks.
    """
    score, dice = ((values - values.mean(0)) / values.std(0, ddof=1) for values in (score, dice))
    return common_share(score - (score * dice).sum(0) / (dice**2).sum(0) * dice)[0]


def check(level: float, gap: float, errors: float, alpha: float, power: float) -> None:
    """Refuse what no simulation can mean, naming the argument."""
    for name, value in (("level", level), ("alpha", alpha), ("power", power)):
        if not 0 < value < 1:
            raise InputError(f"{name} must lie between 0 and 1, got {value!r}.")
    for name, value in (("difference", gap), ("errors", errors)):
        if not 0 <= value <= 1:
            raise InputError(f"{name} must lie between 0 and 1, got {value!r}.")


def _scores(worlds: Worlds, error: np.ndarray, noise: float) -> np.ndarray:
    # A noiseless metric that has nothing to tell apart guesses.
    return worlds.true + max(noise, 1e-9) * error
