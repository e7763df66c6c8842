"""A policy chosen without the data that it is judged on: leave one task out, or leave one family out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from tebench.base.errors import InputError
from tebench.evaluation.design import Design
from tebench.evaluation.exchange import orders
from tebench.evaluation.inference import Table
from tebench.evaluation.multiple import max_t
from tebench.evaluation.stratified import shares

DRAWS = 20_000
CHUNK = 1000  # orders at once: families x metrics x policies values each, some tens of MB
COLUMNS = (
    "metric", "tau_task", "p_task", "p_task_max", "chosen_task", "tau_family", "p_family", "p_family_max",
    "chosen_family", "tau_best", "best", "n_policies",
)  # fmt: skip


def nested(
    tables: Mapping[str, Table], *, within: bool = True, kind: str = "family", n_draws: int = DRAWS, seed: int = 0
) -> pd.DataFrame:
    """Every metric with its policy chosen elsewhere; rows by falling tau_task.

    tables: policy -> its scores (`inference.table`), all of the same pool and tasks; a metric may be absent from some.
    tau_task: each task is judged under the policy with the highest mean tau on all other tasks.
    tau_family: tau is a sum over pairs of encoders; the pairs that touch a family are judged under the policy with the
        highest sum over all other pairs, in all tasks; a pair of two families counts half for each.
    tau_best: the policy that is best on these very data, for comparison: that choice is not blind.
    chosen_*: policies with how many tasks, or families, chose them. Ties go to the policy that is named first.
    p: the choice is repeated in every order of the null (`exchange.orders` of `kind`); two-sided; `_max`: max-T over
        the metrics.   within: tau inside shapes (the primary endpoint), else over the pool.
    Encoders tied in score share the mean of their weights; without ties tau is `stratified_tau`.
    """
    grid = _grid(tables, within)
    group = orders(grid.design, kind, n_draws=n_draws, seed=seed)
    here = np.arange(len(grid.design))[None]
    by_task, by_family, picks_task, picks_family, means = _judge(grid, here, details=True)
    null = [_judge(grid, group.orders[start : start + CHUNK])[:2] for start in range(0, len(group.orders), CHUNK)]
    task_null, family_null = (np.concatenate([part[i] for part in null]) for i in range(2))
    found = [max_t(by_task[0], task_null, exact=group.exact), max_t(by_family[0], family_null, exact=group.exact)]
    rows = []
    for m, metric in enumerate(grid.metrics):
        best = int(np.argmax(means[m]))
        rows.append(
            (metric, by_task[0, m], found[0].p[m], found[0].p_max[m], _counted(picks_task[m], grid.policies),
             by_family[0, m], found[1].p[m], found[1].p_max[m], _counted(picks_family[m], grid.policies),
             means[m, best], grid.policies[best], int(grid.there[m].sum()))
        )  # fmt: skip
    frame = pd.DataFrame(rows, columns=list(COLUMNS))
    return frame.sort_values(["tau_task", "metric"], ascending=[False, True], ignore_index=True)


@dataclass(frozen=True)
class _Grid:
    """scores (T, M, P, K), 0 where `there` (M, P) is False; dice (T, K)."""

    metrics: tuple[str, ...]
    policies: tuple[str, ...]
    scores: np.ndarray
    there: np.ndarray
    dice: np.ndarray
    design: Design
    strata: list[np.ndarray]


def _grid(tables: Mapping[str, Table], within: bool) -> _Grid:
    if len(tables) < 2:
        raise InputError(f"a choice needs at least 2 policies, got {', '.join(tables) or 'none'}.")
    first = next(iter(tables.values()))
    for policy, found in tables.items():
        same = found.tasks == first.tasks and found.design.encoders == first.design.encoders
        if not same or not np.array_equal(found.dice, first.dice):
            raise InputError(f"policy {policy}: its encoders, tasks or ground truth are not those of the others.")
    if len(first.tasks) < 2:
        raise InputError("leave one task out needs at least 2 rankable tasks.")
    metrics = tuple(sorted({name for found in tables.values() for name in found.metrics}))
    n_tasks, k = first.dice.shape
    scores = np.zeros((n_tasks, len(metrics), len(tables), k))
    there = np.zeros((len(metrics), len(tables)), bool)
    for p, found in enumerate(tables.values()):
        for row, name in enumerate(found.metrics):
            m = metrics.index(name)
            scores[:, m, p], there[m, p] = found.scores[row], True
    strata = first.design.rows_of_shape() if within else [np.arange(k)]
    return _Grid(metrics, tuple(tables), scores, there, first.dice, first.design, strata)


def _judge(grid: _Grid, chunk: np.ndarray, details: bool = False):
    """((B, M) by task, (B, M) by family) in each order; with details the choices and plain means of the first too."""
    n_tasks, (m, p) = len(grid.dice), grid.there.shape
    families = range(len(grid.design.families))
    tau = np.zeros((n_tasks, len(chunk), m, p))
    apart = np.zeros((len(families), len(chunk), m, p))
    touching = np.zeros_like(apart)
    for rows, share in zip(grid.strata, shares(grid.strata), strict=True):
        if share == 0:
            continue
        i, j = (rows[side] for side in np.triu_indices(len(rows), 1))
        of = grid.design.family[i], grid.design.family[j]
        for t in range(n_tasks):
            signs, weights, own, plain = _pairs(grid, t, rows, i, j, chunk, share)
            whole = signs @ own.T + weights @ plain.T
            tau[t] += whole.reshape(len(chunk), m, p)
            for f in families:
                touched = (of[0] == f) * 0.5 + (of[1] == f) * 0.5
                some = np.flatnonzero(touched)
                if not len(some):
                    apart[f] += whole.reshape(len(chunk), m, p)
                    continue
                half = touched[some]
                part = (signs[:, some] * half) @ own[:, some].T + (weights[:, some] * half) @ plain[:, some].T
                all_of = signs[:, some] @ own[:, some].T + weights[:, some] @ plain[:, some].T
                touching[f] += part.reshape(len(chunk), m, p)
                apart[f] += (whole - all_of).reshape(len(chunk), m, p)
    total = tau.sum(0)
    no = np.where(grid.there, 0.0, -np.inf)
    picks_task = np.array([np.argmax(total - tau[t] + no, axis=-1) for t in range(n_tasks)])  # (T, B, M)
    picks_family = np.array([np.argmax(apart[f] + no, axis=-1) for f in families])
    by_task = np.take_along_axis(tau, picks_task[..., None], -1)[..., 0].mean(0)
    by_family = np.take_along_axis(touching, picks_family[..., None], -1)[..., 0].sum(0) / n_tasks
    if not details:
        return by_task, by_family
    return by_task, by_family, picks_task[:, 0].T, picks_family[:, 0].T, total[0] / n_tasks + no


def _pairs(grid, t, rows, i, j, chunk, share):
    """(signs (B, pairs), signs x Dice's weights, own terms (M P, pairs), plain terms): tau is two matrix products."""
    scores = grid.scores[t].reshape(-1, grid.scores.shape[-1])
    dice = grid.dice[t]
    weights, weights_t = np.zeros(scores.shape), np.zeros(dice.shape)
    weights[:, rows], weights_t[rows] = _weights(scores[:, rows]), _weights(dice[None, rows])[0]
    s, t_signs = np.sign(scores[:, i] - scores[:, j]), np.sign(dice[:, None] - dice[None])
    norms = []
    for which in (weights, np.broadcast_to(weights_t, weights.shape)):
        untied = (np.abs(s) * (which[:, i] + which[:, j])).sum(-1)
        norms.append(untied)
    flips = np.abs(t_signs[i, j]) * (weights_t[i] + weights_t[j])
    # Of tau by the score's ranks, and by Dice's; the untied pairs of Dice are nearly always all.
    by_score = np.sqrt(norms[0] * (np.abs(t_signs[i, j]) * (weights[:, i] + weights[:, j])).sum(-1))
    by_dice = np.sqrt(norms[1] * flips.sum())
    first, second = chunk[:, i], chunk[:, j]
    signs = t_signs[first, second]
    safe = [np.where(norm > 0, norm, np.inf)[:, None] for norm in (by_score, by_dice)]
    own = share * s * (weights[:, i] + weights[:, j]) / (2 * safe[0])
    return signs, signs * (weights_t[first] + weights_t[second]), own, share * s / (2 * safe[1])


def _weights(values: np.ndarray) -> np.ndarray:
    """1 / (1 + rank from the top) of each row's values, tied ones sharing the mean of theirs."""
    order = np.argsort(-values, axis=-1, kind="stable")
    plain = 1.0 / (1.0 + np.arange(values.shape[-1]))
    found = np.empty(values.shape)
    for row, (own, by) in enumerate(zip(values, order, strict=True)):
        _, which = np.unique(own[by], return_inverse=True)
        found[row, by] = (np.bincount(which, plain) / np.bincount(which))[which]
    return found


def _counted(picks: np.ndarray, policies) -> str:
    counts = Counter(policies[pick] for pick in picks)
    return ", ".join(f"{name} {count}" for name, count in counts.most_common())
