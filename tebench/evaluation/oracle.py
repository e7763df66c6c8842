"""What a metric that knew every encoder's true Dice would reach, as a function of the SD of one fine-tuning run."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
import pandas as pd

from tebench.base.errors import InputError
from tebench.evaluation.correlation import weighted_tau_many
from tebench.evaluation.dice_table import DiceTable

TRUTHS = {
    "as published": "the published means are taken for the truth; they hold the noise already, so this is optimistic",
    "deflated": "deviations from the task's mean are shrunk until, with the noise, they have the published spread",
}
Z = 1.959963984540054


def oracle_draws(
    table: DiceTable, sd: float | dict[str, float], *, truth: str = "deflated", n_draws: int = 4000, seed: int = 0
) -> np.ndarray:
    """(B, T) tau_w of a perfect oracle against another measurement of the same table.

    A draw adds normal noise of variance sd^2 / S to the true Dice of every encoder, S the task's seeds, and ranks it
    by the truth. sd in Dice points: one for all tasks, or task -> points. truth: see TRUTHS; "deflated" takes
    sqrt(max(0, 1 - sd^2 / (S var))) of each deviation. Where nothing is left of them the oracle guesses.
    """
    if truth not in TRUTHS:
        raise InputError(f"truth must be one of {', '.join(TRUTHS)}, got {truth!r}.")
    rng = np.random.default_rng([seed, 21])
    columns = []
    for task in table.judged:
        runs = table.runs[task]
        noise = (sd[task] if isinstance(sd, dict) else sd) / 100 / math.sqrt(runs.shape[1])
        true = runs.mean(1)
        if truth == "deflated":
            true = true.mean() + shrinkage(runs.mean(1), noise) * (true - true.mean())
        standard = rng.standard_normal((2, n_draws, len(true)))
        if np.ptp(true) < 1e-12:
            columns.append(weighted_tau_many(standard[0], standard[1]))
        else:
            columns.append(weighted_tau_many(true[None], true + noise * standard[0]))
    return np.column_stack(columns)


def shrinkage(mean: np.ndarray, noise: float) -> float:
    """sqrt of the share of the variance between the means (K,) that noise of SD `noise` does not explain, in [0, 1]."""
    variance = float(np.var(mean, ddof=1))
    return math.sqrt(max(0.0, 1 - noise**2 / variance)) if variance > 0 else 0.0


def ceilings(table: DiceTable, sds: Iterable, *, targets=(), n_draws: int = 4000, seed: int = 0) -> pd.DataFrame:
    """The oracle's mean tau_w over the judged tasks for each SD of a run and both truths.

    sds: numbers in Dice points, or a mapping task -> points (measured SDs; its row has the root mean square as `sd`).
    targets: values of mean tau_w of which the chance that the oracle reaches them is counted.
    Columns: truth, sd, measured, tau_w, mc_low, mc_high (95 % interval of tau_w for the finite number of draws), low,
    high (middle 95 % of the draws: what one such benchmark shows), flat (tasks without spread beyond the noise), then
    for each target t `reach_t`, `reach_t_low`, `reach_t_high` (Wilson's 95 % interval of that chance).
    """
    rows = []
    for sd in sds:
        measured = isinstance(sd, dict)
        points = math.sqrt(np.mean([sd[task] ** 2 for task in table.judged])) if measured else float(sd)
        if not points >= 0 or not math.isfinite(points):
            raise InputError(f"sd must be finite and not negative, in Dice points, got {sd!r}.")
        for truth in TRUTHS:
            mean = oracle_draws(table, sd, truth=truth, n_draws=n_draws, seed=seed).mean(1)
            margin = Z * mean.std(ddof=1) / math.sqrt(n_draws)
            low, high = np.quantile(mean, [0.025, 0.975])
            row = {
                "truth": truth, "sd": points, "measured": measured, "tau_w": mean.mean(),
                "mc_low": mean.mean() - margin, "mc_high": mean.mean() + margin, "low": low, "high": high,
                "flat": _flat(table, sd) if truth == "deflated" else 0,
            }  # fmt: skip
            for target in targets:
                share, below, above = proportion(int((mean >= target - 1e-9).sum()), n_draws)
                row |= {reach(target): share, f"{reach(target)}_low": below, f"{reach(target)}_high": above}
            rows.append(row)
    return pd.DataFrame(rows)


def reach(target: float) -> str:
    """Column that holds the chance of reaching `target`."""
    return f"reach_{target:.3f}"


def proportion(hits: int, n: int) -> tuple[float, float, float]:
    """(share, low, high): Wilson's 95 % interval of a proportion of n draws. Wilson 1927, doi:10.2307/2276774.

    >>> [round(value, 3) for value in proportion(0, 100)]
    [0.0, 0.0, 0.037]
    """
    share, spread = hits / n, Z**2 / n
    centre = (share + spread / 2) / (1 + spread)
    half = Z * math.sqrt(share * (1 - share) / n + spread / (4 * n)) / (1 + spread)
    return share, max(0.0, centre - half), min(1.0, centre + half)


def _flat(table: DiceTable, sd) -> int:
    return sum(
        shrinkage(
            table.runs[task].mean(1), (sd[task] if isinstance(sd, dict) else sd) / 100 / math.sqrt(n_seeds)
        ) == 0
        for task, n_seeds in table.n_seeds.items()
        if task in table.judged
    )  # fmt: skip
