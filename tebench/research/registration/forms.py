"""From the forms that a configuration names to what a registration holds."""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd

from tebench.base.errors import InputError
from tebench.metrics import presets
from tebench.metrics.registry import get
from tebench.research.registration.record import COLUMNS, Form
from tebench.scoring.request import Request, part_requests
from tebench.scoring.score import Score

_KEYS = {"metric", "stages", "parameters", "name"}


def requests_of(forms, seed: int, preset: dict | None = None) -> dict[str, Request]:
    """Form name -> request. forms: mappings with a metric, and perhaps stages, parameters and a name.

    A form without a name is called after its metric, with the stages where it does not read the metric's own.
    """
    if not isinstance(forms, list) or not forms:
        raise InputError(f"job.forms must be a list such as [{{metric: boundary_flow}}], got {forms!r}.")
    found: dict[str, Request] = {}
    for form in forms:
        if not isinstance(form, dict) or "metric" not in form or not set(form) <= _KEYS:
            raise InputError(f"job.forms: a form has the keys {', '.join(sorted(_KEYS))}, metric always; got {form!r}.")
        metric, stages = get(form["metric"]), form.get("stages")
        given = presets.below(metric, dict(form.get("parameters") or {}), preset or {})
        name = form.get("name") or (f"{metric.name} on {stages}" if stages else metric.name)
        if name in found:
            raise InputError(f"job.forms: two forms are called {name!r}. Give one of them a name.")
        found[name] = Request.make(metric, given, stages, seed)
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
