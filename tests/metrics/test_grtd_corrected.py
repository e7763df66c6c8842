import numpy as np
import pytest
from topology_data import distances, gaussians, kruskal, length, transforms

from tebench import metrics, score
from tebench.base.errors import NotApplicable
from tebench.metrics.topology.grtd_constrained import grtd_constrained
from tebench.metrics.topology.grtd_relative import grtd_relative
from tebench.metrics.topology.henze_penrose import henze_penrose
from tebench.metrics.topology.labelled_tree import chance_of_cross, labelled_tree, permutation_moments

FORMS = {"grtd_relative": grtd_relative, "grtd_constrained": grtd_constrained, "henze_penrose": henze_penrose}


def relative_by_hand(features, labels, cut=0.5):
    w = distances(features)
    edges = kruskal(w)
    lengths = np.array([w[i, j] for i, j in edges])
    v = np.minimum(lengths, np.quantile(lengths, cut))
    cross = np.array([labels[i] != labels[j] for i, j in edges])
    n = len(labels)
    pairs = [(i, j) for i in range(n) for j in range(n) if i != j]
    chance = np.mean([labels[i] != labels[j] for i, j in pairs])
    return 1 - v[cross].sum() / v.sum() / chance


@pytest.mark.reference("grtd_relative", source="own: edge by edge on a Kruskal tree")
@pytest.mark.parametrize("cut", [0.0, 0.5, 1.0])
def test_relative_edge_by_edge(cut):
    features, labels = gaussians(1.0, n=14, classes=3)
    assert grtd_relative(features, labels, cut=cut) == pytest.approx(relative_by_hand(features, labels, cut), rel=1e-12)


@pytest.mark.reference("henze_penrose", source="doi:10.1214/aos/1176344722 on a Kruskal tree")
def test_henze_penrose_is_the_friedman_rafsky_formula_for_two_classes():
    features, labels = gaussians(1.0, n=20)
    features, labels = features[:33], labels[:33]
    m, n = np.bincount(labels)
    crossing = sum(labels[i] != labels[j] for i, j in kruskal(distances(features)))
    assert henze_penrose(features, labels) == pytest.approx(1 - crossing * (m + n) / (2 * m * n), rel=1e-12)


def test_relative_without_lengths_is_henze_penrose():
    features, labels = gaussians(1.0, classes=4)
    assert grtd_relative(features, labels, cut=0.0) == pytest.approx(henze_penrose(features, labels), rel=1e-12)


def test_best_value_of_henze_penrose():
    features, labels = gaussians(100.0, n=20, classes=3)
    assert henze_penrose(features, labels) == pytest.approx(1 - 2 * 60 / (60**2 - 3 * 20**2))


@pytest.mark.reference("grtd_constrained", source="own: two explicit trees by Kruskal's algorithm")
def test_constrained_by_two_explicit_trees():
    for separation in (0.0, 1.0, 3.0):
        features, labels = gaussians(separation, n=13, classes=3)
        w = distances(features)
        barred = w + 1e6 * (labels[:, None] != labels[None])
        constrained = sum(w[i, j] for i, j in kruskal(barred))
        assert grtd_constrained(features, labels) == pytest.approx(-(constrained - length(w)) / length(w), rel=1e-9)


def test_constrained_is_zero_when_separated():
    assert grtd_constrained(*gaussians(100.0, classes=3)) == pytest.approx(0.0, abs=1e-14)


@pytest.mark.parametrize("name", FORMS)
def test_rises_with_separation_without_turning_back(name):
    sweep = [0, 0.5, 1, 2, 4, 8, 100, 1e6]
    values = [FORMS[name](*gaussians(s, n=128, d=16)) for s in sweep]
    assert (np.diff(values) >= -1e-12).all()
    assert values[4] > values[0]
    assert not metrics()[name].not_monotone


def test_uncut_length_share_would_turn_back():
    # The reason for the cut: one bridge between distant classes comes to dominate the length.
    near, far = (grtd_relative(*gaussians(s, n=128, d=16), cut=1.0) for s in (8, 1e6))
    assert far < near - 0.5


@pytest.mark.parametrize("name", FORMS)
def test_separable_is_above_shuffled(name):
    features, labels = gaussians(4.0, classes=3)
    rng = np.random.default_rng(0)
    shuffled = [FORMS[name](features, rng.permutation(labels)) for _ in range(20)]
    assert FORMS[name](features, labels) > max(shuffled)


@pytest.mark.parametrize("name", FORMS)
def test_declared_invariances_of_the_corrected_forms(name):
    features, labels = gaussians(1.0, classes=3)
    base = score(name, features, labels)
    assert metrics()[name].invariances == {"scale", "rotation", "shift"}
    for change in transforms(6).values():
        assert score(name, change(features), labels) == pytest.approx(base, rel=1e-10)


