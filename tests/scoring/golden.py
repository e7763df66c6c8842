"""Small inputs with pinned values, one for every metric and every stage of the engine: what a version number promises.

`python tests/scoring/golden.py` writes golden.json. It adds new entries and renews those whose version was raised; an
entry whose value moved under the same version is refused, because scores of the older value would be read back.
"""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path

import numpy as np

sys.path[:0] = [str(Path(__file__).parents[1] / name) for name in ("features", "tasks")]

FILE = Path(__file__).with_name("golden.json")
TOLERANCE = 1e-6  # relative; another processor rounds otherwise
ENCODERS = ("a", "b", "c", "d")


def feature_set(encoder: str):
    """Three cases of 60 rows: foreground of two classes, background, global rows, two patches of 5 rows a case."""
    from tebench.features.sample import FeatureSet, Role, Sample

    rng = np.random.default_rng(ENCODERS.index(encoder))
    role = np.tile(np.repeat([Role.FOREGROUND, Role.BACKGROUND, Role.GLOBAL], [30, 15, 15]), 3).astype(np.int8)
    labels = np.where(role == Role.FOREGROUND, 1 + np.arange(180) % 2, 0).astype(np.int16)
    labels[role == Role.GLOBAL] = np.arange(45) % 3
    patch = np.full(180, -1, np.int32)
    for number, first in enumerate((0, 10, 60, 70, 120, 130)):
        patch[first : first + 5], role[first] = number, Role.ANCHOR
        role[first + 1 : first + 5] = Role.MEMBER
    case = np.repeat([0, 1, 2], 60).astype(np.int16)
    sample = Sample("task", ("background", "x", "y"), ("c1", "c2", "c3"), np.zeros((180, 3), np.int32), labels, case,
                    role, patch, {"rows_per_draw": [180]}, "s" * 64, "l" * 64)  # fmt: skip
    widths = {"encoder.0": 3, "encoder.1": 4, "encoder.2": 6, "decoder.0": 5, "decoder.1": 3}
    shift = (1 + ENCODERS.index(encoder)) / 3
    stages = {
        name: (rng.standard_normal((180, width)) + shift * labels[:, None] + case[:, None] / 4).astype(np.float32)
        for name, width in widths.items()
    }
    weights = np.exp(rng.standard_normal((180, 4)))
    facts = {"name": encoder, "n_parameters": 1000 * (1 + ENCODERS.index(encoder)), "shape": "s", "dose": 1.0}
    return FeatureSet(encoder, sample, stages, facts, "f" * 64, weights / weights.sum(axis=1, keepdims=True))


def truth():
    """Dice of the four encoders on this task and two others."""
    import pandas as pd

    rng = np.random.default_rng(5)
    rows = [(task, encoder, 0, float(rng.uniform())) for task in ("task", "other", "third") for encoder in ENCODERS]
    return pd.DataFrame(rows, columns=["task", "encoder", "seed", "value"])


def metric_values() -> dict[str, dict]:
    """Metric -> version and the values of the four encoders; a refusal in words where a metric has none."""
    from tebench.metrics.registry import load
    from tebench.scoring.compute import compute
    from tebench.scoring.pool import pooled
    from tebench.scoring.request import Request, with_parts
    from tebench.scoring.view import FeatureView

    views = {encoder: FeatureView(lambda e=encoder: feature_set(e), "task") for encoder in ENCODERS}
    headers = {e: {"feature_hash": "f", "label_hash": "l", "facts": views[e].features.facts} for e in ENCODERS}
    found = {}
    for name, metric in load().items():
        if not metric.function.__module__.startswith("tebench."):
            continue  # a plug-in of this machine's
        request = Request.make(metric, {}, None, 0)
        direct = [one for one in with_parts([request]) if not one.pool_level]
        scores = [compute(one, "task", e, headers[e], views[e]) for one in direct or [_any(load)] for e in ENCODERS]
        if request.pool_level:
            scores = pooled(request, scores, list(ENCODERS), 2, truth())
        scores = [score for score in scores if request.matches(score)]
        found[name] = {
            "version": metric.version,
            "values": {s.encoder: s.score if s.ok else f"{s.status}: {s.reason}" for s in scores},
        }
    return found


def _any(load):
    from tebench.scoring.request import Request

    return Request.make(load()["random"], {}, None, 0)


