"""LogME: log maximum evidence of Bayesian linear regression from features to labels."""

from __future__ import annotations

from typing import Annotated

import numpy as np

from tebench.metrics.parameters import Interval
from tebench.metrics.registry import metric


@metric(
    name="logme",
    title="LogME",
    paper="arXiv 2102.11005",
    direction="up",
    range=(-np.inf, np.inf),
    reads="moments",
    cost="moments",
    invariances=("scale", "rotation"),
    disagreements=(
        "thuml/LogME drops D - rank null directions where D > N: 3.60 where 0.272 is right",
        "thuml/LogME stops at a tolerance of 1e-3 with guards of 1e-5: -0.6139873 on pure noise where the "
        "maximum is -0.6138886; the guards break scale invariance",
        "pactran_metrics omits -log(2 pi)/2: 0.9189385 too high",
        "a label that is absent gives the public code a huge false evidence; here only classes present count",
    ),
)
def logme(
    moments, *, max_iter: Annotated[int, Interval(1)] = 100, tolerance: Annotated[float, Interval(0.0)] = 1e-13
) -> float:
    """Maximised log evidence per sample, averaged over the one-hot columns of the classes present.

    y ~ N(X w, 1/b), w ~ N(0, 1/a), per class; score = mean_c max_{a,b} log p(y_c | X, a, b) / N [paper].
    No centring and no intercept [paper], so a shift of the features changes the score.

    With t = a/b the best b is N / Q(t), Q(t) = r + t sum_i z_i^2 / (t + s_i^2), where s_i are the singular
    values of X, z_i = v_i'X'y / s_i and r = y'y - sum_i z_i^2, which leaves one number to search:
        log p / N = (log(N / Q) - 1 - log 2 pi) / 2 - sum_i log(1 + s_i^2 / t) / (2 N).
    The search is global over log t [choice: the papers' fixed points stop at a local maximum]. Null directions
    of X add nothing at any t. Limits, all finite: t -> infinity, where features say nothing about a class;
    t -> 0, where N independent rows fit it exactly. Where fewer directions than rows fit a class exactly the
    evidence has no maximum; r is kept above max(N, D) eps y'y there [choice].

    max_iter, tolerance: the search is refined until neighbouring trials differ by less than tolerance (relative), at
    most max_iter times; each time narrows log t sixteen-fold.
    moments: `tebench.metrics.moments.Moments` of (N, D) features.   Returns nats per sample; higher is better.
    Source: You et al., ICML 2021, arXiv 2102.11005; You et al., JMLR 2022, arXiv 2110.10545.
    """
    n, spectrum = moments.n, moments.uncentred
    squares = spectrum.values**2
    # X'y of every class is n_c times the class mean
    projected = (moments.offsets + moments.mean) @ spectrum.axes * moments.counts[:, None]
    z = projected**2 / np.where(squares > 0, squares, 1)
    energy = moments.counts.astype(np.float64)
    spare = energy - z.sum(axis=1)
    floor = max(n, moments.d) * np.finfo(np.float64).eps * energy
    interpolates = spectrum.rank == n
    residual = np.zeros_like(spare) if interpolates else np.maximum(spare, floor)

    def evidence(log_t, c):
        """(len(log_t),) log evidence over N of class c."""
        t = np.exp(log_t)[:, None]
        q = residual[c] + (t / (t + squares)) @ z[c]
        return (np.log(n / q) - 1 - np.log(2 * np.pi)) / 2 - np.log1p(squares / t).sum(axis=1) / (2 * n)

    scores = []
    for c in range(moments.c):
        blind = (np.log(n / energy[c]) - 1 - np.log(2 * np.pi)) / 2  # t -> infinity
        best = (
            max(blind, _peak(lambda u, c=c: evidence(u, c), squares, max_iter, tolerance)) if spectrum.rank else blind
        )
        if interpolates:  # t -> 0
            q = (z[c] / squares).sum()
            best = max(best, (np.log(n / q) - 1 - np.log(2 * np.pi)) / 2 - np.log(squares).sum() / (2 * n))
        scores.append(best)
    return float(np.mean(scores))


def _peak(function, squares, max_iter: int, tolerance: float) -> float:
    """Largest value of `function` over log t: a grid beyond the spectrum on both sides, then finer ones."""
    eps = np.finfo(np.float64).eps
    low, high = np.log(squares.min() * eps), np.log(squares.max() / eps)
    grid, best_value = np.linspace(low, high, max(int(2 * (high - low)), 3)), -np.inf
    for _ in range(max_iter):
        values = function(grid)
        best = int(values.argmax())
        around = slice(max(best - 1, 0), best + 2)
        best_value = max(best_value, float(values[best]))
        if best_value - values[around].min() <= tolerance * abs(best_value):
            break
        grid = np.linspace(*grid[around][[0, -1]], 33)
    return best_value
