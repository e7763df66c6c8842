"""One metric on one view: its value, or why it has none."""

from __future__ import annotations

import time
import traceback
from dataclasses import dataclass

from tebench.base import failures
from tebench.base.errors import NotApplicable
from tebench.runtime.meter import Meter
from tebench.runtime.threads import one_thread
from tebench.scoring.request import Request
from tebench.scoring.score import Score, made
from tebench.scoring.view import FeatureView


@dataclass(frozen=True)
class Outcome:
    """What computing one metric on one view gives."""

    status: str
    reason: str
    score: float | None
    components: dict
    seconds: float
    trace: str = ""  # traceback of a failure


def attempt(request: Request, view: FeatureView, facts: dict) -> Outcome:
    """The metric on the view; what goes wrong inside it becomes status and reason."""
    begin = time.perf_counter()
    status, reason, score, trace = "ok", "", None, ""
    components: dict = {}
    try:
        score, components = view.value(request, facts)
    except NotApplicable as error:
        status, reason = "not_applicable", str(error)
    except Exception as error:
        status, reason = "failed", f"{failures.kind(error)}: {error} ({failures.place(error)})"
        trace = traceback.format_exc()
    return Outcome(status, reason, score, components, time.perf_counter() - begin, trace)


def compute(request: Request, task: str, encoder: str, header: dict, view: FeatureView) -> Score:
    """A new score on all rows of the view."""
    return traced(request, task, encoder, header, view)[0]


def traced(request: Request, task: str, encoder: str, header: dict, view: FeatureView) -> tuple[Score, str]:
    """(a new score on all rows of the view, the traceback where the metric failed)."""
    with one_thread(), Meter() as meter:
        found = attempt(request, view, header["facts"])
    score = made(
        request, task, encoder, header, status=found.status, reason=found.reason, score=found.score,
        components=found.components, seconds=round(meter.seconds, 4),
        peak_mb=None if meter.peak_mb is None else round(meter.peak_mb, 1),
    )  # fmt: skip
    return score, found.trace
