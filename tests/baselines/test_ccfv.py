import numpy as np
import pytest
from scipy.linalg import sqrtm

import tebench
from tebench.base.errors import InputError, NotApplicable
from tebench.baselines.ccfv import case_energy, ccfv, energy, gaussian, unit, wasserstein

RNG = np.random.default_rng(0)


def sample(n=30, d=5, classes=3, cases=4, seed=0):
    """Voxels whose class means move from case to case."""
    rng = np.random.default_rng(seed)
    labels, case = np.arange(n * cases) % classes, np.repeat(np.arange(cases), n)
    drift = 0.5 * rng.standard_normal((cases, classes, d))
    return rng.standard_normal((n * cases, d)) + 1 + labels[:, None] + drift[case, labels], labels, case


def textbook(a, b):
    """W2 from the difference of traces, by scipy's matrix square root."""
    s, t = np.cov(a.T), np.cov(b.T)
    square = ((a.mean(0) - b.mean(0)) ** 2).sum() + np.trace(s + t - 2 * sqrtm(s @ t).real)
    return np.sqrt(square)


def test_wasserstein_is_the_textbook_formula():
    a, b = RNG.standard_normal((40, 6)), 2 * RNG.standard_normal((25, 6)) @ RNG.standard_normal((6, 6)) + 1
    assert wasserstein(gaussian(a), gaussian(b)) == pytest.approx(textbook(a, b), rel=1e-10)
    assert wasserstein(gaussian(b), gaussian(a)) == pytest.approx(textbook(a, b), rel=1e-10)


def test_wasserstein_of_fewer_voxels_than_columns():
    a, b = RNG.standard_normal((4, 12)), RNG.standard_normal((7, 12))
    s, t = np.cov(a.T), np.cov(b.T)
    values, axes = np.linalg.eigh(s)
    root = axes * np.sqrt(np.maximum(values, 0)) @ axes.T
    cross = np.sqrt(np.maximum(np.linalg.eigvalsh(root @ t @ root), 0)).sum()
    expected = np.sqrt(((a.mean(0) - b.mean(0)) ** 2).sum() + np.trace(s) + np.trace(t) - 2 * cross)
    assert wasserstein(gaussian(a), gaussian(b)) == pytest.approx(expected, rel=1e-6)  # eigh's zeros


def test_wasserstein_closed_forms():
    a = RNG.standard_normal((50, 3))
    assert wasserstein(gaussian(a), gaussian(a + np.array([3.0, 4.0, 0.0]))) == pytest.approx(5, rel=1e-12)
    assert wasserstein(gaussian(a), gaussian(a[::-1])) < 1e-14  # the difference of traces would leave 1e-8
    a -= a.mean(0)
    spread = np.sqrt(np.trace(np.cov(a.T)))
    assert wasserstein(gaussian(a), gaussian(3 * a)) == pytest.approx(2 * spread, rel=1e-12)
    assert wasserstein(gaussian(a), gaussian(a[:1] * 0)) == pytest.approx(spread, rel=1e-12)  # a single voxel


def test_energy_by_hand():
    square = np.array([[1.0, 0], [0, 1], [-1, 0], [0, -1]])
    assert energy(square, 1e-12) == pytest.approx((2 / np.sqrt(2) + 1 / 2) / 3, rel=1e-9)
    assert energy(np.ones((3, 2)), 1e-3) == pytest.approx(1 / np.sqrt(1e-3), rel=1e-9)
    points = unit(RNG.standard_normal((1100, 3)))  # more than one chunk
    gaps = np.linalg.norm(points[:, None] - points, axis=2)[np.triu_indices(1100, 1)]
    assert energy(points, 1e-3) == pytest.approx(np.mean(1 / np.sqrt(gaps**2 + 1e-3)), rel=1e-10)


def test_energy_pair_by_pair_with_copies_and_over_several_tiles():
    points = np.random.default_rng(3).standard_normal((200, 4))
    points[50:90], points[150:] = points[7], points[:50]
    i, j = np.triu_indices(200, 1)
    expected = (1 / np.sqrt(((points[i] - points[j]) ** 2).sum(axis=1) + 0.1)).mean()
    assert energy(points, 0.1) == pytest.approx(expected, rel=1e-12)
    assert energy(np.ones((5, 2)), 0.25) == pytest.approx(2, rel=1e-14)


def by_definition(X, y, case, eps=1e-3):
    pairs = [
        np.mean([
            textbook(X[(y == c) & (case == i)], X[(y == c) & (case == j)]) for i in range(4) for j in range(i)
        ]) for c in (1, 2)
    ]  # fmt: skip
    variety = []
    for i in range(4):
        v = X[case == i] / np.linalg.norm(X[case == i], axis=1)[:, None]
        terms = [1 / np.sqrt(((v[a] - v[b]) ** 2).sum() + eps) for a in range(len(v)) for b in range(a)]
        variety.append(1 / np.mean(terms))
    return np.log(np.mean(variety) / np.mean(pairs))


