"""Pool-level metrics: scores that exist only for a named candidate pool, recomputed for each one."""

from __future__ import annotations

import numpy as np

from tebench.base import storage
from tebench.base.errors import InputError, NotApplicable
from tebench.metrics import presets
from tebench.metrics.evaluate_one import check_value
from tebench.metrics.registry import get
from tebench.scoring.score import Request, metric_hash, versions


def with_parts(requests: list[Request], preset: dict | None = None) -> list[Request]:
    """`requests` with the parts they are fused from before them, each request once."""
    wanted = []
    for request in requests:
        for one in (*part_requests(request, preset).values(), request):
            if one not in wanted:
                wanted.append(one)
    return wanted


def part_requests(request: Request, preset: dict | None = None) -> dict[str, Request]:
    """The metrics a fused metric is made of, under the run's preset. A parameter that a part shares by name is
    passed on."""
    found = {}
    for argument, name in request.metric.parts.items():
        part = get(name)
        shared = {key: value for key, value in request.parameters.items() if key in part.parameters}
        found[argument] = Request.make(part, presets.below(part, shared, preset or {}), request.stages, request.seed)
    return found


def fuse(
    request: Request, cells: list[dict], encoders: list[str], n_foreground: int, preset: dict | None = None
) -> list[dict]:
    """Scores of one task over the pool `encoders`, from the cells of its parts.

    An encoder without a value for some part has none here either, with the reason; the fusion runs
    over the others, and each cell says who is left out.
    """
    by_part, reasons, broken = {}, {}, set()
    for argument, part in part_requests(request, preset).items():
        chosen = {cell["encoder"]: cell for cell in cells if part.matches(cell)}
        for encoder in encoders:
            if encoder not in chosen:
                raise InputError(f"metric {request.metric.name}: part {part.metric.name} has no cell for {encoder!r}.")
            if chosen[encoder]["status"] != "ok":
                reasons.setdefault(encoder, f"part {part.metric.name}: {chosen[encoder]['reason']}")
                if chosen[encoder]["status"] == "failed":
                    broken.add(encoder)
        by_part[argument] = chosen
    present = [encoder for encoder in encoders if encoder not in reasons]
    table = {name: np.array([chosen[encoder]["score"] for encoder in present]) for name, chosen in by_part.items()}
    parts = {encoder: {name: chosen[encoder] for name, chosen in by_part.items()} for encoder in encoders}
    return _rows(request, lambda: request.metric.function(table, n_foreground, **request.parameters),
                 present, reasons, encoders, parts, n_foreground + 1, broken)  # fmt: skip


def elsewhere(request: Request, cells: list[dict], encoders: list[str], truth) -> list[dict]:
    """Scores of one task from the pool's ground truth on all *other* tasks.

    cells: any of this task, for its hashes.   truth: ground-truth frame of the pool over all its tasks.
    """
    task, reasons = cells[0]["task"], {}
    others = truth[truth["task"] != task]
    dice = others.groupby(["encoder", "task"])["value"].mean().unstack().reindex(encoders).to_numpy(np.float64)
    if dice.shape[1] == 0:
        reasons = {encoder: "there is ground truth for no other task of this benchmark." for encoder in encoders}
    own = {encoder: {"": next(cell for cell in cells if cell["encoder"] == encoder)} for encoder in encoders}
    present = [] if reasons else encoders
    return _rows(request, lambda: request.metric.function(dice, **request.parameters),
                 present, reasons, encoders, own, None)  # fmt: skip


def _rows(request, call, present, reasons, encoders, parts, n_classes, broken=()) -> list[dict]:
    """Cells of a pool-level metric; parts: encoder -> {argument: the cell it was made from}.

    broken: encoders a part of which failed; so has the whole.
    """
    metric, scores, status = request.metric, {}, "not_applicable"
    try:
        values = call() if present else []
        scores = {
            encoder: check_value(metric, value, n_classes) for encoder, value in zip(present, values, strict=True)
        }
    except NotApplicable as error:
        reasons = {**dict.fromkeys(present, str(error)), **reasons}
    except Exception as error:
        status = "failed"
        reasons = {**dict.fromkeys(present, f"{type(error).__name__}: {error}"), **reasons}
    left_out = [encoder for encoder in encoders if encoder not in present]
    note = f"pool without {', '.join(left_out)}" if left_out else ""
    rows = []
    for encoder in encoders:
        cells, ok = parts[encoder], encoder in scores
        first = next(iter(cells.values()))
        fused = {name: cell for name, cell in cells.items() if name}
        # What the parts took; the fusion itself is microseconds, and timing it would change a warm run's bytes.
        seconds = sum(cell["seconds"] for cell in fused.values())
        peaks = [cell["peak_mb"] for cell in fused.values() if cell["peak_mb"] is not None]
        rows.append(
            {
                "task": first["task"], "encoder": encoder, "metric": metric.name, "parameters": request.parameters,
                "stages": ", ".join(cell["stages"] for cell in fused.values()), "seed": request.seed,
                "status": "ok" if ok else "failed" if encoder in broken else status if encoder in present
                else "not_applicable",
                "reason": note if ok else reasons[encoder], "score": scores.get(encoder),
                "components": {name: cell["score"] for name, cell in fused.items()},
                "seconds": round(seconds, 4), "peak_mb": max(peaks, default=0.0),
                "feature_hash": first["feature_hash"], "label_hash": first["label_hash"],
                "metric_hash": storage.hash_json(
                    [metric_hash(metric.source), *(cell["metric_hash"] for cell in fused.values())]
                ),
                "versions": versions(),
            }
        )  # fmt: skip
    return rows
