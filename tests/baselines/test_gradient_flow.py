"""Gradient flow: its limits, its equation, and what it reads."""

import numpy as np
import pytest
import scipy.linalg

import tebench
from tebench.base.errors import InputError, NotApplicable
from tebench.baselines.case_folds import leave_one_case_out, standardised
from tebench.baselines.gradient_flow import readout
from tebench.metrics.registry import get
from tebench.scoring.request import Request, part_requests


def sample(n=400, d=8, classes=4, cases=3, seed=0, separation=1.0):
    """Classes of unequal size in several cases, with unequal channel scales and an offset of each case."""
    rng = np.random.default_rng(seed)
    labels = rng.choice(classes, n, p=np.array([0.6, 0.2, 0.15, 0.05])[:classes])
    own = rng.integers(0, cases, n)
    means = rng.standard_normal((classes, d))
    features = (separation * means[labels] + rng.standard_normal((n, d))) * np.logspace(0, 2, d) + 5 * own[:, None]
    return features, labels, own


ROLES = np.repeat(["foreground", "background", "global", "member"], 100)  # what the tests without patches read


def some(labels):
    return ROLES[: len(labels)]


def by_hand(features, labels, cases, learn, *, judged=None, fitted=None, kept=False):
    """The definition, row by row. learn(x, y, w) -> predictor, from training rows, one-hot labels and row weights."""
    judged = np.ones(len(labels), bool) if judged is None else judged
    fitted = np.ones(len(labels), bool) if fitted is None else fitted
    points, answers = features.astype(float).copy(), np.full(len(labels), -1)
    for k in np.unique(cases):
        known = features[(cases == k) & (fitted | judged)]
        points[cases == k] = (features[cases == k] - known.mean(0)) / known.std(0)
    for k in np.unique(cases):
        train, test = (cases != k) & fitted, (cases == k) & judged
        names, codes, counts = np.unique(labels[train], return_inverse=True, return_counts=True)
        counts = counts if kept else np.array([(labels[fitted] == c).sum() for c in names])
        weights = 1 / counts[codes]
        predict = learn(points[train], np.eye(len(names))[codes], weights / weights.sum())
        answers[test] = names[predict(points[test]).argmax(1)]
    return np.mean([(answers[judged & (labels == c)] == c).mean() for c in np.unique(labels[judged])])


def prototypes(x, y, w):
    means = np.stack([x[column == 1].mean(0) for column in y.T])
    return lambda points: (points - means.mean(0)) @ (means - means.mean(0)).T


def least_squares(x, y, w):
    rows = np.sqrt(w)[:, None]
    weights = np.linalg.lstsq(rows * np.column_stack([x, np.ones(len(x))]), rows * y)[0]
    return lambda points: np.column_stack([points, np.ones(len(points))]) @ weights


def descent(time, steps=4000):
    """Plain gradient descent on the weighted squared error, step by step."""

    def learn(x, y, w):
        x0, y0 = w @ x, w @ y
        x, y = x - x0, y - y0
        step = time / steps / np.linalg.norm((w[:, None] * x).T @ x, 2)
        weights = np.zeros((x.shape[1], y.shape[1]))
        for _ in range(steps):
            weights -= step * x.T @ (w[:, None] * (x @ weights - y))
        return lambda points: (points - x0) @ weights + y0

    return learn


def test_no_time_is_a_prototype_classifier():
    for seed in range(4):
        features, labels, cases = sample(seed=seed)
        expected = by_hand(features, labels, cases, prototypes, kept=True)
        for time in (1e-9, 1e-6):
            found = tebench.score(
                "gradient_flow", features, labels, cases=cases, roles=some(labels), time=time, balance="kept"
            )
            assert found == expected


def test_no_time_leaves_the_shares_of_the_classes_when_they_are_counted_in_all_cases():
    features, labels, cases = sample()
    folds = leave_one_case_out(features, labels, cases)
    expected = np.mean([np.mean([folds[k].shares.argmax() == c for k in cases[labels == c]]) for c in range(4)])
    assert tebench.score(
        "gradient_flow", features, labels, cases=cases, roles=some(labels), time=1e-9
    ) == pytest.approx(expected)
    for fold in folds:
        left = np.array([((labels == c) & (cases != fold.case)).sum() / (labels == c).sum() for c in range(4)])
        assert np.allclose(fold.shares, left / left.sum())


