"""The edge of scoring: bad arrays are named, nothing silent comes out."""

import numpy as np
import pytest

import tebench
from tebench.base.errors import InputError, NotApplicable
from tebench.metrics.evaluate_one import select_stages

RNG = np.random.default_rng(0)
X = RNG.standard_normal((30, 4))
Y = np.arange(30) % 3


def spoiled(value):
    bad = X.copy()
    bad[7, 1] = value
    return bad


@pytest.mark.parametrize(
    ("features", "labels", "words"),
    [
        (X[0], Y, r"features must be a matrix \(N, D\), got shape \(4,\)"),
        (X.astype(complex), Y, "real numbers"),
        (spoiled(np.nan), Y, r"NaN or infinite values \(first in row 7\)"),
        (spoiled(np.inf), Y, "NaN or infinite"),
        (X[:1], Y[:1], "at least 2 rows"),
        (X, Y[:-1], r"labels must have shape \(30,\)"),
        (X, Y + 0.5, "integers or booleans"),
        (X, Y.astype(str), "integers or booleans"),
        (X, np.zeros(30, int), "one class only"),
    ],
)
def test_bad_arrays_are_named(features, labels, words):
    with pytest.raises(InputError, match=words):
        tebench.score("hscore", features, labels)


def test_labels_of_any_kind_are_relabelled():
    expected = tebench.score("hscore", X, Y)
    for labels in (Y * 10 - 5, Y.astype(np.uint8), Y.astype(float), list(Y)):
        assert tebench.score("hscore", X, labels) == expected
    assert tebench.score("hscore", X, Y == 1) == tebench.score("hscore", X, (Y == 1).astype(int))


def test_what_a_metric_needs_is_asked_for():
    with pytest.raises(InputError, match="reads boundary patches: give patches="):
        tebench.score("lbtc", X, Y)
    with pytest.raises(InputError, match="defined over a candidate pool"):
        tebench.score("grtd_lbtc", X, Y)
    with pytest.raises(InputError, match=r"patches must hold row numbers 0\.\.29"):
        tebench.score("lbtc", X, Y, patches=[[0, 30]])


def test_probabilities_are_checked():
    good = np.full((30, 2), 0.5)
    assert np.isfinite(tebench.score("leep", X, Y, probabilities=good))
    with pytest.raises(NotApplicable, match="no source head"):
        tebench.score("leep", X, Y)
    for bad in (good[:5], good * 2, -good, good[:, :1]):
        with pytest.raises(InputError, match="probabilities must"):
            tebench.score("leep", X, Y, probabilities=bad)


@pytest.mark.parametrize(
    ("value", "words"),
    [(float("nan"), "returned nan"), ("text", "returned str"), (7.0, r"returned 7, outside its .* range \[0, 1\]")],
)
def test_a_metric_that_misbehaves_is_blamed(scratch_registry, facts, value, words):
    facts["range"] = (0.0, 1.0)
    tebench.metric(name="mine", **facts)(lambda features, labels: value)
    with pytest.raises(InputError, match=f"metric mine: {words}"):
        tebench.score("mine", X, Y)


def test_per_case_metrics_average_over_cases():
    cases = np.repeat([0, 1], 15)
    halves = [tebench.score("grtd", X[cases == c], Y[cases == c]) for c in (0, 1)]
    assert tebench.score("grtd", X, Y, cases=cases) == pytest.approx(np.mean(halves), rel=1e-12)


NAMES = ["encoder.0", "encoder.1", "encoder.2", "decoder.0", "decoder.1"]


@pytest.mark.parametrize(
    ("policy", "chosen"),
    [
        ("encoder[-1]", ["encoder.2"]),
        ("encoder[0]", ["encoder.0"]),
        ("decoder[-3:]", ["decoder.0", "decoder.1"]),
        ("encoder[1:]", ["encoder.1", "encoder.2"]),
        ("decoder", ["decoder.0", "decoder.1"]),
        ("all", NAMES),
    ],
)
def test_stage_policy(policy, chosen):
    assert select_stages(policy, NAMES) == chosen


def test_bad_stage_policy():
    with pytest.raises(InputError, match="stages must look like"):
        select_stages("last", NAMES)
    with pytest.raises(InputError, match="selects nothing of the 3 encoder stages"):
        select_stages("encoder[5]", NAMES)
    with pytest.raises(NotApplicable, match="there are no decoder stages"):
        select_stages("decoder[-1]", NAMES[:3])
