import numpy as np
import pytest

import tebench
from tebench.base.errors import NotApplicable
from tebench.baselines.linear_probe import linear_probe


def sample(seed=0, n=120, d=6):
    rng = np.random.default_rng(seed)
    labels, cases = np.r_[rng.integers(0, 3, n - 3), 0, 1, 2], np.repeat([0, 1, 2, 3], n // 4)
    return rng.standard_normal((n, d)) + labels[:, None] * rng.standard_normal(d) + 50, labels, cases


def by_definition(X, y, cases, ridge):
    """Least squares on rows augmented by the ridge, refitted for every case."""
    predicted, d = np.empty_like(y), X.shape[1]
    for case in np.unique(cases):
        train, own = cases != case, cases == case
        x, t = X[train] - X[train].mean(0), np.eye(3)[y[train]]
        strength = ridge * (x**2).sum() / d
        rows = np.r_[x, np.sqrt(strength) * np.eye(d)]
        weights = np.linalg.lstsq(rows, np.r_[t - t.mean(0), np.zeros((d, 3))], rcond=None)[0]
        predicted[own] = ((X[own] - X[train].mean(0)) @ weights + t.mean(0)).argmax(1)
    values = []
    for case in np.unique(cases):
        truth, guess = y[cases == case], predicted[cases == case]
        sizes = [(c, (truth == c).sum() + (guess == c).sum()) for c in (1, 2)]
        values.append(np.mean([2 * ((truth == c) & (guess == c)).sum() / size for c, size in sizes if size]))
    return np.mean(values)


@pytest.mark.reference("linear_probe", source="own: least squares on augmented rows, refitted for every case")
@pytest.mark.parametrize(("ridge", "d"), [(1e-3, 6), (1.0, 6), (1e-2, 200)])
def test_by_definition(ridge, d):
    X, y, cases = sample(d=d)
    expected = by_definition(X, y, cases, ridge)
    assert 0.2 < expected < 1
    assert tebench.score("linear_probe", X, y, cases=cases, ridge=ridge) == pytest.approx(expected, rel=1e-12)


def test_rank_deficient_and_offset_features():
    X, y, cases = sample()
    value = linear_probe(X, y, cases)
    wide = np.column_stack([X, np.ones(len(X)), X])
    assert linear_probe(1e-3 * (wide + 1e3), y, cases) == pytest.approx(value, abs=0.03)  # the ridge's share halves


def test_constant_features_give_the_most_frequent_class():
    y, cases = np.array([0, 1, 1, 0, 1, 1]), np.array([0, 0, 0, 1, 1, 1])
    assert linear_probe(np.full((6, 2), 0.1), y, cases) == pytest.approx(0.8)  # T = 2, P = 3: 4 / 5
    assert linear_probe(np.full((6, 2), 0.1), 1 - y, cases) == 0


def test_a_case_with_its_own_offset_is_not_leaked():
    """Features that tell the case and nothing else: no better than the majority."""
    cases = np.repeat([0, 1, 2], 20)
    y = np.r_[np.zeros(20, int), np.ones(20, int), np.full(20, 2)]
    assert linear_probe(np.eye(3)[cases], y, cases) == 0


def test_foreground_names_are_free():
    X, y, cases = sample()
    value = tebench.score("linear_probe", X, y, cases=cases)
    assert tebench.score("linear_probe", X, np.array([0, 8, 3])[y], cases=cases) == value
    with pytest.raises(NotApplicable, match="one case only"):
        tebench.score("linear_probe", X, y, cases=cases * 0)
