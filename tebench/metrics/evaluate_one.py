"""From arrays to one metric's value: validation at the edge, then the metric's pure function."""

from __future__ import annotations

import math
import re
from dataclasses import replace

import numpy as np

from tebench.base.errors import InputError, MetricError, NotApplicable
from tebench.metrics.registry import ROLES, Metric, get


def check_features(features) -> np.ndarray:
    """(N, D) real, finite, not copied; float16/32/64 and integers are accepted."""
    array = np.asarray(features)
    if array.ndim != 2:
        raise InputError(f"features must be a matrix (N, D), got shape {array.shape}.")
    if array.dtype.kind not in "fiub":
        raise InputError(f"features must be real numbers, got dtype {array.dtype}.")
    if array.shape[0] < 2 or array.shape[1] < 1:
        raise InputError(f"features need at least 2 rows and 1 column, got shape {array.shape}.")
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        row = int(np.flatnonzero(~np.isfinite(array).all(axis=1))[0])
        raise InputError(f"features hold NaN or infinite values (first in row {row}); every value must be finite.")
    if array.dtype == np.float64:
        largest = float(np.abs(array).max())
        if not 1e-70 < largest < 1e70 and largest != 0:
            raise InputError(
                f"features reach {largest:.3g}; squares of such numbers leave float64. Rescale them first."
            )
    return array


def check_labels(labels, n: int, what: str = "labels") -> np.ndarray:
    """(n,) whole numbers (any integer type, bool, or floats that are whole), relabelled 0..C-1; C >= 2."""
    array = np.asarray(labels)
    if array.shape != (n,):
        raise InputError(f"{what} must have shape ({n},), one per row of features, got {array.shape}.")
    if array.dtype.kind not in "iub" and not (array.dtype.kind == "f" and np.array_equal(array, np.floor(array))):
        raise InputError(f"{what} must be integers or booleans, got dtype {array.dtype}.")
    classes, relabelled = np.unique(array, return_inverse=True)
    if what == "labels" and len(classes) < 2:
        raise InputError(f"labels hold one class only ({classes.tolist()}); a metric needs at least 2 classes.")
    return relabelled.astype(np.int64)


def check_patches(patches, n: int) -> np.ndarray:
    array = np.asarray(patches)
    if array.ndim != 2 or array.dtype.kind not in "iu" or array.size == 0:
        raise InputError(f"patches must be a non-empty integer table (P, V), got {array.shape} {array.dtype}.")
    if array.max() >= n or array.min() < -1 or (array[:, 0] < 0).any():
        raise InputError(f"patches must hold row numbers 0..{n - 1} (-1 pads, never in the first column).")
    return array.astype(np.int64)


def check_roles(roles, n: int) -> np.ndarray:
    """(n,) words of `registry.ROLES`, one per row of features."""
    array = np.asarray(roles)
    if array.shape != (n,) or (unknown := sorted(set(array.tolist()) - set(ROLES), key=str)):
        found = f"shape {array.shape}" if array.shape != (n,) else ", ".join(map(repr, unknown[:3]))
        raise InputError(f"roles must be ({n},) words out of {', '.join(ROLES)}, got {found}.")
    return array


def check_probabilities(probabilities, n: int) -> np.ndarray:
    array = np.asarray(probabilities)
    if array.ndim != 2 or array.shape[0] != n or array.shape[1] < 2:
        raise InputError(f"probabilities must have shape ({n}, S) with S >= 2, got {array.shape}.")
    array = array.astype(np.float64)
    if not np.isfinite(array).all() or array.min() < 0 or not np.allclose(array.sum(axis=1), 1.0, atol=1e-3):
        raise InputError("probabilities must be finite, not negative, and each row must sum to 1.")
    return array


def check_value(metric: Metric, value, n_classes: int | None) -> float:
    """The value as a finite float inside the declared range, or an error that blames the metric."""
    try:
        value = float(value)
    except (TypeError, ValueError) as error:
        raise MetricError(f"metric {metric.name}: returned {type(value).__name__}, expected one float.") from error
    if not math.isfinite(value):
        raise MetricError(f"metric {metric.name}: returned {value}; expected a finite float, or NotApplicable raised.")
    low, high = metric.bounds(n_classes) if n_classes else (-math.inf, math.inf)
    slack = 1e-9 * max(1.0, abs(value))
    if not low - slack <= value <= high + slack:
        raise MetricError(f"metric {metric.name}: returned {value:g}, outside its declared range {metric.range_text}.")
    return value