def test_all_time_is_class_balanced_least_squares():
    for seed in range(4):
        features, labels, cases = sample(seed=seed)
        for kept in (True, False):
            given = {"cases": cases, "roles": ROLES, "time": 1e9, "balance": "kept" if kept else "sample"}
            found = tebench.score("gradient_flow", features, labels, **given)
            assert found == by_hand(features, labels, cases, least_squares, kept=kept)
        assert found != by_hand(features, labels, cases, prototypes), "the two ends must differ to be told apart"


def test_all_time_with_fewer_rows_than_channels_is_the_least_norm_solution():
    features, labels, cases = sample(n=60, d=90)
    found = tebench.score("gradient_flow", features, labels, cases=cases, roles=some(labels), time=1e9)

    def least_norm(x, y, w):
        x0, y0, rows = w @ x, w @ y, np.sqrt(w)[:, None]
        weights = np.linalg.pinv(rows * (x - x0), rcond=1e-10) @ (rows * (y - y0))
        return lambda points: (points - x0) @ weights + y0

    assert found == by_hand(features, labels, cases, least_norm)


@pytest.mark.reference("gradient_flow", source="gradient descent in 4,000 steps, written in the test")
@pytest.mark.parametrize("time", [0.3, 1.0, 10.0])
def test_the_closed_form_is_gradient_descent(time):
    features, labels, cases = sample(seed=5)
    for kept in (True, False):
        given = {"cases": cases, "roles": ROLES, "time": time, "balance": "kept" if kept else "sample"}
        found = tebench.score("gradient_flow", features, labels, **given)
        assert found == pytest.approx(by_hand(features, labels, cases, descent(time), kept=kept), abs=1e-12)
        assert 1 / 4 < found < 1


@pytest.mark.reference("boundary_flow", source="gradient descent in 4,000 steps, written in the test")
@pytest.mark.parametrize("time", [0.3, 1.0])
def test_the_boundary_form_is_asked_in_patches(time):
    features, labels, cases = sample(seed=6)
    roles = np.array(["anchor", "member", "foreground", "background", "global"])[np.arange(400) % 5]
    is_ = {name: roles == name for name in np.unique(roles)}
    given = {"cases": cases, "roles": roles, "time": time}
    for name, options, judged in (
        ("boundary_flow", {}, is_["anchor"] | is_["member"]),
        ("boundary_flow", {"anchors": False}, is_["member"]),
        ("gradient_flow", {}, ~is_["anchor"]),
        ("gradient_flow", {"strata": True}, is_["foreground"] | is_["background"]),
    ):
        found = tebench.score(name, features, labels, **given, **options)
        expected = by_hand(features, labels, cases, descent(time), judged=judged, fitted=~is_["anchor"])
        assert found == pytest.approx(expected, abs=1e-12)


def test_the_readout_solves_the_flow():
    features, labels, cases = sample(seed=7)
    for fold in leave_one_case_out(features, labels, cases):
        top = np.linalg.eigvalsh(fold.gram)[-1]
        for time in (0.1, 1.0, 30.0):
            grown = (np.eye(8) - scipy.linalg.expm(-time * fold.gram / top)) @ np.linalg.solve(fold.gram, fold.cross)
            assert np.allclose(readout(fold, time), grown, rtol=1e-9, atol=1e-12)


def test_folds_are_weighted_moments_of_the_other_cases():
    features, labels, cases = sample()
    points = standardised(features, cases)
    for kept in (True, False):
        for fold in leave_one_case_out(features, labels, cases, kept=kept):
            x, y = points[cases != fold.case], labels[cases != fold.case]
            w = np.array([1 / ((y if kept else labels) == c).sum() for c in y])
            w, targets = w / w.sum(), np.eye(4)[y]
            assert np.allclose(fold.mean, w @ x)
            assert np.allclose(fold.shares, w @ targets)
            assert np.allclose(fold.gram, np.cov(x.T, aweights=w, ddof=0))
            assert np.allclose(fold.cross, (w[:, None] * (x - w @ x)).T @ (targets - w @ targets))


