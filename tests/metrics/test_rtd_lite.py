import numpy as np
import pytest
from topology_data import REFERENCE, distances, gaussians, length, reference_pair, transforms

from tebench import metrics, score
from tebench.base.errors import NotApplicable
from tebench.metrics.topology import distances as pair_distances
from tebench.metrics.topology.distances import pair_quantile
from tebench.metrics.topology.rtd_lite import rtd_lite, rtd_lite_distance


def by_hand(first, second, quantile=0.9):
    a, b = (d / np.quantile(d, quantile) for d in (distances(first), distances(second)))
    c = length(np.minimum(a, b))
    return ((length(a) - c) + (length(b) - c)) / 2


def test_two_views_by_explicit_trees():
    rng = np.random.default_rng(0)
    first, second = rng.standard_normal((30, 4)), rng.standard_normal((30, 9))
    expected = by_hand(first, second)
    assert rtd_lite_distance(first, second) == pytest.approx(expected, rel=1e-12)
    assert rtd_lite_distance(second, first) == pytest.approx(expected, rel=1e-12)
    assert rtd_lite_distance(first, second, quantile=0.5) == pytest.approx(by_hand(first, second, 0.5), rel=1e-12)


def test_equal_views_have_no_divergence():
    first = np.random.default_rng(0).standard_normal((30, 4))
    assert rtd_lite_distance(first, 5 * first + 1) == pytest.approx(0.0, abs=1e-12)


def test_reference_value():
    """The stored value of the public code is a float32 sum of 3 x 299 terms: 1.4e-6 from its own formula in float64.

    So the stored value cannot be met to 1e-6; the formula, recomputed here in float64 from dense matrices and
    explicit trees, is met to 1e-12.
    """
    first, second, _ = reference_pair()
    value, stored = rtd_lite_distance(first, second), REFERENCE["rtd_lite_sum"]["value"]
    recomputed = by_hand(first, second)
    assert value == pytest.approx(recomputed, rel=1e-12)
    assert recomputed == pytest.approx(16.460617110392548, rel=1e-12)
    assert 1.3e-6 < abs(stored / recomputed - 1) < 1.5e-6
    assert value == pytest.approx(stored, rel=1.5e-6)


@pytest.mark.parametrize("classes", [2, 3, 7])
@pytest.mark.parametrize("separation", [0.0, 1.0, 20.0])
def test_labels_are_the_one_hot_view(classes, separation):
    features, labels = gaussians(separation, n=12, classes=classes)
    expected = rtd_lite_distance(features, np.eye(classes)[labels])
    assert rtd_lite(features, labels) == pytest.approx(expected, rel=1e-12)


@pytest.mark.reference("rtd_lite", source="own: three explicit trees on the one-hot view")
def test_label_quantile_of_unbalanced_classes():
    features = np.random.default_rng(0).standard_normal((40, 3))
    for small in (1, 2, 3, 5):
        labels = (np.arange(40) < small).astype(int)
        one_hot = distances(np.eye(2)[labels])
        if np.quantile(one_hot, 0.9) > 0:
            assert rtd_lite(features, labels) == pytest.approx(by_hand(features, np.eye(2)[labels]), rel=1e-12)
        else:
            assert small <= 2
            with pytest.raises(NotApplicable, match="label distances is 0"):
                rtd_lite(features, labels)


def test_constant_features_have_no_unit():
    with pytest.raises(NotApplicable, match="feature distances is 0"):
        rtd_lite(np.ones((20, 3)), np.arange(20) % 2)


def test_falls_with_separation_and_below_shuffled():
    values = [rtd_lite(*gaussians(s, n=64, d=12)) for s in (0, 2, 4, 8)]
    assert values == sorted(values, reverse=True)
    features, labels = gaussians(8.0, n=64, d=12)
    rng = np.random.default_rng(0)
    assert values[-1] < min(rtd_lite(features, rng.permutation(labels)) for _ in range(10))


@pytest.mark.parametrize("name", ["rtd_lite", "rtd"])
def test_declared_invariances_of_the_divergences(name):
    features, labels = gaussians(1.0, n=30, classes=3)
    base = score(name, features, labels)
    assert metrics()[name].invariances == {"scale", "rotation", "shift"}
    for change in transforms(6).values():
        assert score(name, change(features), labels) == pytest.approx(base, rel=1e-10)


@pytest.mark.parametrize("quantile", [0.0, 0.001, 0.37, 0.5, 0.9, 1.0])
@pytest.mark.parametrize("n", [2, 3, 40, 41])
def test_pair_quantile_is_that_of_the_full_matrix(n, quantile):
    points = np.random.default_rng(n).standard_normal((n, 5)) + 1e3
    full = distances(points)
    assert pair_quantile(points, quantile, diagonal=True) == pytest.approx(np.quantile(full, quantile), abs=1e-9)
    off = full[~np.eye(n, dtype=bool)]
    assert pair_quantile(points, quantile, diagonal=False) == pytest.approx(np.quantile(off, quantile), abs=1e-9)


@pytest.mark.parametrize("kind", ["plain", "ties", "constant"])
def test_pair_quantile_by_bracket_gives_the_same(monkeypatch, kind):
    points = np.random.default_rng(0).standard_normal((600, 3))
    points = {"plain": points, "ties": np.round(points / 2), "constant": points * 0}[kind]
    whole = {q: pair_quantile(points, q, diagonal=True) for q in (0.0, 0.01, 0.5, 0.9, 1.0)}
    monkeypatch.setattr(pair_distances, "_AT_ONCE", 100)
    for quantile, value in whole.items():
        assert pair_quantile(points, quantile, diagonal=True) == pytest.approx(value, abs=1e-12)


@pytest.mark.parametrize("at_once", [1 << 16, 100])
@pytest.mark.parametrize("distinct", [1, 3, 70])
def test_pair_quantile_counts_copies_as_often_as_they_are_there(monkeypatch, at_once, distinct):
    monkeypatch.setattr(pair_distances, "_AT_ONCE", at_once)
    rng = np.random.default_rng(distinct)
    points = rng.standard_normal((distinct, 4))[rng.integers(0, distinct, 150)] + 100
    full = distances(points)
    off = full[~np.eye(150, dtype=bool)]
    for quantile in (0.0, 0.01, 0.3, 0.5, 0.9, 1.0):
        assert pair_quantile(points, quantile, diagonal=True) == pytest.approx(np.quantile(full, quantile), abs=1e-9)
        assert pair_quantile(points, quantile, diagonal=False) == pytest.approx(np.quantile(off, quantile), abs=1e-9)
