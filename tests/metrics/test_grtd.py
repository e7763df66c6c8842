import numpy as np
import pytest
from topology_data import distances, gaussians, kruskal, length, transforms

from tebench import metrics, score
from tebench.metrics.topology.grtd import grtd
from tebench.metrics.topology.grtd_released import grtd_released
from tebench.metrics.topology.labelled_tree import at_most


def semantic(features, labels, threshold):
    w = distances(features)
    return np.where(labels[:, None] == labels[None], 0.0, np.minimum(w, threshold))


def median_off_diagonal(features):
    w = distances(features)
    return np.median(w[~np.eye(len(w), dtype=bool)])


@pytest.mark.reference("grtd", source="own: two explicit trees by Kruskal's algorithm")
@pytest.mark.parametrize("classes", [2, 3, 5])
@pytest.mark.parametrize("separation", [0.0, 2.0, 30.0])
def test_equals_two_explicit_trees(classes, separation):
    features, labels = gaussians(separation, n=12, classes=classes)
    threshold = median_off_diagonal(features)
    expected = -abs(length(distances(features)) - length(semantic(features, labels, threshold)))
    assert grtd(features, labels) == pytest.approx(expected, rel=1e-12)
    uncut = -abs(length(distances(features)) - length(semantic(features, labels, np.inf)))
    assert grtd(features, labels, threshold="none") == pytest.approx(uncut, rel=1e-12)


def test_threshold_cuts_a_long_bridge():
    # Three rows of one class together, one row far away: all 3 cross distances lie above the median.
    features, labels = np.array([[0.0], [1.0], [2.0], [100.0]]), np.array([0, 0, 0, 1])
    median = np.median([1, 2, 1, 100, 99, 98])
    assert grtd(features, labels) == pytest.approx(-(100 - median))
    assert grtd(features, labels, threshold="none") == -2.0


def test_identical_rows_of_two_classes_cost_nothing():
    features, labels = np.array([[0.0], [0.0], [3.0], [3.0]]), np.array([0, 1, 0, 1])
    assert grtd(features, labels) == -3.0


def test_scale_is_not_divided_out():
    features, labels = gaussians(1.0)
    assert grtd(features * 7.0, labels) == pytest.approx(7.0 * grtd(features, labels))
    assert "scale" not in metrics()["grtd"].invariances


@pytest.mark.parametrize("name", ["grtd", "grtd_released"])
def test_declared_invariances(name):
    features, labels = gaussians(1.0)
    base = score(name, features, labels)
    for kind, change in transforms(6).items():
        if kind in metrics()[name].invariances:
            assert score(name, change(features), labels) == pytest.approx(base, rel=1e-10)


def test_cases_are_scored_apart_and_averaged():
    features, labels = gaussians(1.0)
    cases = np.arange(len(labels)) % 2
    apart = [grtd(features[cases == c], labels[cases == c]) for c in (0, 1)]
    assert score("grtd", features, labels, cases=cases) == pytest.approx(np.mean(apart))


def test_declared_reason_for_not_following_separation_is_true():
    values = [grtd(*gaussians(s, n=128, d=16)) for s in (0, 2, 4, 8)]
    assert values == sorted(values, reverse=True)
    assert metrics()["grtd"].not_monotone


def test_draw_is_by_position_and_keeps_small_classes():
    labels = np.r_[np.zeros(50, int), np.ones(7, int)]
    rows = at_most(labels, 20, seed=3)
    assert np.bincount(labels[rows]).tolist() == [20, 7]
    assert np.array_equal(rows, np.unique(rows))
    assert np.array_equal(rows, at_most(labels, 20, seed=3))
    assert not np.array_equal(rows, at_most(labels, 20, seed=4))
    features, labels = gaussians(1.0)
    kept = at_most(labels, 20, seed=1)
    assert grtd(features, labels, max_per_class=20, seed=1) == grtd(features[kept], labels[kept])


def released_by_hand(features, labels):
    w = distances(features)
    edges = kruskal(w)
    s = semantic(features, labels, median_off_diagonal(features))
    deltas = []
    for c in np.unique(labels):
        touching = [(i, j) for i, j in edges if c in (labels[i], labels[j])]
        feature, sem = (sum(m[i, j] for i, j in touching) for m in (w, s))
        deltas.append((feature - sem) / (feature + 1e-8))
    return -np.mean(deltas)


@pytest.mark.reference("grtd_released", source="own: edge by edge on a Kruskal tree")
@pytest.mark.parametrize("separation", [0.0, 1.0, 5.0])
def test_released_form_edge_by_edge(separation):
    features, labels = gaussians(separation, n=15, classes=3)
    assert grtd_released(features, labels) == pytest.approx(released_by_hand(features, labels), rel=1e-12)


def test_released_form_falls_as_classes_separate():
    # The figures stated in the facts: two 16-d Gaussians, 256 + 256 points.
    values = [grtd_released(*gaussians(s, n=256, d=16)) for s in (0, 1, 2, 4, 8)]
    assert values == sorted(values, reverse=True)
    assert values == pytest.approx([-0.321, -0.394, -0.560, -0.898, -0.995], abs=1e-3)