@pytest.mark.parametrize("name", ["grtd_relative", "henze_penrose"])
def test_mean_under_label_permutation_is_zero(name):
    features, labels = gaussians(2.0, n=10, classes=3)
    features, labels = features[:25], labels[:25]
    rng = np.random.default_rng(1)
    values = np.array([FORMS[name](features, rng.permutation(labels)) for _ in range(1500)])
    assert abs(values.mean()) < 4 * values.std() / np.sqrt(len(values))
    assert values.std() > 0.05  # so that the bound above is no empty statement


@pytest.mark.parametrize("weighted", [False, True])
def test_permutation_moments_by_simulation(weighted):
    features, labels = gaussians(0.0, n=12, classes=3)
    labels = labels[:29]
    tree = labelled_tree(features[:29], labels)
    weights = tree.lengths if weighted else np.ones(28)
    mean, variance = permutation_moments(tree.edges, weights, np.bincount(labels))
    rng = np.random.default_rng(2)
    shuffled = np.array([rng.permutation(labels) for _ in range(40000)])
    crossing = shuffled[:, tree.edges[:, 0]] != shuffled[:, tree.edges[:, 1]]
    totals = crossing @ weights
    assert totals.mean() == pytest.approx(mean, abs=5 * np.sqrt(variance / len(totals)))
    assert totals.var() == pytest.approx(variance, rel=0.04)


def test_permutation_moments_exhaustively_for_four_points():
    from itertools import permutations

    edges, weights = np.array([[0, 1], [1, 2], [1, 3]]), np.array([1.0, 2.0, 5.0])
    for labels in ([0, 0, 1, 1], [0, 0, 0, 1], [0, 1, 2, 2]):
        totals = [weights @ (np.array(p)[edges[:, 0]] != np.array(p)[edges[:, 1]]) for p in permutations(labels)]
        mean, variance = permutation_moments(edges, weights, np.bincount(labels))
        assert mean == pytest.approx(np.mean(totals))
        assert variance == pytest.approx(np.var(totals))


def test_friedman_rafsky_variance_is_the_two_class_case():
    # Friedman and Rafsky (1979): the variance of the number of runs, with L = N - 1 edges and
    # S = the number of edge pairs with a common node.
    features, labels = gaussians(0.0, n=20)
    labels = np.r_[np.zeros(13, int), np.ones(27, int)]
    tree = labelled_tree(features, labels)
    m, n = 13, 27
    N = m + n
    degree = np.bincount(tree.edges.ravel())
    shared = (degree * (degree - 1)).sum() / 2
    factor = 2 * m * n / (N * (N - 1))
    bracket = (2 * m * n - N) / N + (shared - N + 2) / ((N - 2) * (N - 3)) * (N * (N - 1) - 4 * m * n + 2)
    _, variance = permutation_moments(tree.edges, np.ones(N - 1), np.array([m, n]))
    assert variance == pytest.approx(factor * bracket, rel=1e-12)


def test_ties_count_by_their_mean_over_trees():
    # Two cells: 2 rows of class 0 and 1 of class 1 in one, 1 of class 1 in the other. In the first cell each
    # pair is an edge with probability 2/3, 2 of 3 pairs are mixed: 4/3 crossings. The bridge is mixed with 2/3.
    features, labels = np.array([[0.0], [0.0], [0.0], [1.0]]), np.array([0, 0, 1, 1])
    tree = labelled_tree(features, labels)
    assert tree.zero_edges == 2
    assert tree.zero_cross == pytest.approx(4 / 3)
    assert tree.cross.tolist() == pytest.approx([2 / 3])
    assert henze_penrose(features, labels) == pytest.approx(1 - (4 / 3 + 2 / 3) / (3 * chance_of_cross([2, 2])))


@pytest.mark.parametrize("name", FORMS)
def test_row_order_does_not_matter_even_with_ties(name):
    features, labels = gaussians(1.0, classes=3)
    features = np.round(features[:, :2])
    base = FORMS[name](features, labels)
    assert len(np.unique(features, axis=0)) < len(features) / 2
    for seed in range(3):
        order = np.random.default_rng(seed).permutation(len(labels))
        assert FORMS[name](features[order], labels[order]) == pytest.approx(base, rel=1e-12)


def test_collapsed_features_are_at_chance_or_not_applicable():
    features, labels = np.ones((10, 3)), np.arange(10) % 3
    assert henze_penrose(features, labels) == pytest.approx(0.0, abs=1e-12)
    assert grtd_relative(features, labels) == 0.0
    with pytest.raises(NotApplicable, match="same features"):
        grtd_constrained(features, labels)


def test_signed_zeros_are_one_value():
    features = np.array([[0.0], [-0.0], [1.0]])
    assert labelled_tree(features, np.array([0, 1, 1])).zero_edges == 1
