"""Which stages: every metric that reads features, under one stage policy after another, on the same features."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from tebench.base.errors import InputError, NotApplicable
from tebench.metrics.evaluate_one import select_stages
from tebench.metrics.registry import Metric, load
from tebench.scoring.engine import score_all
from tebench.scoring.pool import pooled
from tebench.scoring.request import Request, direct, with_parts
from tebench.scoring.score import Score

OWN = "own"
READS_FEATURES = ("matrix", "moments", "cases", "patches", "roles")


def metrics_that_read_features(names=None) -> list[Metric]:
    """All metrics whose value depends on stages, fused ones by their parts; or those of `names`, checked."""
    known = load()
    eligible = {
        name: metric
        for name, metric in known.items()
        if metric.reads in READS_FEATURES
        or (metric.parts and all(known[part].reads in READS_FEATURES for part in metric.parts.values()))
    }
    for name in names or []:
        if name not in eligible:
            raise InputError(
                f"job.metrics: {name!r} is no metric that reads features; those are {', '.join(eligible)}."
            )
    return [metric for name, metric in eligible.items() if not names or name in names]


def check(policies) -> list[str]:
    """The policies, each once, spelt as `stages=` takes them, with "own" for each metric's own."""
    if not isinstance(policies, list) or not policies or len(set(policies)) < len(policies):
        raise InputError(f"policies must be a list of stage policies, each once, got {policies!r}.")
    for policy in policies:
        if policy != OWN:
            select_stages(policy, [f"{kind}.{i}" for kind in ("encoder", "decoder") for i in range(9)])
    return policies


def score(
    folders: dict[tuple[str, str], Path], metrics: list[Metric], policies, kept: Path, *, seed: int = 0,
    preset: dict | None = None, workers: int = 1, plugins=(), progress: bool = True, n_foreground=None,
):  # fmt: skip
    """Long-form scores, one row per (policy, metric, task, encoder).

    A policy's score is the plain mean over the values of its stages. So every metric runs once over all stages,
    and each policy's score is formed from those values, equal to running it. A metric that has no value at some
    stage is run policy by policy. Fusions follow from their parts under the same policy.
    n_foreground: task -> number of foreground classes; default that of the catalogue's task.
    """
    import pandas as pd

    preset = preset or {}
    given = {metric.name: preset.get(metric.name, {}) for metric in metrics}
    options = {"workers": workers, "plugins": plugins, "progress": progress}

    def requests(policy, chosen=metrics):
        stages = None if policy == OWN else policy
        return with_parts([Request.make(m, given.get(m.name, {}), stages, seed) for m in chosen], preset)

    everywhere = score_all(requests("all"), folders, kept, **options)
    incomplete = {score.metric for found in everywhere.values() for score in found if not score.ok}
    again = [r for policy in policies for r in requests(policy) if r.metric.name in incomplete]
    apart = score_all(again, folders, kept, **options) if again else {}
    stages = {pair: _stage_names(folder) for pair, folder in folders.items()}

    rows = []
    for policy in policies:
        wanted = requests(policy)
        for task in dict.fromkeys(task for task, _ in folders):
            encoders = [encoder for other, encoder in folders if other == task]
            found = []
            for pair in ((task, encoder) for encoder in encoders):
                for request in direct(wanted):
                    if request.metric.name in incomplete:
                        found.append(next(score for score in apart[pair] if request.matches(score)))
                    else:
                        found.append(_under(request, everywhere[pair], stages[pair]))
            for request in wanted:
                if request.pool_level:
                    n = n_foreground[task] if n_foreground else _n_foreground(task)
                    found += pooled(request, found, encoders, n, preset=preset)
            rows += [{"policy": policy, **score.row()} for score in found if score.metric in given]
    return pd.DataFrame(rows)


def _under(request: Request, scores: list[Score], stages: list[str]) -> Score:
    """The Score that a policy would give, from the one over all stages."""
    score = next(s for s in scores if s.metric == request.metric.name and s.parameters == request.parameters)
    try:
        values = {stage: score.components[stage] for stage in select_stages(request.policy, stages)}
    except (InputError, NotApplicable) as error:
        return replace(score, stages=request.policy, status="not_applicable", reason=str(error), score=None)
    return replace(
        score, stages=request.policy, score=float(np.mean(list(values.values()))), components=values,
        seconds=score.seconds * len(values) / len(score.components),
    )  # fmt: skip


def _stage_names(folder: Path) -> list[str]:
    from tebench.features import cache

    return [stage["name"] for stage in cache.manifest(folder)["stages"]]


def _n_foreground(task: str) -> int:
    from tebench.tasks import catalogue

    return catalogue.load(task).n_foreground


def evaluate(scores, truth, pool, *, seed: int = 0):
    """One row per (policy, metric, task or mean): what `evaluation.evaluate` says under each policy."""
    import pandas as pd

    from tebench.evaluation import evaluate as evaluation

    known, parts = load(), []
    for policy, own in scores.groupby("policy", sort=False):
        directions = {name: known[name].direction for name in set(own["metric"])}
        frame = evaluation.evaluate(own.drop(columns="policy"), truth, directions, pool=pool, seed=seed)
        frame.insert(0, "policy", policy)
        parts.append(frame)
    return pd.concat(parts, ignore_index=True)


def averages(scores, truth, pool, *, seed: int = 0):
    """One row per policy: tau_w averaged over metrics and rankable tasks, its chance interval and p, and the same
    for its difference to the first policy.

    Null: encoders permuted, the same permutation for all metrics, tasks and policies (metrics see one another's
    features, so they are far from independent). Metrics that have no value under some policy are left out of all.
    p_holm: over all p of the table.
    """
    import pandas as pd

    from tebench.evaluation import evaluate as evaluation
    from tebench.evaluation.compare import holm
    from tebench.evaluation.correlation import weighted_tau_many
    from tebench.evaluation.uncertainty import null_of, permutations

    known, tables, tasks = load(), {}, []
    policies = list(dict.fromkeys(scores["policy"]))
    for policy, own in scores.groupby("policy", sort=False):
        directions = {name: known[name].direction for name in set(own["metric"])}
        _, _, found, table = evaluation.prepare(own.drop(columns="policy"), truth, directions, pool=pool, seed=seed)
        tables[policy], tasks = table, [name for name, item in found.items() if item.status == "ok"]
    metrics = sorted(set(scores["metric"]))
    metrics = [m for m in metrics if all(tables[p][m, t].values is not None for p in policies for t in tasks)]
    if not tasks or not metrics:
        return pd.DataFrame(), [], tasks
    orders, exact = permutations(len(pool), 1999, seed)
    orders = np.concatenate([np.arange(len(pool))[None], orders])
    values = {
        p: np.mean(
            [weighted_tau_many(tables[p][m, t].score[orders], found[t].mean[None]) for m in metrics for t in tasks], 0
        )
        for p in policies
    }
    rows = []
    for policy in policies:
        own, gap = values[policy], values[policy] - values[policies[0]]
        null, of_gap = null_of(own[0], own[1:], exact), null_of(gap[0], gap[1:], exact)
        rows.append((policy, own[0], null.low, null.high, null.p, gap[0], of_gap.low, of_gap.high, of_gap.p))
    columns = ["policy", "tau_w", "null_low", "null_high", "p", "difference", "gap_low", "gap_high", "gap_p"]
    table = pd.DataFrame(rows, columns=columns)
    adjusted = holm([*table["p"], *table["gap_p"][1:]])
    table["p_holm"], table["gap_p_holm"] = adjusted[: len(table)], [1.0, *adjusted[len(table) :]]
    return table, metrics, tasks
