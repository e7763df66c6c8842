"""How many encoders, tasks and seeds show a difference between two metrics: a model of benchmarks, not of one table.

theta_kt = sqrt(c) a_k + sqrt(1 - c) b_kt, a and b standard normal: c is the share of a task's variance that is common
to the tasks. Observed Dice: theta + N(0, (sd / spread)^2 / S). Metrics: see `power`. Tasks are exchangeable, so that
the variance of a mean over T tasks is cov + (var - cov) / T with the variance of one task's difference and the
covariance of two tasks' differences, both simulated for every number of encoders and of seeds.
A metric's quality is fixed by its mean tau_w against *one* seed a cell; more seeds raise all taus and differences.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.stats import norm, rankdata

from tebench.base.errors import InputError
from tebench.evaluation.correlation import weighted_tau_many
from tebench.evaluation.power import Simulation, Worlds, check, errors_of, mean_tau, perfect

ENCODERS = (5, 7, 10, 12, 16, 21, 30, 40, 60)
TASKS = (3, 6, 9, 12, 16, 20, 30)
SEEDS = (1, 2, 4)
TOGETHER = 6  # tasks simulated together: 15 pairs estimate the covariance


@dataclass(frozen=True)
class Model:
    """What is assumed of the benchmark and its metrics.

    sd: SD of one fine-tuning run; spread: true SD between encoders on a task; both in Dice points.
    agreement: c above.   errors: share of a metric's error variance common to the tasks.
    level: mean tau_w of the weaker metric against one seed a cell.
    """

    sd: float = 0.5
    spread: float = 1.0
    agreement: float = 0.5
    errors: float = 0.5
    level: float = 0.5

    def __post_init__(self):
        for name, low in (("sd", 0.0), ("spread", 1e-9)):
            value = getattr(self, name)
            if not (math.isfinite(value) and value >= low):
                raise InputError(
                    f"{name} must be {'positive' if low else 'at least 0'}, in Dice points, got {value!r}."
                )
        if not 0 <= self.agreement <= 1:
            raise InputError(f"agreement must lie between 0 and 1, got {self.agreement!r}.")
        check(self.level, 0.0, self.errors, 0.05, 0.8)

    def worlds(self, encoders: int, tasks: int, seeds: int, *, n_draws: int, seed: int) -> Worlds:
        """n_draws benchmarks of this size."""
        rng = np.random.default_rng([seed, 61, encoders, tasks, seeds])
        true = errors_of((n_draws, tasks, encoders), self.agreement, rng)
        noise = self.sd / self.spread / math.sqrt(seeds)
        return Worlds(true, true + noise * rng.standard_normal(true.shape))


def designs(
    model: Model, difference: float, *, encoders=ENCODERS, tasks=TASKS, seeds=SEEDS, alpha: float = 0.05,
    power: float = 0.8, n_draws: int = 1500, seed: int = 0,
) -> pd.DataFrame:  # fmt: skip
    """Every combination of sizes and what it can show.

    Columns: encoders, tasks, seeds, runs (their product: the cost), top (mean tau_w of a perfect metric), sd (of the
    difference of two equally good metrics at model.level), yardstick (see `power.Difference`), gap (what `difference`,
    stated for one seed a cell, is expected to become), power (of showing it, normal approximation), enough (power
    reached). power is NaN where level + difference exceeds what a perfect metric reaches with one seed.
    """
    check(model.level, difference, model.errors, alpha, power)
    for name, values, low in (("encoders", encoders, 3), ("tasks", tasks, 1), ("seeds", seeds, 1)):
        if not values or any(type(v) is not int or v < low for v in values) or len(set(values)) < len(values):
            raise InputError(f"{name} must list different whole numbers of at least {low}, got {list(values)}.")
    rows = []
    for k in encoders:
        one = Simulation(model.worlds(k, TOGETHER, 1, n_draws=n_draws, seed=seed), model.errors, seed)
        for s in seeds:
            parts = _parts(model, one, k, s, difference, n_draws, seed)
            rows += [_row(k, t, s, parts, alpha, power) for t in tasks]
    return pd.DataFrame(rows).sort_values(["runs", "encoders", "tasks"], ignore_index=True)


def _parts(model, one: Simulation, k, s, difference, n_draws, seed) -> dict:
    """top, gap, and (variance, covariance between two tasks) of the difference, without and with a true one."""
    worlds = one.worlds if s == 1 else model.worlds(k, TOGETHER, s, n_draws=n_draws, seed=seed)
    top = one.top if s == 1 else float(perfect(worlds).mean())
    found = {"top": top, "gap": math.nan, "null": (math.nan, math.nan), "shown": (math.nan, math.nan)}
    for name, above in (("null", 0.0), ("shown", difference)):
        if model.level + above > one.top:
            continue
        first, second = (
            _taus(worlds, one.metric(worlds, level, stream))
            for level, stream in ((model.level, 1), (model.level + above, 2))
        )
        covariance = np.cov(second - first, rowvar=False)
        variance = float(np.trace(covariance) / TOGETHER)
        found[name] = variance, float((covariance.sum() / TOGETHER - variance) / (TOGETHER - 1))
        if above:
            found["gap"] = float((second - first).mean())
    if difference == 0:
        found["gap"] = 0.0
    return found


def _taus(worlds: Worlds, scores: np.ndarray) -> np.ndarray:
    b, t, k = worlds.observed.shape
    return weighted_tau_many(scores.reshape(-1, k), worlds.observed.reshape(-1, k)).reshape(b, t)


def _row(k, t, s, parts, alpha, wanted) -> dict:
    null, shown = (_sd(parts[name][0], parts[name][1], t) for name in ("null", "shown"))
    border = norm.ppf(1 - alpha / 2) * null
    gap = parts["gap"]
    reached = float(norm.cdf((gap - border) / shown) + norm.cdf((-gap - border) / shown))
    return {
        "encoders": k, "tasks": t, "seeds": s, "runs": k * t * s, "top": parts["top"], "sd": null,
        "yardstick": (norm.ppf(1 - alpha / 2) + norm.ppf(wanted)) * null, "gap": gap, "power": reached,
        "enough": reached >= wanted,
    }  # fmt: skip


def _sd(variance: float, covariance: float, t: int) -> float:
    # A covariance near 0 may be estimated below what t exchangeable tasks can have.
    return math.sqrt(max(covariance, -variance / (2 * t)) * (1 - 1 / t) + variance / t)


def cheapest(found: pd.DataFrame) -> pd.DataFrame:
    """The designs that are enough and that no design of at most as many encoders, tasks and runs replaces."""
    good = found[found["enough"]]
    keep = [
        not any(
            other.runs <= row.runs and other.encoders <= row.encoders and other.tasks <= row.tasks and other != row
            for other in good.itertuples(index=False)
        )
        for row in good.itertuples(index=False)
    ]
    return good[keep].reset_index(drop=True)


def verified(model: Model, row, difference: float, *, alpha=0.05, power=0.8, n_draws=1500, seed=1) -> dict:
    """One design simulated as a whole: `power.Difference`, and the expected mean tau_w of the static list from the
    other tasks, with its 95 % interval for the finite number of draws (NaN with one task)."""
    size = int(row.encoders), int(row.tasks)
    one = Simulation(model.worlds(*size, 1, n_draws=n_draws, seed=seed), model.errors, seed)
    worlds = one.worlds if row.seeds == 1 else model.worlds(*size, int(row.seeds), n_draws=n_draws, seed=seed)
    on = None if row.seeds == 1 else worlds
    found = one.difference(model.level, difference, alpha=alpha, power=power, on=on)
    static = math.nan, math.nan
    if row.tasks > 1:
        static = static_tau(worlds.first(300))
    return {**vars(found), "static": static[0], "static_margin": static[1]}


def static_tau(worlds: Worlds) -> tuple[float, float]:
    """(mean, half of its 95 % interval) over worlds of the static list's mean tau_w: mean rank on the other tasks."""
    ranks = rankdata(worlds.observed, axis=2)
    t = ranks.shape[1]
    found = mean_tau(worlds, (ranks.sum(1, keepdims=True) - ranks) / (t - 1))
    return float(found.mean()), float(1.96 * found.std(ddof=1) / math.sqrt(len(found)))


def of_table(table, run: float | dict[str, float] | None) -> dict:
    """spread, agreement and sd of a judged table, for `Model`.

    run: SD of a run in Dice points (one, or task -> points); None: its explaining SD. spread: root mean square of the
    tasks' true SDs, sqrt(var - sd^2 / S); agreement: ICC(C,1) of the true parts, which is the observed one over the
    mean share of true variance, at most 1.
    """
    from tebench.evaluation.variance_shares import common_share, explaining_sd

    dice = 100 * table.mean()
    run = explaining_sd(table) if run is None else run
    sds = np.array([run[task] if isinstance(run, dict) else run for task in table.judged])
    seeds = np.array([table.n_seeds[task] for task in table.judged])
    observed = dice.var(0, ddof=1)
    true = np.maximum(observed - sds**2 / seeds, 0.0)
    if not true.any():
        raise InputError(f"{table.name}: runs with an SD of {sds.max():g} points explain the whole spread.")
    reliable = float(np.mean(true / observed))
    return {
        "sd": float(np.sqrt(np.mean(sds**2))), "spread": float(np.sqrt(np.mean(true))),
        "agreement": float(np.clip(common_share(dice)[0] / reliable, 0.0, 1.0)),
    }  # fmt: skip
