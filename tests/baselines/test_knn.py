import numpy as np
import pytest
import reference

import tebench
from tebench.base.errors import NotApplicable
from tebench.baselines.foreground import mean_case_dice
from tebench.baselines.knn import knn
from tebench.baselines.knn import vote as vote_of_points


def vote(queries, points, labels, k):
    """Every point is one voxel."""
    return vote_of_points(queries, points, np.eye(labels.max() + 1, dtype=int)[labels], k)


def sample(seed=0, n=90, d=4):
    rng = np.random.default_rng(seed)
    labels, cases = rng.integers(0, 3, n), np.arange(n) % 3
    return rng.standard_normal((n, d)) + 1.2 * labels[:, None] + 100, labels, cases


def by_definition(X, y, cases, k):
    """One voxel after another; no ties in continuous features."""
    predicted = np.empty_like(y)
    for i in range(len(y)):
        others = np.flatnonzero(cases != cases[i])
        near = others[np.argsort(np.linalg.norm(X[others] - X[i], axis=1))[:k]]
        votes = [sum(y[near] == c) for c in range(3)]
        mean = [np.linalg.norm(X[near[y[near] == c]] - X[i], axis=1).mean() if votes[c] else np.inf for c in range(3)]
        predicted[i] = min(range(3), key=lambda c: (-votes[c], mean[c]))
    per_case = []
    for case in range(3):
        own = cases == case
        per_case.append(np.mean([
            2 * np.sum(own & (y == c) & (predicted == c)) / (np.sum(own & (y == c)) + np.sum(own & (predicted == c)))
            for c in (1, 2)
        ]))  # fmt: skip
    return np.mean(per_case)


@pytest.mark.reference("knn", source="own: voxel by voxel")
@pytest.mark.parametrize("k", [1, 3, 4, 7])
def test_by_definition(k):
    X, y, cases = sample()
    assert tebench.score("knn", X, y, cases=cases, k=k) == pytest.approx(by_definition(X, y, cases, k), rel=1e-12)


def test_public_accuracy_where_every_sample_is_a_case():
    """dbolya/parc methods.py:kNN(k=1) on this case: leave-one-out accuracy in percent."""
    X, y = reference.case("rtd_pair")["X"].astype(float), reference.case("rtd_pair")["y"]
    left = [np.delete(np.arange(len(y)), i) for i in range(len(y))]
    right = np.mean([vote(X[i : i + 1], X[others], y[others], 1)[0] == y[i] for i, others in enumerate(left)])
    assert 100 * right == pytest.approx(98.33333333333333, abs=1e-9)


def test_coinciding_voxels_all_vote():
    points, labels = np.zeros((7, 2)), np.array([0, 0, 0, 1, 1, 1, 1])
    for order in ([0, 1, 2, 3, 4, 5, 6], [6, 5, 4, 3, 2, 1, 0]):
        assert vote(np.ones((1, 2)), points[order], labels[order], 3).tolist() == [1]


def test_equal_votes_go_to_the_nearer_class():
    points, labels = np.array([[3.0], [1.0], [2.0], [-1.5]]), np.array([0, 1, 0, 1])
    assert vote(np.zeros((1, 1)), points, labels, 4).tolist() == [1]
    assert vote(np.zeros((1, 1)), points, 1 - labels, 4).tolist() == [0]


def test_voxels_of_the_same_case_do_not_answer():
    """Two cases with swapped labels at the same places: everything is wrong."""
    X = np.r_[np.zeros((5, 1)), np.ones((5, 1))] * 10
    X, y = np.r_[X, X], np.r_[np.repeat([0, 1], 5), np.repeat([1, 0], 5)]
    assert knn(X, y, np.repeat([0, 1], 10)) == 0
    assert knn(X, np.r_[y[:10], y[:10]], np.repeat([0, 1], 10)) == 1


def test_fewer_voxels_than_k_all_vote():
    assert vote(np.zeros((1, 1)), np.array([[0.0], [5], [6]]), np.array([0, 1, 1]), 100).tolist() == [1]


def test_foreground_names_are_free():
    X, y, cases = sample()
    value = tebench.score("knn", X, y, cases=cases)
    assert tebench.score("knn", X, np.array([0, 8, 3])[y], cases=cases) == value
    with pytest.raises(NotApplicable, match="one case only"):
        tebench.score("knn", X, y, cases=cases * 0)


def test_blocks_change_nothing(monkeypatch):
    from tebench.baselines import knn as module

    X, y, cases = sample()
    value = knn(X, y, cases)
    monkeypatch.setattr(module, "BLOCK", 130)
    monkeypatch.setattr(module, "COORDINATES", 130)
    assert knn(X, y, cases) == value


def all_voters(queries, points, labels, k):
    """Every distance in float64, as the docstring of `knn` has it."""
    tie = 1e-12 * sum((rows**2).sum(axis=1).max() for rows in (points, queries))
    answers = []
    for query in queries:
        gaps = ((points - query) ** 2).sum(axis=1)
        voters = gaps <= np.sort(gaps)[min(k, len(points)) - 1] + tie
        votes = np.bincount(labels[voters], minlength=3)
        far = np.bincount(labels[voters], np.sqrt(gaps[voters]), minlength=3) / np.maximum(votes, 1)
        answers.append(np.where(votes == votes.max(), far, np.inf).argmin())
    return answers


@pytest.mark.parametrize("kind", ["spread", "far", "grid", "one heavy point", "tight"])
@pytest.mark.parametrize("k", [1, 3, 8])
def test_the_screen_loses_no_voter(kind, k):
    """More points than groups of columns; grids tie beyond the candidates, a far centre rounds in float32."""
    rng = np.random.default_rng(1)
    points, queries = rng.standard_normal((900, 3)), rng.standard_normal((40, 3))
    if kind == "far":
        points[0] = 1e4
    if kind == "grid":
        points, queries = np.round(points), np.round(queries)
    if kind == "one heavy point":
        points[:600] = points[0]
    if kind == "tight":  # float32 sees no difference between the points
        points, queries = 1 + 1e-9 * points, 1 + 1e-9 * queries
        points[:5] = -1
    labels = rng.integers(0, 3, 900)
    assert vote(queries, points, labels, k).tolist() == all_voters(queries, points, labels, k)


def test_constant_features_leave_the_vote_to_the_largest_class():
    y, cases = np.array([0, 1, 1, 1, 0, 1, 1, 1]), np.repeat([0, 1], 4)
    assert knn(np.full((8, 3), 0.1), y, cases) == pytest.approx(2 * 3 / 7)


def test_copies_count_as_often_as_they_are_there():
    X, y, cases = sample(n=240)
    X = np.round(X / 2)
    assert len(np.unique(X, axis=0)) < 200
    predicted = np.concatenate([all_voters(X[cases == c], X[cases != c], y[cases != c], 3) for c in range(3)])
    order = np.concatenate([np.flatnonzero(cases == c) for c in range(3)])
    rows = [np.flatnonzero(cases[order] == c) for c in range(3)]
    assert knn(X, y, cases) == mean_case_dice(y[order], predicted, rows, np.array([1, 2]))
