"""What metrics share is computed once, is charged to each of them, and cannot be changed by any."""

import numpy as np
import pytest

from tebench import graphs, score
from tebench.metrics.topology import labelled_tree as trees
from tebench.metrics.topology import shared
from tebench.runtime.meter import Meter


@pytest.fixture(autouse=True)
def forget():
    shared.forget()
    yield
    shared.forget()


@pytest.fixture
def grown(monkeypatch) -> list:
    """How many rows each tree that was grown had."""
    found, emst = [], graphs.emst
    monkeypatch.setattr(graphs, "emst", lambda points, **more: found.append(len(points)) or emst(points, **more), False)
    return found


def test_one_tree_for_several_metrics(grown):
    rng = np.random.default_rng(0)
    features, labels = rng.standard_normal((60, 4)), np.arange(60) % 2
    names = ("grtd", "grtd_relative", "henze_penrose", "rtd_lite")
    alone = []
    for name in names:
        shared.forget()
        alone.append(score(name, features, labels))
    assert grown == [60] * 4
    shared.forget()
    assert [score(name, features, labels) for name in names] == alone
    assert grown == [60] * 5
    score("henze_penrose", features, 1 - labels), score("henze_penrose", features + 1, labels)
    assert grown == [60] * 7, "other labels or other features, another tree"


def test_what_was_spared_is_charged(monkeypatch):
    features, labels = np.random.default_rng(0).standard_normal((40, 3)), np.arange(40) % 2
    tree = trees.labelled_tree(features, labels)
    ((key, (_, size, _)),) = shared._kept.items()
    shared._kept[key] = tree, size, 5.0
    with Meter() as seen:
        assert trees.labelled_tree(features, labels) is tree
    assert 5 < seen.seconds < 6
    with pytest.raises(ValueError, match="read-only"):
        tree.lengths[0] = 0


def test_the_oldest_is_forgotten(monkeypatch):
    rng, labels = np.random.default_rng(0), np.arange(40) % 2
    first = rng.standard_normal((40, 3))
    tree = trees.labelled_tree(first, labels)
    monkeypatch.setattr(shared, "MOST_BYTES", 3 * sum(v.nbytes for v in vars(tree).values() if hasattr(v, "nbytes")))
    for _ in range(2):
        trees.labelled_tree(rng.standard_normal((40, 3)), labels)
    assert trees.labelled_tree(first, labels) is tree
    for _ in range(3):
        trees.labelled_tree(rng.standard_normal((40, 3)), labels)
    assert len(shared._kept) == 3
    assert trees.labelled_tree(first, labels) is not tree
