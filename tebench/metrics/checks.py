"""The common checks every metric passes, built in or third party (`job=check metric=NAME`)."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from tebench.base.errors import MetricError, NotApplicable, TebenchError
from tebench.metrics.evaluate_one import check_value, score_arrays
from tebench.metrics.registry import Metric

TOLERANCE = 1e-6  # relative; the transformed inputs differ in their last bits
SEPARATIONS = (0.0, 0.5, 1.0, 2.0, 4.0)


@dataclass(frozen=True)
class Result:
    """One check's outcome: status "pass", "fail" or "excepted", with what was seen."""

    check: str
    status: str
    seen: str


@dataclass(frozen=True)
class Arrays:
    """One synthetic input, every kind of array a metric can read."""

    features: np.ndarray
    labels: np.ndarray
    cases: np.ndarray
    patches: np.ndarray
    roles: np.ndarray
    probabilities: np.ndarray

    def reordered(self, order: np.ndarray) -> Arrays:
        """The same sample with its rows in another order."""
        place = np.argsort(order)
        return Arrays(
            self.features[order], self.labels[order], self.cases[order],
            np.where(self.patches >= 0, place[self.patches], -1), self.roles[order], self.probabilities[order],
        )  # fmt: skip


def make_arrays(separation: float, *, n: int = 240, d: int = 12, classes: int = 3, seed: int = 0) -> Arrays:
    """Gaussian classes on a line of positions; neighbours in position share patches, as voxels do.

    The same noise for every separation, so that a sweep moves the class means alone.
    """
    rng = np.random.default_rng(seed)
    labels = np.sort(rng.integers(0, classes, n))
    labels[:classes], labels = np.arange(classes), np.sort(labels)
    means = np.linalg.qr(rng.standard_normal((d, d)))[0][:classes]
    features = separation * means[labels] * math.sqrt(2) + rng.standard_normal((n, d))
    logits = separation * np.eye(classes + 2)[labels] + rng.standard_normal((n, classes + 2))
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    borders = np.flatnonzero(np.diff(labels)) + 1
    patches = np.array([np.r_[b, np.arange(b - 6, b), np.arange(b + 1, b + 6)] for b in borders])
    position_cases = np.arange(n) % 3
    roles = np.where(labels > 0, "foreground", "background")
    roles[::9] = "global"
    roles[patches], roles[patches[:, 0]] = "member", "anchor"
    shuffle = rng.permutation(n)
    return Arrays(features, labels, position_cases, patches, roles, probabilities).reordered(shuffle)


def value_of(metric: Metric, arrays: Arrays, **changes) -> float:
    """The metric's value at its defaults, through the public edge."""
    arrays = replace(arrays, **changes)
    return score_arrays(
        metric, arrays.features, arrays.labels, cases=arrays.cases,
        patches=arrays.patches if metric.reads == "patches" else None,
        roles=arrays.roles if metric.reads == "roles" else None,
        probabilities=arrays.probabilities if metric.reads == "probabilities" else None,
    )  # fmt: skip


def run_checks(metric: Metric) -> list[Result]:
    """Every common check that applies to the metric, in a fixed order.

    A metric that has no value by definition declares `exceptions={"value": why}`; it must then refuse everywhere.
    """
    kind = {"facts": _static_checks, "parts": _pool_checks, "elsewhere": _pool_checks}.get(metric.reads, _array_checks)
    kind = _refusal_checks if "value" in metric.exceptions else kind
    results = []
    for name, check in (*_fact_checks(metric), *kind(metric)):
        reason = metric.exceptions.get(name) or (metric.not_monotone if name.startswith("direction") else "")
        if reason:
            results.append(Result(name, "excepted", reason))
            continue
        try:
            passed, seen = check()
        except Exception as error:  # a check that raises is a failed check, whatever was raised
            passed, seen = False, f"{type(error).__name__}: {error}"
        results.append(Result(name, "pass" if passed else "fail", seen))
    return results


Check = tuple[str, Callable[[], tuple[bool, str]]]