def score_arrays(
    name, features, labels, *, cases=None, patches=None, roles=None, probabilities=None, parameters=None
) -> float:
    """What `tebench.score` does; see there. name: or a metric that is not registered."""
    metric = name if isinstance(name, Metric) else get(name)
    name = metric.name
    if metric.reads in ("facts", "parts", "elsewhere"):
        raise InputError(
            f"metric {name} reads {metric.reads!r}, not a feature matrix"
            + (" (it is defined over a candidate pool)" if metric.pool_dependent else "")
            + "; use `python -m tebench metric="
            + name
            + "`."
        )
    parameters = metric.complete(parameters or {})
    features = check_features(features)
    labels = check_labels(labels, len(features))
    if cases is not None:
        cases = check_labels(cases, len(features), "cases")
    if probabilities is not None:
        probabilities = check_probabilities(probabilities, len(features))
    if patches is not None:
        patches = check_patches(patches, len(features))
    if roles is not None:
        roles = check_roles(roles, len(features))
    return evaluate(metric, parameters, features, labels, cases, patches, probabilities, roles=roles)


def evaluate(
    metric: Metric, parameters: dict, features, labels, cases, patches, probabilities, moments=None, roles=None
) -> float:
    """One value from checked arrays (one stage). `moments`: ready-made, to share between metrics."""
    n_classes = int(labels.max()) + 1
    if metric.per_case and cases is not None:
        values = []
        for case in np.unique(cases):
            rows = np.flatnonzero(cases == case)
            present, own = np.unique(labels[rows], return_inverse=True)
            if len(present) < 2:
                raise NotApplicable(f"case {case} of the sample holds one class only.")
            values.append(evaluate(replace(metric, per_case=False), parameters, features[rows], own, None, None, None))
        return float(np.mean(values))
    if metric.reads == "moments":
        if moments is None:
            from tebench.metrics.moments import Moments

            moments = Moments.of(features, labels)
        value = metric.function(moments, **parameters)
    elif metric.reads == "probabilities":
        if probabilities is None:
            raise NotApplicable("needs a source head's class probabilities, and this encoder has no source head.")
        value = metric.function(probabilities, labels, **parameters)
    else:
        # A float64 copy: the statistics need the precision, and nothing may write into the caller's array.
        arguments = [np.array(features, dtype=np.float64), labels]
        if metric.reads in ("cases", "patches", "roles"):
            if cases is None and metric.reads in ("cases", "roles"):
                raise InputError(f"metric {metric.name} compares cases: give cases=, the (N,) case of each row.")
            arguments.append(np.zeros(len(labels), dtype=np.int64) if cases is None else cases)
        if metric.reads == "patches":
            if patches is None:
                raise InputError(f"metric {metric.name} reads boundary patches: give patches=, (P, V) row numbers.")
            arguments.append(patches)
        if metric.reads == "roles":
            if roles is None:
                raise InputError(f"metric {metric.name} reads why rows were sampled: give roles=, one word per row.")
            arguments.append(roles)
        value = metric.function(*arguments, **parameters)
    return check_value(metric, value, n_classes)


_POLICY = re.compile(r"(encoder|decoder)(?:\[(-?\d+)?(:)?(-?\d+)?\])?")


def check_policy(policy) -> re.Match | None:
    """The parsed stage policy, or an error that says how one is written."""
    match = _POLICY.fullmatch(policy.replace(" ", "")) if isinstance(policy, str) else None
    if not match and policy not in ("all", "joint"):
        raise InputError(f"stages must look like encoder[-1], decoder[-3:], encoder, all or joint, got {policy!r}.")
    return match


def select_stages(policy: str, names) -> list[str]:
    """Stage names that a policy such as "encoder[-1]", "decoder[-3:]", "encoder" or "all" selects.

    Encoder stages count from shallow to deep, decoder stages from deep to fine. A slice that asks for
    more stages than there are takes all of them; an index that does not exist is an error. "joint" is read by that
    name: all encoder stages side by side (`tebench.features.joint`).
    """
    names = list(names)
    if policy == "all":
        return names
    if policy == "joint":
        select_stages("encoder", names)  # there must be one
        return ["joint"]
    match = check_policy(policy)
    assert match is not None  # "all" has returned
    kind, first, colon, last = match.groups()
    of_kind = [name for name in names if name.split(".")[0] == kind]
    if not of_kind:
        raise NotApplicable(f"stages={policy}: there are no {kind} stages; there are {', '.join(names)}.")
    if first is None and last is None:
        return of_kind
    if colon:
        chosen = of_kind[slice(int(first) if first else None, int(last) if last else None)]
    else:
        chosen = of_kind[int(first) :][:1] if -len(of_kind) <= int(first) < len(of_kind) else []
    if not chosen:
        raise InputError(f"stages={policy} selects nothing of the {len(of_kind)} {kind} stages {', '.join(of_kind)}.")
    return chosen
