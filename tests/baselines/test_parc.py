import numpy as np
import pytest
import reference

from tebench.baselines.parc import parc


def dense(X, y, standardize=True):
    """scipy's Spearman over all pairs, label dissimilarities rounded to their two values."""
    from scipy.stats import spearmanr

    X = X.astype(float)
    X = (X - X.mean(0)) / X.std(0) if standardize else X
    pairs = np.triu_indices(len(y), 1)
    return 100 * spearmanr((1 - np.corrcoef(X))[pairs].round(12), (y[:, None] != y)[pairs])[0]


@pytest.mark.reference("parc", source="dbolya/parc methods.py")
def test_public_value_with_two_classes():
    case = reference.case("binary_small")
    assert parc(case["X"], case["y"]) == pytest.approx(reference.value("binary_small", "parc_nodim"), rel=1e-10)


@pytest.mark.reference("parc", source="own: scipy's Spearman over all pairs")
def test_ties_as_declared_with_three_classes():
    X, y = reference.case("rtd_pair")["X"], reference.case("rtd_pair")["y"]
    assert parc(X, y) == pytest.approx(dense(X, y), rel=1e-10)
    assert round(parc(X, y), 2) == 70.03
    assert round(reference.value("rtd_pair", "parc_nodim"), 2) == 67.89


def test_tied_features_and_raw_columns():
    rng = np.random.default_rng(0)
    X = rng.integers(0, 3, (80, 4)) + np.arange(4)
    y = rng.integers(0, 3, 80)
    for standardize in (True, False):
        X0 = X[X.std(axis=1) > 0]
        y0 = y[X.std(axis=1) > 0]
        assert parc(X0, y0, standardize=standardize) == pytest.approx(dense(X0, y0, standardize), rel=1e-9)


@pytest.mark.parametrize("distinct", [1, 2, 9, 60])
def test_copies_are_as_good_as_pair_by_pair(distinct, monkeypatch):
    """Copies of one row, with labels of their own; sums in several pieces; more rows than one tile."""
    from tebench.baselines import parc as module

    rng = np.random.default_rng(distinct)
    rows = rng.standard_normal((distinct, 5))
    X, y = rows[rng.integers(0, distinct, 150)], rng.integers(0, 3, 150)
    expected = dense(X, y) if distinct > 1 else 0.0
    monkeypatch.setattr(module, "AT_ONCE", 100)
    assert parc(X, y) == pytest.approx(expected, rel=1e-9, abs=1e-9)
    clean = rng.standard_normal((150, 5))
    assert parc(clean, y) == pytest.approx(dense(clean, y), rel=1e-9)


def test_ends_of_the_range():
    X = np.array([[1.0, -1, 0], [1, -1, 0], [-1, 1, 0], [-1, 1, 0]])
    assert parc(X, np.array([0, 0, 1, 1])) == pytest.approx(100)


def test_a_draw_is_near_all_points_and_free_of_order():
    X, y = reference.case("binary_small")["X"], reference.case("binary_small")["y"]
    drawn = parc(X, y, max_points=1000, seed=3)
    assert drawn == pytest.approx(reference.value("binary_small", "parc_nodim"), abs=3)
    order = np.random.default_rng(0).permutation(len(y))
    assert parc(X[order], y[order], max_points=1000, seed=3) == pytest.approx(drawn, rel=1e-12)
    assert parc(X, y, max_points=1000, seed=4) != drawn