def _fact_checks(metric: Metric) -> Iterator[Check]:
    yield "title", lambda: (bool(metric.title.strip()), metric.title)
    yield "paper", lambda: (bool(metric.paper.strip()), metric.paper)
    yield "docstring", lambda: (len(metric.summary) > 10, metric.summary)


def _refusal_checks(metric: Metric) -> Iterator[Check]:
    def refuses():
        try:
            return False, f"gave {value_of(metric, make_arrays(1.0)):.6g} and declares that it has no value"
        except NotApplicable as error:
            return len(str(error)) > 10, f"not applicable: {error}"

    yield "value", lambda: (True, "")  # reported as excepted, with the reason
    yield "refusal says why", refuses


def _close(a: float, b: float) -> tuple[bool, str]:
    return math.isclose(a, b, rel_tol=TOLERANCE, abs_tol=1e-9), f"{a:.10g} against {b:.10g}"


def _array_checks(metric: Metric) -> Iterator[Check]:
    arrays = make_arrays(1.0)

    def base():
        return value_of(metric, arrays)

    rng = np.random.default_rng(1)

    def in_range():
        low, high = metric.bounds(3)
        value = base()
        return low - 1e-9 <= value <= high + 1e-9, f"{value:.6g} in {metric.range_text}"

    rotation = np.linalg.qr(rng.standard_normal((12, 12)))[0]
    transforms = {
        "scale": lambda f: [f * 1e-3, f * 1e3],
        "rotation": lambda f: [f @ rotation],
        "shift": lambda f: [f + 5 * rng.standard_normal(12)],
    }

    def invariant(name):
        pairs = [_close(base(), value_of(metric, arrays, features=f)) for f in transforms[name](arrays.features)]
        return next((pair for pair in pairs if not pair[0]), pairs[0])

    yield "finite float", lambda: ((v := base()) is not None and math.isfinite(v), f"{v:.6g}")
    yield "declared range", in_range
    yield "same seed, same value", lambda: ((a := base()) == (b := base()), f"{a!r}, {b!r}")
    yield "input not modified", lambda: _untouched(metric, arrays)
    yield "sample order", lambda: _close(base(), value_of(metric, arrays.reordered(rng.permutation(240))))
    yield "label names", lambda: _close(base(), value_of(metric, arrays, labels=np.array([7, 40, 3])[arrays.labels]))
    for name in sorted(metric.invariances):
        yield f"invariance to {name}", lambda name=name: invariant(name)
    yield "direction: separable above shuffled", lambda: _above_shuffled(metric)
    yield "direction: follows separation", lambda: _sweep(metric)
    yield from _degenerate_checks(metric, arrays)


def _untouched(metric: Metric, arrays: Arrays) -> tuple[bool, str]:
    """What the function itself is given, which is shared with the metrics after it, is the same when it returns."""
    written = []

    def watched(*given, **parameters):
        held = [part for value in given for part in (vars(value).values() if hasattr(value, "__dict__") else [value])]
        before = [(part, part.copy()) for part in held if isinstance(part, np.ndarray)]
        value = metric.function(*given, **parameters)
        written.extend(part for part, copy in before if not np.array_equal(part, copy))
        return value

    value_of(replace(metric, function=watched), arrays)
    return not written, "input was written to" if written else "input unchanged"


def _oriented(metric: Metric, value: float) -> float:
    return value if metric.direction == "up" else -value


def _above_shuffled(metric: Metric) -> tuple[bool, str]:
    arrays, rng = make_arrays(4.0), np.random.default_rng(2)
    own = _oriented(metric, value_of(metric, arrays))
    shuffled = [_oriented(metric, value_of(metric, arrays, labels=rng.permutation(arrays.labels))) for _ in range(5)]
    return own > max(shuffled), f"{own:.4g} against at most {max(shuffled):.4g} (oriented, 5 shuffles)"


def _sweep(metric: Metric) -> tuple[bool, str]:
    """Mean over five draws at each separation, so that one draw's noise does not decide."""
    means = [
        float(np.mean([_oriented(metric, value_of(metric, make_arrays(s, seed=seed))) for seed in range(5)]))
        for s in SEPARATIONS
    ]
    steps = np.diff(means)
    rises = bool((steps >= -1e-9 * (1 + abs(means[-1]))).all() and means[-1] > means[0])
    return rises, "oriented " + " ".join(f"{mean:.4g}" for mean in means) + f" at separations {SEPARATIONS}"