def stage_values() -> dict[str, dict]:
    """Every room that a score runs through, with its version: sampling, extraction, moments, trees, views."""
    import tempfile

    import extraction_fakes as fakes

    from tebench import features, graphs
    from tebench.features import cache, sampling
    from tebench.features.extraction import extract
    from tebench.features.sampling import Recipe, draw
    from tebench.metrics import moments
    from tebench.metrics.registry import get
    from tebench.scoring import identity, jackknife
    from tebench.scoring.request import Request
    from tebench.scoring.view import FeatureView

    task = fakes.make_task(2)
    sample = draw(task, Recipe(foreground=8, background=8, global_voxels=4, anchors=2, patch_voxels=4), seed=0)
    with tempfile.TemporaryDirectory() as folder:
        path = extract(task, fakes.ConvEncoder("golden"), sample, cache=Path(folder), progress=False)
        read = cache.read(path)
        sums = {name: float(np.abs(np.asarray(matrix, np.float64)).sum()) for name, matrix in read.stages.items()}
    one = feature_set("b")
    X, y = one.stages["encoder.2"], one.sample.labels.astype(np.int64)
    formed = moments.Moments.of(X, y)
    lengths = graphs.emst(X)[1]
    view = FeatureView(lambda: one, "task")
    policies = {p: view.value(Request.make(get("hscore"), {}, p, 0), {})[0] for p in ("all", "encoder[-2:]", "joint")}
    record = jackknife._Record(Request.make(get("hscore"), {}, None, 0), [0, 1, 2], jackknife.case_groups(3))
    for i, group in enumerate(record.groups):
        rows = np.flatnonzero(~np.isin(one.sample.case, group))
        record.take(0, ("without", i), FeatureView(lambda rows=rows: jackknife.at_rows(one, rows), "task"), {})
    left = {str(i): record.values["without", i][0] for i in range(3)}
    drawn = {
        "rows": len(sample), "coordinates": int(sample.coordinates.sum()), "labels": int(sample.labels.sum()),
        "roles": int((sample.role * np.arange(len(sample))).sum()),
    }  # fmt: skip
    spectrum = {"total": float(formed.spectrum.values.sum()), "largest": float(formed.spectrum.values.max())}
    tree = {"length": float(np.sum(lengths)), "longest": float(np.max(lengths))}
    views = {**policies, **{f"without {case}": value for case, value in left.items()}}
    return {
        "sampling": {"version": sampling.VERSION, "values": drawn},
        "extraction": {"version": features.VERSION, "values": sums},
        "moments": {"version": moments.VERSION, "values": spectrum},
        "graphs": {"version": graphs.VERSION, "values": tree},
        "scoring": {"version": identity.SCORING_VERSION, "values": views},
    }


def computed() -> dict:
    return {"metrics": metric_values(), "stages": stage_values()}


def same(first, second) -> bool:
    if isinstance(first, str) or isinstance(second, str):
        return first == second
    return math.isclose(first, second, rel_tol=TOLERANCE, abs_tol=1e-12)


def moved(stored: dict, new: dict) -> list[str]:
    """Names whose values are others under the same version, each with what moved."""
    found = []
    for name, entry in new.items():
        old = stored.get(name)
        if old and old["version"] == entry["version"]:
            names = sorted(set(old["values"]) | set(entry["values"]))
            differ = [k for k in names if k not in old["values"] or k not in entry["values"]
                      or not same(old["values"][k], entry["values"][k])]  # fmt: skip
            if differ:
                found.append(
                    f"{name} version {entry['version']}: "
                    + "; ".join(f"{k}: {old['values'].get(k)} became {entry['values'].get(k)}" for k in differ)
                )
    return found


def main() -> None:
    new = computed()
    stored = json.loads(FILE.read_text()) if FILE.exists() else {"metrics": {}, "stages": {}}
    wrong = [line for part in new for line in moved(stored[part], new[part])]
    if wrong:
        sys.exit("values moved under the same version; raise it first:\n  " + "\n  ".join(wrong))
    FILE.write_text(json.dumps(new, indent=1, sort_keys=True) + "\n")
    print(f"{FILE}: {len(new['metrics'])} metrics, {len(new['stages'])} stages")


if __name__ == "__main__":
    main()
