"""From the forms that a configuration names to what a registration holds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import pandas as pd

from tebench.base.errors import InputError
from tebench.metrics import presets
from tebench.metrics.evaluate_one import check_policy
from tebench.metrics.registry import get
from tebench.research.registration.record import COLUMNS, Form
from tebench.scoring.request import Request, part_requests
from tebench.scoring.score import Score


def requests_of(forms: Iterable[str], seed: int, preset: Mapping[str, dict] | None = None) -> dict[str, Request]:
    """Form name -> request. forms: each the name of a metric, or name@stages where it reads other stages than its own.

    A form is called after its metric, and the stages where they are stated; a form of other parameters is a preset.
    """
    found: dict[str, Request] = {}
    for form in forms:
        metric_name, _, stages = form.partition("@")
        metric = get(metric_name.strip())
        if stages:
            check_policy(stages)
        name = f"{metric.name} on {stages}" if stages else metric.name
        if name in found:
            raise InputError(f"job.forms: {form!r} stands twice.")
        found[name] = Request.make(metric, presets.completed(metric, {}, dict(preset or {})), stages or None, seed)
    return found


def with_parts(requests: dict[str, Request], preset: dict | None = None) -> list[tuple[str, Request, str]]:
    """(form name, request, the form it is a part of or "") of every form and of the parts of fused ones, each once.

    Parts are registered too, so that a fused form can be computed over any smaller pool later. A part that is a form
    of its own is not repeated.
    """
    found = [(name, request, "") for name, request in requests.items()]
    for name, request in requests.items():
        for part in part_requests(request, preset).values():
            if all(part != other for _, other, _ in found):
                own = f"{part.metric.name} on {part.stages}" if part.stages else part.metric.name
                taken = {other for other, _, _ in found}
                found.append((own if own not in taken else f"{own} of {name}", part, name))
    return found


def collected(wanted: list[tuple[str, Request, str]], scores: Iterable[Score]) -> tuple[list[Form], pd.DataFrame]:
    """(forms, their scores with the columns of a registration)."""
    scores, forms, rows = list(scores), [], []
    for name, request, part_of in wanted:
        own = [score for score in scores if request.matches(score)]
        hashes = sorted({score.metric_hash for score in own})
        if len(hashes) != 1:
            raise InputError(f"registration: {len(hashes)} versions of the code of form {name} made its scores.")
        metric = request.metric
        stages = own[0].stages
        forms.append(Form(name, metric.name, request.parameters, stages, metric.direction, hashes[0], part_of))
        rows += [
            (name, s.task, s.encoder, s.metric, s.parameters, s.stages, s.status, s.reason, s.score, s.components,
             s.feature_hash, s.label_hash)
            for s in own
        ]  # fmt: skip
    return forms, pd.DataFrame(rows, columns=list(COLUMNS))
