"""Every metric on moments, matrices and probabilities, on inputs at the edge: finite, in range, no warning."""

import importlib
import warnings

import numpy as np
import pytest

from tebench.base.errors import InputError
from tebench.metrics import registry
from tebench.metrics.moments import Moments

MODULES = (
    *("logme", "hscore", "hscore_regularized", "gbc", "transrate", "lfc", "sfda"),
    *("leep", "nce", "nleep", "parc", "pactran", "etran", "ncti"),
)
for _name in MODULES:
    importlib.import_module(f"tebench.baselines.{_name}")
METRICS = sorted(
    name
    for name, m in registry._METRICS.items()
    if m.function.__module__.rpartition(".")[2] in MODULES and m.reads != "parts"
)
VARIANTS = [(name, {}) for name in METRICS] + [
    ("gbc", {"covariance": "diagonal"}),
    ("gbc", {"covariance": "full"}),
    ("gbc", {"pca": 64}),
    ("nleep", {"covariance": "full"}),
    ("transrate", {"weights": "uniform"}),
    ("etran_lda", {"rule": "nearest_mean"}),
    ("parc", {"standardize": False}),
]


def score(name, X, y, P, **parameters):
    m = registry._METRICS[name]
    if m.reads == "moments":
        return m.function(Moments.of(X, y), **parameters)
    return m.function(P if m.reads == "probabilities" else X, y, **parameters)


def inputs():
    rng = np.random.default_rng(5)
    X = rng.standard_normal((60, 4)).astype(np.float32)
    y = np.arange(60) % 3
    yield "plain", X, y
    yield "wide", rng.standard_normal((12, 40)), np.arange(12) % 3
    yield "two points", np.array([[0.0, 1], [2, 5]]), np.array([4, 9])
    yield "two equal points", np.ones((2, 3)), np.array([0, 1])
    yield "constant features", np.full((30, 3), 0.1), np.arange(30) % 2
    yield "one column", X[:, :1], y
    yield "constant column", np.column_stack([X, np.full(60, 7.7)]), y
    yield "duplicated columns", np.column_stack([X, X]), y
    yield "duplicated rows", np.repeat(X[:20], 3, axis=0), np.repeat(np.arange(20) % 3, 3)
    yield "equal rows, other labels", np.repeat(X[:20], 3, axis=0), y
    yield "points as classes", np.eye(3)[y], y
    yield "classes of 1, 2 and 5", X[:40], np.r_[0, 1, 1, [2] * 5, [9] * 32]
    yield "99 percent background", X, (np.arange(60) == 0)
    yield "float16", X.astype(np.float16), y.astype(np.uint8)
    yield "offset", X + 1e3, y
    yield "small", 1e-3 * X, y - 7
    yield "large", 1e3 * X, y * 1000
    yield "integers", np.round(3 * X).astype(np.int16), y


INPUTS = {name: (X, y) for name, X, y in inputs()}


@pytest.mark.parametrize("kind", INPUTS)
@pytest.mark.parametrize(("name", "parameters"), VARIANTS, ids=[n + "".join(map(str, p.values())) for n, p in VARIANTS])
def test_finite_in_range_and_silent(name, parameters, kind):
    X, y = (np.array(a) for a in INPUTS[kind])
    P = np.random.default_rng(0).dirichlet(np.ones(5), len(y))
    P[:, 3] = 0
    P[0] = [1, 0, 0, 0, 0]
    P /= P.sum(axis=1, keepdims=True)
    X.setflags(write=False)
    y.setflags(write=False)
    P.setflags(write=False)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        value = score(name, X, y, P, **parameters)
        again = score(name, X, y, P, **parameters)
    assert type(value) is float
    assert np.isfinite(value)
    assert value == again
    low, high = registry._METRICS[name].bounds(len(np.unique(y)))
    assert low - 1e-12 <= value <= high + 1e-12


@pytest.mark.parametrize("name", METRICS)
def test_one_class_and_nan_are_refused(name):
    X, y = INPUTS["plain"]
    P = np.full((60, 2), 0.5)
    with pytest.raises(InputError, match="labels: expected at least 2 classes"):
        score(name, X, np.zeros(60, int), P)
    X, P = X.copy(), P.copy()
    X[3, 1] = P[3, 1] = np.nan
    with pytest.raises(InputError, match="finite"):
        score(name, X, y, P)


@pytest.mark.parametrize("name", METRICS)
def test_declared_invariances(name):
    rng = np.random.default_rng(1)
    y = np.arange(300) % 4
    X = rng.standard_normal((300, 6)) + rng.standard_normal((4, 6))[y]
    P = rng.dirichlet(np.ones(3), 300)
    base = score(name, X, y, P)
    rotation = np.linalg.qr(rng.standard_normal((6, 6)))[0]
    changed = {
        "scale": [1e-3 * X, 1e3 * X],
        "rotation": [X @ rotation],
        "shift": [X + rng.standard_normal(6), X + 1e3],
    }
    declared = registry._METRICS[name].invariances
    for kind, versions in changed.items():
        for version in versions:
            same = abs(score(name, version, y, P) - base) <= 1e-8 * abs(base)
            assert same or kind not in declared, kind
    order = rng.permutation(300)
    assert score(name, X[order], y[order], P[order]) == pytest.approx(base, rel=1e-9)
    assert score(name, X, np.array([30, -2, 7, 5])[y], P) == pytest.approx(base, rel=1e-9)
    if registry._METRICS[name].reads != "probabilities":  # what is not declared does not hold
        for kind in set(changed) - declared:
            assert any(abs(score(name, v, y, P) - base) > 1e-8 * abs(base) for v in changed[kind]), kind


@pytest.mark.parametrize("name", METRICS)
def test_rises_with_separation_unless_declared(name):
    m = registry._METRICS[name]
    rng = np.random.default_rng(0)
    y = np.r_[:4, rng.integers(0, 4, 596)]
    noise, means, logits = rng.standard_normal((600, 12)), rng.standard_normal((4, 12)), rng.standard_normal((600, 6))
    scores = []
    for separation in (0, 0.25, 0.5, 1, 2, 4, 8):
        P = logits + 2 * separation * np.eye(6)[y]
        P = np.exp(P) / np.exp(P).sum(axis=1, keepdims=True)
        scores.append(score(name, noise + separation * means[y], y, P))
    steps = np.diff(scores) * (1 if m.direction == "up" else -1)
    assert ((steps >= -1e-9).all() and steps.max() > 0) != bool(m.not_monotone)
