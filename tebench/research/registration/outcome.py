"""What became of a registration: its forms held against the ground truth that came after it."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from tebench.base.errors import InputError
from tebench.evaluation.evaluate import MEAN, evaluate
from tebench.evaluation.pools import Pool
from tebench.metrics.registry import get
from tebench.research.registration.record import Form, Registration
from tebench.scoring.pool import fuse
from tebench.scoring.request import Request, part_requests

COLUMNS = ("protocol", "pool", "form", "tau_w", "low", "high", "p", "n", "tasks")


def results(
    found: Registration, truths: Mapping[str, pd.DataFrame], pools: Mapping[str, list[str]],
    n_foreground: Mapping[str, int], *, seed: int = 0,
) -> pd.DataFrame:  # fmt: skip
    """One row for each protocol, pool and judged form: mean weighted tau over the tasks, with interval and p.

    truths: protocol -> ground-truth frame; those not registered are left out.
    pools: name -> encoders, narrowed to those that are registered. A task counts where every encoder of the pool is
    registered on it and has ground truth; a pool of fewer than three encoders, or without such a task, has no row.
    Fused forms are fused anew over each pool, from their registered parts.
    """
    rows = []
    for protocol, truth in truths.items():
        pairs = found.pairs.get(protocol, {})
        done = set(zip(truth["task"], truth["encoder"], strict=True))
        registered = {encoder for encoders in pairs.values() for encoder in encoders}
        for name, encoders in pools.items():
            members = [encoder for encoder in encoders if encoder in registered]
            tasks = [
                task for task in sorted(pairs) if all(e in pairs[task] and (task, e) in done for e in members)
            ]  # fmt: skip
            if len(members) < 3 or not tasks:
                continue
            pool = Pool(name, tuple(members))
            mine = truth[truth["task"].isin(tasks) & truth["encoder"].isin(members)].reset_index(drop=True)
            directions = {form.name: form.direction for form in found.judged}
            table = evaluate(scores_over(found, pool, tasks, n_foreground), mine, directions, pool=pool, seed=seed)
            for row in table[table["task"] == MEAN].itertuples():
                rows.append(
                    (protocol, name, row.metric, row.tau_w, row.low, row.high, row.p, len(pool), int(row.n_tasks))
                )  # fmt: skip
    return pd.DataFrame(rows, columns=list(COLUMNS))


def scores_over(found: Registration, pool: Pool, tasks: list[str], n_foreground: Mapping[str, int]) -> pd.DataFrame:
    """Scores of the judged forms over a pool, as `evaluate` takes them; `metric` is the form's name."""
    table = found.scores.set_index(["form", "task", "encoder"])
    rows = []
    for form in found.judged:
        metric = get(form.metric)
        for task in tasks:
            if metric.parts:
                made = _fused(form, table, task, pool, n_foreground[task], found)
            else:
                own = table.loc[form.name].loc[task]
                made = {e: (own.loc[e, "status"], own.loc[e, "reason"], own.loc[e, "score"]) for e in pool.encoders}
            belongs = pool.id if metric.parts else ""
            rows += [(task, e, form.name, 0, *made[e], belongs) for e in pool.encoders]
    return pd.DataFrame(rows, columns=["task", "encoder", "metric", "seed", "status", "reason", "score", "pool"])


def _fused(form: Form, table, task, pool, n_foreground, found) -> dict[str, tuple]:
    """encoder -> (status, reason, score), from the registered scores of the form's parts."""
    metric = get(form.metric)
    request = Request.make(metric, form.parameters, None, 0)
    parts = {argument: _registered(found, form, part) for argument, part in part_requests(request).items()}
    given = {
        encoder: {argument: _number(table.loc[(part, task, encoder), "score"]) for argument, part in parts.items()}
        for encoder in pool.encoders
    }
    made = fuse(metric, form.parameters, given, n_foreground)
    return {encoder: (one.status, one.reason, one.score) for encoder, one in made.items()}


def _registered(found: Registration, form: Form, part: Request) -> str:
    """The name under which a part is registered."""
    fit = [o for o in found.forms if (o.metric, o.parameters) == (part.metric.name, part.parameters)]
    own = [o for o in fit if o.part_of == form.name] or [o for o in fit if o.stages == part.policy]
    if own:
        return own[0].name
    raise InputError(f"registration {found.name}: form {form.name} is fused from {part.metric.name}, which it lacks.")


def _number(value) -> float | None:
    return None if pd.isna(value) else float(value)