def as_coded(X, y, case, eps=1e-3):
    """The authors' loop over three classes, four cases."""
    w = 0.0
    for c in (1, 2):
        for i in range(4):
            for j in range(i + 1, 4):
                w += textbook(X[(y == c) & (case == i)], X[(y == c) & (case == j)])
        w += w / (4 * 4 / 2) / 2
    g = np.stack([X[case == i].mean(0) for i in range(4)])
    gaps = np.array([((g[i] - g[j]) ** 2).sum() for i in range(4) for j in range(i)])
    return np.log(np.mean(1 / np.sqrt(gaps + eps)) / w)


@pytest.mark.reference("ccfv", source="own: formula of arXiv 2307.11958 pair by pair, scipy's matrix square root")
def test_value_by_definition():
    X, y, case = sample()
    assert tebench.score("ccfv", X, y, cases=case) == pytest.approx(by_definition(X, y, case), rel=1e-9)


@pytest.mark.reference("ccfv", source="own: the authors' loop written out")
def test_released_variant_is_the_code_with_its_slips():
    X, y, case = sample()
    released = tebench.score("ccfv", X, y, cases=case, variant="released")
    assert released == pytest.approx(as_coded(X, y, case), rel=1e-9)
    assert released == pytest.approx(-3.29, abs=0.005)  # the declared figure


def test_declared_figure_of_the_running_sum():
    X, y, case = sample()
    pairs = [(c, i, j) for c in (1, 2) for i in range(4) for j in range(i + 1, 4)]
    each = [textbook(X[(y == c) & (case == i)], X[(y == c) & (case == j)]) for c, i, j in pairs]
    first = sum(each[:6])
    summed = (first * (1 + 1 / 16) + sum(each[6:])) * (1 + 1 / 16)
    assert as_coded(X, y, case) + np.log(summed) - np.log(np.mean(each)) == pytest.approx(-0.71, abs=0.005)


def test_declared_figure_of_the_released_variety():
    X, _, case = sample()
    rows = [np.flatnonzero(case == i) for i in range(4)]
    assert case_energy(X, rows, 1e-3) == pytest.approx(1.12, abs=0.005)
    assert case_energy(X + 10 * case[:, None], rows, 1e-3) == pytest.approx(0.03, abs=0.005)


def test_foreground_names_are_free_and_background_is_chosen():
    X, y, case = sample()
    value = tebench.score("ccfv", X, y, cases=case)
    assert tebench.score("ccfv", X, np.array([0, 9, 4])[y], cases=case) == pytest.approx(value, rel=1e-12)
    assert tebench.score("ccfv", X, np.array([9, 4, 0])[y], cases=case) != pytest.approx(value, rel=1e-3)
    assert tebench.score("ccfv", X, (y + 1) % 3, cases=case, background=1) == pytest.approx(value, rel=1e-12)
    every = tebench.score("ccfv", X, y, cases=case, background=None)
    assert tebench.score("ccfv", X, np.array([9, 4, 0])[y], cases=case, background=None) == pytest.approx(every)
    with pytest.raises(InputError, match=r"background must be one of the classes 0\.\.2 or null, got 3"):
        tebench.score("ccfv", X, y, cases=case, background=3)


def test_scale_lowers_the_score_by_its_log():
    X, y, case = sample()
    assert ccfv(100 * X, y, case) == pytest.approx(ccfv(X, y, case) - np.log(100), abs=1e-9)


def test_a_class_of_one_case_does_not_count():
    X, y, case = sample()
    more = y.copy()
    more[0] = 7  # a background voxel of case 0
    kept = np.arange(len(y)) != 0
    with_it, without = ccfv(X, np.unique(more, return_inverse=True)[1], case), ccfv(X[kept], y[kept], case[kept])
    assert with_it == pytest.approx(without, abs=0.02)


def test_no_value_where_nothing_can_be_compared():
    X, y, case = sample()
    with pytest.raises(NotApplicable, match="one case only"):
        ccfv(X, y, case * 0)
    with pytest.raises(NotApplicable, match="no foreground class is present in two cases"):
        ccfv(X[:60], np.r_[np.arange(30) % 2, np.zeros(30, int)], case[:60])
    with pytest.raises(NotApplicable, match="the same in all cases"):
        ccfv(np.full((100, 2), 0.1), np.arange(100) % 2, np.arange(100) // 33)  # 0.1 has no exact mean
