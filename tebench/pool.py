"""Pool-level metrics: scores that exist only for a named candidate pool, recomputed for each one."""

from __future__ import annotations

import numpy as np

from tebench import storage
from tebench.cells import FIELDS, Request, metric_hash, versions
from tebench.errors import InputError, NotApplicable
from tebench.meter import Meter
from tebench.registry import get
from tebench.scoring import check_value


def with_parts(requests: list[Request]) -> list[Request]:
    """`requests` plus the parts they are fused from, each request once."""
    wanted = []
    for request in requests:
        for part in part_requests(request).values():
            if part not in wanted:
                wanted.append(part)
        if request not in wanted:
            wanted.append(request)
    return wanted


def part_requests(request: Request) -> dict[str, Request]:
    """The metrics a fused metric is made of. A parameter that a part shares by name is passed on."""
    found = {}
    for argument, name in request.metric.parts.items():
        part = get(name)
        shared = {key: value for key, value in request.parameters.items() if key in part.parameters}
        found[argument] = Request(part, part.complete(shared), request.stages)
    return found


def fuse(request: Request, cells: list[dict], encoders: list[str], n_foreground: int) -> list[dict]:
    """Scores of one task over the pool `encoders`, from the cells of its parts.

    An encoder without a value for some part has none here either, with the reason; the fusion runs
    over the others and each cell's reason names who is left out.
    """
    metric = request.metric
    table, reasons = {}, {}
    by_part = {}
    for argument, part in part_requests(request).items():
        chosen = {
            cell["encoder"]: cell
            for cell in cells
            if cell["metric"] == part.metric.name
            and cell["parameters"] == part.parameters
            and cell["stages"] == part.policy
        }
        by_part[argument] = chosen
        for encoder in encoders:
            if encoder not in chosen:
                raise InputError(f"metric {metric.name}: part {part.metric.name} was not computed for {encoder!r}.")
            if chosen[encoder]["status"] != "ok":
                reasons.setdefault(encoder, f"part {part.metric.name}: {chosen[encoder]['reason']}")
    present = [encoder for encoder in encoders if encoder not in reasons]
    left_out = f"pool without {', '.join(sorted(reasons))}" if reasons else ""
    scores = {}
    with Meter() as meter:
        try:
            for argument, chosen in by_part.items():
                table[argument] = np.array([chosen[encoder]["score"] for encoder in present])
            values = metric.function(table, n_foreground, **request.parameters)
            scores = {
                encoder: check_value(metric, value, n_foreground + 1)
                for encoder, value in zip(present, values, strict=True)
            }
        except NotApplicable as error:
            reasons = {**{encoder: str(error) for encoder in present}, **reasons}
        except InputError as error:
            reasons = {**{encoder: f"failed: {error}" for encoder in present}, **reasons}
    rows = []
    for encoder in encoders:
        own = [chosen[encoder] for chosen in by_part.values()]
        ok = encoder in scores
        seconds = sum(cell["seconds"] for cell in own) + meter.seconds / max(len(encoders), 1)
        row = {
            "task": own[0]["task"], "encoder": encoder, "metric": metric.name, "parameters": request.parameters,
            "stages": "parts", "seed": own[0]["seed"], "status": "ok" if ok else "not_applicable",
            "reason": left_out if ok else reasons[encoder], "score": scores.get(encoder),
            "components": {a: c[encoder]["score"] for a, c in by_part.items()},
            "seconds": round(seconds, 4), "peak_mb": max((c["peak_mb"] or 0.0) for c in own),
            "feature_hash": own[0]["feature_hash"], "label_hash": own[0]["label_hash"],
            "metric_hash": storage.hash_json([metric_hash(metric.source), *(c["metric_hash"] for c in own)]),
            "versions": versions(),
        }  # fmt: skip
        assert set(row) == set(FIELDS)
        rows.append(row)
    return rows