def test_the_loss_falls_by_the_alignment_of_features_and_labels():
    """At t = 0 by |b|^2 = <K, L>, N x N matrices written out; CKA's numerator."""
    features, labels, cases = sample(n=120)
    points = standardised(features, cases)
    fold = leave_one_case_out(features, labels, cases, kept=True)[0]
    x, y = points[cases != 0], np.eye(4)[labels[cases != 0]]
    w = 1 / (4 * y.sum(0)[labels[cases != 0]])
    x, y = np.sqrt(w)[:, None] * (x - w @ x), np.sqrt(w)[:, None] * (y - w @ y)
    assert (fold.cross**2).sum() == pytest.approx(((x @ x.T) * (y @ y.T)).sum())
    step = 1e-7
    loss = [0.5 * ((y - x @ (t * fold.cross)) ** 2).sum() for t in (0, step)]
    assert (loss[0] - loss[1]) / step == pytest.approx((fold.cross**2).sum(), rel=1e-4)


def test_ridge_never_moves_a_direction_less_than_flow_over_1_3():
    u = np.logspace(-6, 6, 100_001)
    ratio = -np.expm1(-u) / (u / (1 + u))
    assert ratio.min() >= 1 - 1e-9
    assert 1.298 < ratio.max() < 1.299


def test_a_class_that_only_the_left_out_case_has_is_missed():
    labels, cases = np.array([0, 1, 0, 1, 2]), np.array([0, 0, 1, 1, 1])
    features = np.array([[0.0], [1.0], [0.0], [1.0], [5.0]])
    # Prototypes on one channel. Case 1 left out: they are at -1 and 1, so its rows -.93, -.46 and 1.39 go to classes 0,
    # 0 and 1. Case 0 left out: at -.93, -.46 and 1.39, of which the outer two win, so its rows go to classes 0 and 2.
    found = tebench.score("gradient_flow", features, labels, cases=cases, roles=some(labels), time=1e-9, balance="kept")
    assert found == pytest.approx((2 / 2 + 0 / 2 + 0 / 1) / 3)


def test_what_cannot_be_asked_is_refused():
    features, labels, cases = sample()
    given = {"cases": cases, "roles": ROLES}
    with pytest.raises(NotApplicable, match="one case only"):
        tebench.score("gradient_flow", features, labels, cases=np.zeros(400, int), roles=ROLES)
    with pytest.raises(NotApplicable, match="without case number 0 the sample holds one class only"):
        tebench.score("gradient_flow", features, (cases == 0) & (labels > 0), **given)
    with pytest.raises(NotApplicable, match="no row of the kind that is to be judged"):
        tebench.score("boundary_flow", features, labels, cases=cases, roles=np.repeat("global", 400))
    with pytest.raises(InputError, match=r"'time' must be .* 1e-09\.\.1e\+09, got -1"):
        tebench.score("gradient_flow", features, labels, **given, time=-1.0)
    with pytest.raises(InputError, match="reads why rows were sampled: give roles="):
        tebench.score("gradient_flow", features, labels, cases=cases)
    with pytest.raises(InputError, match=r"roles must be \(400,\) words out of foreground, .* got 'edge'"):
        tebench.score("gradient_flow", features, labels, cases=cases, roles=np.repeat("edge", 400))


@pytest.mark.reference("gated_flow", source="min-max and the gate (|C| - 1) / (|C| + 1), written in the test")
def test_the_gate_weighs_both_parts():
    rng = np.random.default_rng(8)
    parts = {"everywhere": rng.random(6), "boundary": 5 + rng.random(6)}
    gated = tebench.list_metrics()["gated_flow"]
    scaled = {name: (part - part.min()) / np.ptp(part) for name, part in parts.items()}
    for n_foreground in (1, 2, 3, 15):
        share = (n_foreground - 1) / (n_foreground + 1)
        expected = share * scaled["everywhere"] + (1 - share) * scaled["boundary"]
        assert np.allclose(gated.function(parts, n_foreground), expected)


def test_the_fused_form_hands_its_options_to_its_parts():
    request = Request.make(get("gated_flow"), {"time": 3.0}, None, 0)
    everywhere, boundary = part_requests(request).values()
    assert everywhere.metric.name == "gradient_flow"
    assert everywhere.parameters == {"time": 3.0, "balance": "sample", "strata": True}
    assert boundary.metric.name == "boundary_flow"
    assert boundary.parameters == {"time": 3.0, "balance": "sample", "anchors": False}