def _degenerate_checks(metric: Metric, arrays: Arrays) -> Iterator[Check]:
    """A finite value or an error written for the user; never NaN, never a traceback."""
    tiny = slice(0, 2)
    inputs = {
        "constant column": {"features": np.column_stack([arrays.features, np.ones(240)])},
        "duplicated columns": {"features": np.column_stack([arrays.features, arrays.features])},
        "all features constant": {"features": np.ones((240, 4))},
        "duplicated rows": {"features": np.repeat(arrays.features[:60], 4, axis=0)},
        "more columns than rows": {"features": np.random.default_rng(3).standard_normal((240, 300))},
        "float16": {"features": arrays.features.astype(np.float16)},
        "a class of one sample": {"labels": np.where(np.arange(240) == 0, 9, arrays.labels)},
    }
    for name, change in inputs.items():
        yield f"degenerate: {name}", lambda change=change: _survives(lambda: value_of(metric, arrays, **change))
    labels, cases, patches = np.array([0, 1]), np.array([0, 0]), np.array([[0, 1]])
    two = Arrays(arrays.features[tiny], labels, cases, patches, arrays.roles[tiny], arrays.probabilities[tiny])
    yield "degenerate: two points", lambda: _survives(lambda: value_of(metric, two))
    yield "degenerate: one class", lambda: _refuses(lambda: value_of(metric, arrays, labels=np.zeros(240, int)))
    bad = arrays.features.copy()
    bad[5, 2] = np.nan
    yield "degenerate: NaN", lambda: _refuses(lambda: value_of(metric, arrays, features=bad))


def _survives(call) -> tuple[bool, str]:
    try:
        value = call()
    except MetricError:
        raise  # NaN that the edge caught is no refusal by the metric
    except TebenchError as error:
        return True, f"refused: {error}"
    return math.isfinite(value), f"{value:.6g}"


def _refuses(call) -> tuple[bool, str]:
    try:
        return False, f"gave {call():.6g} instead of an error"
    except TebenchError as error:
        return True, f"refused: {error}"


def _static_checks(metric: Metric) -> Iterator[Check]:
    facts = {"name": "some_encoder", "task": "some_task", "n_parameters": 1000, "n_foreground": 3, "dose": 0.5}

    def call():
        return check_value(metric, metric.function(dict(facts), **metric.complete({})), None)

    yield "finite float", lambda: (math.isfinite(call()), f"{call():.6g}")
    yield "declared range", lambda: (metric.bounds(2)[0] <= call() <= metric.bounds(2)[1], f"{call():.6g}")
    yield "same seed, same value", lambda: (call() == call(), f"{call()!r}")


def _pool_checks(metric: Metric) -> Iterator[Check]:
    rng = np.random.default_rng(4)
    table = rng.standard_normal((6, max(len(metric.parts), 3)))

    def call(rows):
        given = metric.complete({})
        if metric.reads == "elsewhere":
            return np.asarray(metric.function(table[rows].copy(), **given))
        parts = {name: table[rows, column].copy() for column, name in enumerate(metric.parts)}
        return np.asarray(metric.function(parts, 5, **given))

    everyone, order = np.arange(6), np.array([3, 1, 5, 0, 2, 4])
    yield "finite values", lambda: (bool(np.isfinite(v := call(everyone)).all()) and v.shape == (6,), str(v))
    yield "same seed, same value", lambda: (np.array_equal(call(everyone), call(everyone)), "twice")
    yield "pool order", lambda: (np.allclose(call(everyone)[order], call(order), rtol=TOLERANCE), "permuted pool")

    def best_wins():
        saved = table[2].copy()
        table[2] = table.max(axis=0) + 1
        values = call(everyone)
        table[2] = saved
        ranks_first = _oriented(metric, values[2]) >= max(_oriented(metric, v) for v in values)
        return ranks_first, "an encoder that is best in every part ranks first"

    yield "direction: best in every part is best", best_wins
