"""How many voxels: value, spread and rank agreement of topology metrics against the size of the sample."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np

from tebench.base import storage
from tebench.base.errors import CacheError, InputError, NotApplicable
from tebench.features.sample import Role
from tebench.features.sampling import Recipe
from tebench.research.studies.draws import Draws, scaled
from tebench.scoring.identity import metric_hash
from tebench.scoring.pool import fuse
from tebench.scoring.request import Request, part_requests, with_parts

log = logging.getLogger(__name__)

METRICS = (
    "grtd", "grtd_relative", "grtd_constrained", "lbtc", "henze_penrose", "rtd_lite", "grtd_lbtc", "grtd_relative_lbtc",
)  # fmt: skip
COLUMNS = ("task", "metric", "encoder", "size", "draw", "score", "reason")
VERSION = 1  # raise when `score_pair` or `Draws` would give other rows from the same features
SETTLED = 0.25  # largest uneven bias, default against largest size, that counts as no longer moving rankings [choice]
AGREES = 0.9  # mean Kendall tau from which one draw counts as ranking like the rest [choice]


def check(sizes, draws, cases) -> tuple[float, ...]:
    """The sizes in rising order, the largest last, with the usual one (1) among them."""
    numbers = [s for s in sizes or [] if isinstance(s, (int, float)) and not isinstance(s, bool) and s > 0]
    if len(numbers) != len(sizes or []) or len(set(numbers)) < 3 or 1 not in numbers:
        raise InputError(
            f"sizes must be at least 3 different multiples of the sampling sizes, 1 among them, got {sizes!r}."
        )
    for name, value, low in (("draws", draws, 2), ("cases", 1 if cases is None else cases, 1)):
        if not isinstance(value, int) or isinstance(value, bool) or value < low:
            raise InputError(f"job.{name} must be a whole number >= {low}, got {value!r}.")
    return tuple(sorted(set(map(float, numbers))))


def score_pair(folder: Path, task: str, requests: list[Request], recipe: Recipe, sizes, n_draws: int, seed: int):
    """One encoder on one task: (rows of COLUMNS without fusions, {stage: {size: distinct rows a case}})."""
    from tebench.features import cache
    from tebench.metrics.evaluate_one import select_stages
    from tebench.metrics.topology.labelled_tree import group_rows
    from tebench.scoring.view import FeatureView

    features = cache.read(folder, verify=False)
    draws = Draws(features.sample, n_draws, seed=seed)
    used = {stage for request in requests for stage in select_stages(request.policy, features.stages)}
    rows, distinct = [], {stage: {} for stage in features.stages}
    for size in sizes:
        for draw in range(n_draws):
            # Draw 0 counts distinct rows too, and so needs all stages.
            part = draws.features(features, draw, scaled(recipe, size), None if draw == 0 else used)
            view = FeatureView(lambda part=part: part, task)
            for request in requests:
                score, reason = None, ""
                try:
                    score = view.value(request, features.facts)[0]
                except NotApplicable as error:
                    reason = str(error)
                rows.append((task, request.metric.name, features.encoder, size, draw, score, reason))
            if draw == 0:
                inside = part.sample.rows(Role.FOREGROUND, Role.BACKGROUND)
                groups = [inside[part.sample.case[inside] == case] for case in np.unique(part.sample.case[inside])]
                for stage, matrix in part.stages.items():
                    found = [len(group_rows(matrix[group])[1]) for group in groups]
                    distinct[stage][f"{size:g}"] = float(np.mean(found))
    return rows, distinct


def score(folders: dict, metrics, recipe: Recipe, sizes, n_draws: int, *, seed: int, preset, kept: Path, workers: int,
          plugins=(), progress=True):  # fmt: skip
    """(frame of COLUMNS with the fusions, {(task, encoder): distinct rows}); finished encoders are kept in `kept`."""
    import pandas as pd

    from tebench.runtime.workers import each

    asked = [Request.make(metric, preset.get(metric.name, {}), None, seed) for metric in metrics]
    requests = [r for r in with_parts(asked, preset) if r.metric.reads != "parts"]
    spelled = [request.spelled for request in requests]
    jobs = [
        (folder, task, spelled, recipe, sizes, n_draws, seed, kept, tuple(plugins))
        for (task, _), folder in folders.items()
    ]
    pairs = each(_pair, jobs, workers, "voxels", progress=progress, kept="what it kept is used again.")
    rows, distinct = [], {}
    for (task, encoder), (found, counts) in zip(folders, pairs, strict=True):
        rows += map(tuple, found)
        distinct[task, encoder] = counts
    frame = pd.DataFrame(rows, columns=list(COLUMNS))
    fused = [row for r in asked if r.metric.reads == "parts" for row in fusions(frame, r, folders, preset)]
    frame = pd.concat([frame, pd.DataFrame(fused, columns=list(COLUMNS))]) if fused else frame
    return frame[frame["metric"].isin([r.metric.name for r in asked])].reset_index(drop=True), distinct


def fusions(frame, request: Request, folders: dict, preset: dict | None = None) -> list[tuple]:
    """Rows of a fused metric: each draw of each size is fused over the pool on its own."""
    from tebench.tasks import catalogue as tasks

    rows = []
    parts = {argument: part.metric.name for argument, part in part_requests(request, preset).items()}
    for task in dict.fromkeys(task for task, _ in folders):
        encoders = [encoder for other, encoder in folders if other == task]
        of_task = frame[(frame["task"] == task) & frame["metric"].isin(list(parts.values()))]
        table = of_task.pivot(index=["size", "draw"], columns=["metric", "encoder"], values="score")
        for (size, draw), values in table.iterrows():
            scores = {e: {a: float(values[name][e]) for a, name in parts.items()} for e in encoders}
            fused = fuse(request.metric, request.parameters, scores, tasks.load(task).n_foreground)
            for encoder, found in fused.items():
                rows.append((task, request.metric.name, encoder, size, int(draw), found.score, found.reason))
    return rows


def _pair(job) -> tuple[list, dict]:
    """`score_pair`, or what it left on disk."""
    from tebench.features import cache
    from tebench.metrics.registry import load_plugins

    folder, task, spelled, recipe, sizes, n_draws, seed, kept, plugins = job
    load_plugins(plugins)
    requests = [Request.read(plain) for plain in spelled]
    made_from = [
        cache.header(folder)["feature_hash"], spelled, recipe.__dict__, sizes, n_draws, seed,
        [metric_hash(r.metric) for r in requests],
        VERSION,
    ]  # fmt: skip
    path = Path(kept) / f"voxels-{storage.hash_json(made_from)[:16]}.json"
    if path.exists():
        try:
            found = storage.read_sealed(path)
            return found["rows"], found["distinct"]
        except CacheError as error:
            log.warning("%s It is computed again.", error)
    rows, distinct = score_pair(folder, task, requests, recipe, sizes, n_draws, seed)
    storage.write_sealed(path, {"rows": rows, "distinct": distinct})
    return rows, distinct


def statistics(frame, truth, directions: dict[str, str]):
    """One row per (task, metric, size), over draws k and encoders e of scores s[k, e], oriented up:

    bias: mean over e of (mean over k at this size - the same at the largest size), in units of `between` = SD over e
        of the latter. uneven: SD over e of that difference, same unit: the part of the bias that moves rankings.
    step: as uneven, against the next smaller size: what one enlargement still moves.
    spread: SD over k (root mean square over e) / SD over e of the mean over k, both at this size.
    agreement: Kendall tau of one draw's ranking with that of the mean of the *other* draws at the largest size:
        mean over draws, lowest and highest.
    tau_w: weighted tau of one draw with the mean fine-tuned Dice: mean over draws, SD, lowest and highest.
    NaN where an encoder has no value; `n_missing` says for how many (draw, encoder).
    """
    import pandas as pd

    sizes, encoders = sorted(set(frame["size"])), list(dict.fromkeys(frame["encoder"]))
    dice = truth.groupby(["task", "encoder"])["value"].mean()
    rows = []
    for (task, metric), part in frame.groupby(["task", "metric"], sort=False):
        sign = 1.0 if directions[metric] == "up" else -1.0
        table = part.assign(score=pd.to_numeric(part["score"])).pivot(
            index=["size", "draw"], columns="encoder", values="score"
        )
        scores = {size: sign * table.loc[size].reindex(columns=encoders).to_numpy(np.float64) for size in sizes}
        quality = dice[task].reindex(encoders).to_numpy()
        rows += [
            {"task": task, "metric": metric, "size": size, **_numbers(scores[size], before, scores[sizes[-1]], quality)}
            for size, before in zip(sizes, [None, *(scores[size] for size in sizes)], strict=False)
        ]
    return pd.DataFrame(rows)


def _numbers(own: np.ndarray, before: np.ndarray | None, largest: np.ndarray, quality: np.ndarray) -> dict[str, float]:
    from tebench.evaluation.correlation import kendall_tau, weighted_tau

    missing = int((~np.isfinite(own)).sum())
    if missing or not np.isfinite(largest).all():
        return {"n_missing": missing}
    drift = own.mean(0) - largest.mean(0)
    between, here = largest.mean(0).std(ddof=1), own.mean(0).std(ddof=1)
    others = [np.delete(largest, k, axis=0).mean(0) for k in range(len(own))]
    agreement = np.array([kendall_tau(mine, rest) for mine, rest in zip(own, others, strict=True)])
    tau = np.array([weighted_tau(mine, quality) for mine in own])
    step = np.nan if before is None else _ratio((own.mean(0) - before.mean(0)).std(ddof=1), between)
    numbers = {
        "value": own.mean(), "bias": _ratio(drift.mean(), between), "uneven": _ratio(drift.std(ddof=1), between),
        "step": step, "spread": _ratio(np.sqrt(own.var(0, ddof=1).mean()), here),
    }  # fmt: skip
    for name, values in (("agreement", agreement), ("tau_w", tau)):
        numbers |= {name: values.mean(), f"{name}_sd": values.std(ddof=1)}
        numbers |= {f"{name}_low": values.min(), f"{name}_high": values.max()}
    return {**numbers, "n_missing": 0}


def _ratio(above: float, below: float) -> float:
    return float(above / below) if below > 0 else float("nan")


def verdict(table, metric: str) -> str:
    """What limits a metric at size 1: "size" (encoders still move against each other as the sample grows), else
    "noise" (one draw ranks less alike than `AGREES`), else "settled"; the worst task decides on size."""
    usual = table[(table["metric"] == metric) & (table["size"] == 1)]
    if not usual["uneven"].max() <= SETTLED:
        return "size"
    return "settled" if usual["agreement"].mean() >= AGREES else "noise"


def enough(table, metric: str, at_least: float = AGREES) -> float:
    """The smallest size from which on the agreement, averaged over tasks, stays at or above `at_least`; NaN if none."""
    mean = table[table["metric"] == metric].groupby("size")["agreement"].mean().sort_index(ascending=False)
    found = float("nan")
    for size, value in mean.items():
        if not value >= at_least:
            break
        found = float(size)
    return found
