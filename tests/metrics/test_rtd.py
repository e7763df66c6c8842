from itertools import combinations

import numpy as np
import pytest
from topology_data import REFERENCE, distances, gaussians, reference_pair

from tebench.base.errors import NotApplicable
from tebench.metrics.topology.cross_barcode import cross_barcode
from tebench.metrics.topology.label_barcode import features_first, labels_first
from tebench.metrics.topology.rtd import rtd, rtd_distance


def unit(points):
    d = distances(points)
    return d / np.quantile(d, 0.9)


def h1_by_definition(w, other):
    """Total H1 bar length of the 2N x 2N matrix, by reducing the whole boundary matrix column by column."""
    n = len(w)
    plus = np.where(np.triu(np.ones((n, n), dtype=bool)), w, np.inf)
    matrix = np.block([[np.zeros((n, n)), plus.T], [plus, np.minimum(w, other)]])
    np.fill_diagonal(matrix, 0.0)
    simplices = [
        (max([matrix[i, j] for i, j in combinations(s, 2)], default=0.0), len(s), s)
        for size in (1, 2, 3)
        for s in combinations(range(2 * n), size)
    ]
    simplices = sorted(s for s in simplices if np.isfinite(s[0]))
    index = {s: k for k, (_, _, s) in enumerate(simplices)}
    pivots, total = {}, 0.0
    for time, size, s in simplices:
        column = {index[face] for face in combinations(s, size - 1)} if size > 1 else set()
        while column and max(column) in pivots:
            column ^= pivots[max(column)]
        if column:
            pivots[max(column)] = column
            if size == 3:
                total += time - simplices[max(column)][0]
    return total


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("n", [4, 7])
def test_cross_barcode_is_the_definition(n, seed):
    rng = np.random.default_rng(seed)
    w, other = unit(rng.standard_normal((n, 2))), unit(rng.standard_normal((n, 3)))
    bars = cross_barcode(w, other)
    assert (bars[:, 1] > bars[:, 0]).all()
    assert np.diff(bars).sum() == pytest.approx(h1_by_definition(w, other), rel=1e-10)


def test_cross_barcode_against_labels_is_the_definition():
    w, labels = unit(np.random.default_rng(0).standard_normal((7, 2))), np.array([0, 0, 0, 1, 1, 2, 2])
    other = unit(np.eye(3)[labels])
    assert np.diff(cross_barcode(w, other)).sum() == pytest.approx(h1_by_definition(w, other), rel=1e-10)
    assert np.diff(cross_barcode(other, w)).sum() == pytest.approx(h1_by_definition(other, w), rel=1e-10)


def test_two_points_by_hand():
    # One loop, born at min(1, 3), dead at w: no bar from 1, one of length 2 from 3.
    one, three = np.array([[0.0, 1.0], [1.0, 0.0]]), np.array([[0.0, 3.0], [3.0, 0.0]])
    assert cross_barcode(one, three).tolist() == []
    assert cross_barcode(three, one).tolist() == [[1.0, 3.0]]


def test_reference_barcode():
    # ripser works in float32.
    first, second, _ = reference_pair()
    assert rtd_distance(first, second) == pytest.approx(REFERENCE["rtd"]["value"], rel=1e-7)


def test_equal_views_have_no_bars():
    first = np.random.default_rng(0).standard_normal((40, 3))
    assert rtd_distance(first, 3 * first) == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize("classes", [2, 3, 5, 8])
@pytest.mark.parametrize("separation", [0.0, 1.0, 4.0])
def test_label_shortcuts_are_the_cross_barcode(classes, separation):
    features, labels = gaussians(separation, n=48 // classes, d=3, classes=classes)
    w, other = unit(features), unit(np.eye(classes)[labels])
    between = other.max()
    assert features_first(w, labels, between) == pytest.approx(np.diff(cross_barcode(w, other)).sum(), rel=1e-12)
    assert labels_first(w, labels, between) == pytest.approx(np.diff(cross_barcode(other, w)).sum(), rel=1e-12)
    assert rtd(features, labels) == pytest.approx(rtd_distance(features, np.eye(classes)[labels]), rel=1e-12)


@pytest.mark.reference("rtd", source="own: reduction of the whole boundary matrix of the 2N x 2N construction")
@pytest.mark.parametrize("labels", [[0, 0, 0, 1, 1, 1], [0, 1, 2, 0, 1, 2, 0]])
def test_value_by_the_definition(labels):
    labels = np.array(labels)
    features = np.random.default_rng(len(labels)).standard_normal((len(labels), 3))
    w, other = unit(features), unit(np.eye(labels.max() + 1)[labels])
    expected = (h1_by_definition(w, other) + h1_by_definition(other, w)) / 2
    assert expected > 0.05
    assert rtd(features, labels) == pytest.approx(expected, rel=1e-10)


def test_label_shortcuts_with_identical_rows():
    features, labels = gaussians(0.0, n=12, d=2, classes=3)
    features = np.round(features)
    assert rtd(features, labels) == pytest.approx(rtd_distance(features, np.eye(3)[labels]), rel=1e-12)


def test_separable_labels_are_below_shuffled():
    features, labels = gaussians(4.0, n=60, d=8)
    rng = np.random.default_rng(0)
    assert rtd(features, labels) < min(rtd(features, rng.permutation(labels)) for _ in range(10))


def test_large_samples_are_drawn_by_position():
    features, labels = gaussians(1.0, n=100)
    rows = np.sort(np.random.default_rng(3).choice(200, 50, replace=False))
    assert rtd(features, labels, max_points=50, seed=3) == rtd(features[rows], labels[rows])
    assert rtd(features, labels, max_points=50, seed=3) != rtd(features, labels, max_points=50, seed=4)


def test_one_dominant_class_is_not_applicable():
    features = np.random.default_rng(0).standard_normal((100, 3))
    with pytest.raises(NotApplicable, match="quantile of a view"):
        rtd(features, (np.arange(100) == 0).astype(int))
