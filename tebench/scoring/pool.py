"""Pool-level metrics: scores that exist only for a named candidate pool, computed anew for each one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from tebench.base import storage
from tebench.base.errors import InputError, NotApplicable
from tebench.metrics.evaluate_one import check_value
from tebench.metrics.registry import Metric
from tebench.scoring.identity import metric_hash
from tebench.scoring.request import Request, part_requests
from tebench.scoring.score import Score, made

ABSENT_PART = "a part of it has no score."


@dataclass(frozen=True)
class Pooled:
    """One encoder's outcome of a pool-level metric."""

    status: str
    reason: str
    score: float | None = None


def fuse(
    metric: Metric, parameters: dict, parts: Mapping[str, Mapping[str, float | None]], n_foreground: int,
    reasons: Mapping[str, str] | None = None,
) -> dict[str, Pooled]:  # fmt: skip
    """A metric that reads "parts", over a candidate pool.

    parts: encoder -> {argument: score of that part, None where it has none}; the encoders are the pool.
    n_foreground: foreground classes of the task, |C|.
    reasons: encoder -> why a part of it is absent. The fusion runs over the encoders whose parts are complete.
    """
    complete = [e for e, own in parts.items() if all(_number(own.get(name)) for name in metric.parts)]
    table = {name: np.array([parts[e][name] for e in complete], np.float64) for name in metric.parts}
    return _over(
        metric, list(parts), complete, lambda: metric.function(table, n_foreground, **parameters), n_foreground + 1,
        reasons or {},
    )  # fmt: skip


def elsewhere(metric: Metric, parameters: dict, encoders: list[str], task: str, truth) -> dict[str, Pooled]:
    """A metric that reads the pool's ground truth on all tasks of `truth` but `task`.

    truth: ground-truth frame (encoder, task, value).
    """
    others = truth[truth["task"] != task]
    dice = others.groupby(["encoder", "task"])["value"].mean().unstack().reindex(encoders).to_numpy(np.float64)
    if dice.shape[1] == 0:
        return dict.fromkeys(
            encoders, Pooled("not_applicable", "there is ground truth for no other task of this benchmark.")
        )
    return _over(metric, encoders, encoders, lambda: metric.function(dice, **parameters), None, {})


def _over(metric: Metric, encoders, present, call: Callable, n_classes: int | None, reasons) -> dict[str, Pooled]:
    """The call's (K,) values checked; an encoder that is left out, or a call that fails, has a reason instead."""
    left_out = [encoder for encoder in encoders if encoder not in present]
    found = {e: Pooled("not_applicable", reasons.get(e, ABSENT_PART)) for e in left_out}
    note = f"pool without {', '.join(left_out)}" if left_out else ""
    try:
        values = call() if present else []
        for encoder, value in zip(present, values, strict=True):
            found[encoder] = Pooled("ok", note, check_value(metric, value, n_classes))
    except NotApplicable as error:
        found |= dict.fromkeys(present, Pooled("not_applicable", str(error)))
    except Exception as error:
        found |= dict.fromkeys(present, Pooled("failed", f"{type(error).__name__}: {error}"))
    return {encoder: found[encoder] for encoder in encoders}


def _number(value) -> bool:
    return isinstance(value, int | float) and bool(np.isfinite(value))


def pooled(
    request: Request, scores: list[Score], encoders: list[str], n_foreground: int, truth=None,
    preset: dict | None = None,
) -> list[Score]:  # fmt: skip
    """The request's Scores on one task over the pool `encoders`.

    scores: Scores of this task, those of the request's parts among them.   truth: ground-truth frame of the pool over
    all its tasks, for metrics that read "elsewhere".
    """
    if request.metric.reads == "elsewhere":
        own = {encoder: {"": next(s for s in scores if s.encoder == encoder)} for encoder in encoders}
        task = next(iter(own.values()))[""].task
        found = elsewhere(request.metric, request.parameters, encoders, task, truth)
        return [_score(request, found[encoder], own[encoder], {}) for encoder in encoders]
    own = {encoder: {} for encoder in encoders}
    for argument, part in part_requests(request, preset).items():
        chosen = {score.encoder: score for score in scores if part.matches(score)}
        for encoder in encoders:
            if encoder not in chosen:
                raise InputError(f"metric {request.metric.name}: part {part.metric.name} has no score for {encoder!r}.")
            own[encoder][argument] = chosen[encoder]
    reasons = {}
    for encoder, parts in own.items():
        broken = [part for part in parts.values() if not part.ok]
        if broken:
            reasons[encoder] = f"part {broken[0].metric}: {broken[0].reason}"
    table = {encoder: {a: part.score for a, part in parts.items()} for encoder, parts in own.items()}
    found = fuse(request.metric, request.parameters, table, n_foreground, reasons)
    return [_score(request, found[encoder], own[encoder], own[encoder]) for encoder in encoders]


def _score(request: Request, outcome: Pooled, own: dict[str, Score], parts: dict[str, Score]) -> Score:
    """own: the Scores whose hashes this one carries.   parts: those it was fused from."""
    first = next(iter(own.values()))
    status = outcome.status
    for state in ("failed", "missing"):  # so is the whole
        if any(part.status == state for part in parts.values()):
            status = state
    peaks = [part.peak_mb for part in parts.values() if part.peak_mb is not None]
    return made(
        request, first.task, first.encoder, {"feature_hash": first.feature_hash, "label_hash": first.label_hash},
        stages=", ".join(part.stages for part in parts.values()), status=status, reason=outcome.reason,
        score=outcome.score, components={name: part.score for name, part in parts.items()},
        # What the parts took; the fusion itself is microseconds, and timing it would change a warm run's bytes.
        seconds=round(sum(part.seconds for part in parts.values()), 4), peak_mb=max(peaks, default=0.0),
        metric_hash=storage.hash_json([metric_hash(request.metric), *(part.metric_hash for part in parts.values())]),
    )  # fmt: skip
