"""docs/metrics.md: one page of all built-in metrics, written from their registered facts and docstrings alone."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable

from tebench.metrics.registry import Metric, load

NEEDS = {
    "matrix": "features and labels",
    "moments": "class moments of the features (one pass, shared by all metrics that read them)",
    "cases": "features, labels and the case of each row",
    "patches": "features, labels, cases and boundary patches",
    "roles": "features, labels, the case of each row and why it was sampled",
    "probabilities": "a source head's class probabilities, and labels",
    "facts": "facts of the encoder",
    "parts": "scores of other metrics over the candidate pool",
    "elsewhere": "ground truth of the candidate pool on the other tasks",
}
OF_STAGES = ("matrix", "moments", "cases", "patches", "roles")
PREFACE = """\
<!-- Written by `python -m tebench job=docs` from the metrics' registered facts; edit those, not this file. -->
# Metrics

How each metric is called, what it computes and what is known against it. Marks in the texts: [paper] stated by the
authors, [released] how their public code does it, [measured] found by experiment, [choice] ours where the authors are
silent. N rows (voxels), D columns, C classes present; natural logarithms; statistics in float64.

Cost: static, nothing read; linear, one pass over the features; moments, N D^2 once for all metrics that share them;
quadratic, all pairs of rows; trees, minimum spanning trees; iterative, until convergence.

`python -m tebench metric=NAME` runs one, `metric.OPTION=value` sets an option, `stages=` reads other stages than a
metric's own policy, `python -m tebench job=check metric=NAME` runs the common checks on it.
"""


def built_in() -> list[Metric]:
    """Registered metrics of this package, by name; plugins and installed third parties are left out."""
    rooms = ("tebench.metrics.", "tebench.baselines.")
    return [metric for metric in load().values() if metric.function.__module__.startswith(rooms)]


def render(metrics: Iterable[Metric]) -> str:
    """The page as Markdown: a table of all metrics, then a section for each."""
    metrics = list(metrics)
    head = "| name | metric | better | range | reads | stages | cost |\n|---|---|---|---|---|---|---|"
    return "\n".join([PREFACE, head, *map(_row, metrics), "", "\n\n".join(section(m) for m in metrics), ""])


def has_value(metric: Metric) -> bool:
    """Whether the metric is computed at all; a refusal declares exceptions={"value": why}."""
    return "value" not in metric.exceptions


def _row(metric: Metric) -> str:
    cells = [f"[{metric.name}](#{metric.name})", metric.title]
    if has_value(metric):
        stages = f"`{metric.stages}`" if metric.reads in OF_STAGES else ""
        cells += [metric.direction, _cell(metric.range_text), metric.reads, stages, metric.cost]
    else:
        cells += ["refused", "", metric.reads, "", ""]
    return f"| {' | '.join(cells)} |"


def section(metric: Metric) -> str:
    """One metric: summary, facts, definition, options, disagreements, checks that do not hold."""
    summary, _, body = inspect.cleandoc(metric.function.__doc__).partition("\n")
    parts = [f"## {metric.name}", f"**{metric.title}.** {summary}", "\n".join(f"- {k}: {v}" for k, v in _facts(metric))]
    if body.strip():
        parts.append(f"```text\n{body.strip()}\n```")
    if metric.parameters:
        options = [f"| `{p.name}` | `{_spell(p.default)}` | {_cell(p.expected)} |" for p in metric.parameters.values()]
        parts.append("\n".join(["| option | default | accepts |", "|---|---|---|", *options]))
    if metric.disagreements:
        parts.append("Disagreements with public code:\n\n" + "\n".join(f"- {text}" for text in metric.disagreements))
    held = {**({"direction": metric.not_monotone} if metric.not_monotone else {}), **metric.exceptions}
    held.pop("value", None)
    if held:
        reasons = "\n".join(f"- {name}: {why}" for name, why in held.items())
        parts.append(f"Common checks that do not hold:\n\n{reasons}")
    return "\n\n".join(parts)


def _facts(metric: Metric):
    yield "reference", _linked(metric.paper)
    if not has_value(metric):
        yield "refused", metric.exceptions["value"]
        return
    yield "better", f"{'higher' if metric.direction == 'up' else 'lower'} ({metric.direction})"
    yield "range", metric.range_text
    yield "needs", NEEDS[metric.reads]
    if metric.parts:
        yield "parts", ", ".join(f"{argument} = [{name}](#{name})" for argument, name in metric.parts.items())
    if metric.reads in OF_STAGES:
        yield "stages", f"`{metric.stages}`"
    if metric.reads in ("matrix", "moments", "cases", "probabilities"):
        yield "rows", ", ".join(metric.rows) + (", each case by itself, then the mean" if metric.per_case else "")
    if metric.pool_dependent:
        yield "pool", "belongs to the candidate pool: another pool, other scores"
    if metric.reads not in ("facts", "parts", "elsewhere"):
        names = () if "label names" in metric.exceptions else ("names of the labels",)
        yield "unchanged by", ", ".join((*sorted(metric.invariances), "order of the rows", *names))
    yield "cost", metric.cost


def _linked(paper: str) -> str:
    paper = re.sub(r"arXiv[: ](\d{4}\.\d{4,5})", r"[arXiv \1](https://arxiv.org/abs/\1)", paper)
    return re.sub(r"doi:(10\.[^\s,)]+)", r"[doi:\1](https://doi.org/\1)", paper)


def _spell(value) -> str:
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
