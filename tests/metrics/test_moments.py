import numpy as np
import pytest

from tebench.base.errors import InputError
from tebench.baselines.hscore import hscore
from tebench.baselines.logme import logme
from tebench.metrics import moments as module
from tebench.metrics.moments import Moments


@pytest.fixture(params=["factors", "gram"])
def form(request, monkeypatch):
    """Both forms in which a class is kept: QR factors (small problems) and Gram matrices."""
    if request.param == "gram":
        monkeypatch.setattr(module, "SMALL", 0)
    monkeypatch.setattr(module, "CHUNK", 64)
    return request.param


def draw(seed=0, n=500, d=7, c=3):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, c, n)
    return rng.standard_normal((n, d)) @ rng.standard_normal((d, d)) + labels[:, None], labels


def conditioned(n, d, condition, offset=0.0, seed=0):
    """Class-dependent features whose centred singular values spread over `condition`."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 3, n)
    Z = rng.standard_normal((n, d)) + 0.5 * rng.standard_normal((3, d))[labels]
    Q = np.linalg.qr(rng.standard_normal((d, d)))[0]
    return Z * np.geomspace(1, 1 / condition, d) @ Q + offset, labels


def test_every_statistic(form):
    X, y = draw()
    m = Moments.of(X, y * 10 - 3)
    centred = X - X.mean(0)
    np.testing.assert_array_equal(m.classes, [-3, 7, 17])
    np.testing.assert_array_equal(m.counts, np.bincount(y))
    np.testing.assert_allclose(m.mean, X.mean(0), rtol=1e-12)
    np.testing.assert_allclose(m.offsets, [X[y == c].mean(0) - X.mean(0) for c in range(3)], atol=1e-13)
    for c in range(3):
        rows = X[y == c] - X[y == c].mean(0)
        np.testing.assert_allclose(m.scatter(c), rows.T @ rows, atol=1e-11)
        np.testing.assert_allclose(m.class_values(c), np.linalg.svd(rows)[1] ** 2, rtol=1e-9)
        np.testing.assert_allclose(m.variances[c], X[y == c].var(0), rtol=1e-12)
    np.testing.assert_allclose(m.total, centred.T @ centred, atol=1e-10)
    assert m.fourth == pytest.approx(((centred**2).sum(1) ** 2).sum(), rel=1e-12)
    np.testing.assert_allclose(m.spectrum.values, np.linalg.svd(centred)[1], rtol=1e-10)
    np.testing.assert_allclose(m.uncentred.values, np.linalg.svd(X)[1], rtol=1e-10)


@pytest.mark.parametrize("offset", [0, 1e3])
@pytest.mark.parametrize("condition", [1e2, 1e4, 1e5])
def test_accuracy_up_to_condition_1e5(form, condition, offset):
    X, y = conditioned(3000, 24, condition, offset)
    m = Moments.of(X, y)
    U, s, _ = np.linalg.svd(X - X.mean(0), full_matrices=False)
    one_hot = np.eye(3)[y]
    assert m.rank == 24
    np.testing.assert_allclose(m.spectrum.values, s, rtol=1e-6)
    expected = ((U.T @ one_hot) ** 2 / one_hot.sum(0)).sum()
    assert hscore(m) == pytest.approx(expected, rel=1e-6)


def test_gram_and_factors_agree_for_an_offset(monkeypatch):
    X, y = conditioned(4000, 16, 1e3, offset=1e3)
    factors = logme(Moments.of(X, y))
    monkeypatch.setattr(module, "SMALL", 0)
    assert logme(Moments.of(X, y)) == pytest.approx(factors, rel=1e-8)


@pytest.mark.parametrize("shape", [(20, 50), (64, 64), (200, 10)])
def test_rank_deficient(form, shape):
    rng = np.random.default_rng(3)
    base = rng.standard_normal((shape[0], 5))
    X = (base @ rng.standard_normal((5, shape[1]))).astype(np.float32)
    assert Moments.of(X, np.arange(len(X)) % 2).rank == 5


def test_dtypes_and_memory_maps(form, tmp_path):
    X, y = draw(n=150)
    half = X.astype(np.float16)
    expected = Moments.of(half.astype(np.float64), y).total
    np.save(tmp_path / "x.npy", half)
    for features in (half, half.astype(np.float32), np.load(tmp_path / "x.npy", mmap_mode="r"), half.T.copy().T):
        np.testing.assert_array_equal(Moments.of(features, y).total, expected)
    for labels in (y == 1, (y == 1).astype(np.uint8), (y == 1).astype(np.int16) * 999):
        np.testing.assert_array_equal(Moments.of(half, labels).offsets, Moments.of(half, y == 1).offsets)


def test_input_is_not_written(form):
    X, y = draw(n=130)
    before = X.copy()
    X.setflags(write=False)
    y.setflags(write=False)
    m = Moments.of(X, y)
    assert m.spectrum.rank and m.uncentred.rank
    np.testing.assert_array_equal(X, before)


def test_constant_columns_have_exactly_no_variance(form):
    X, y = draw(n=300)
    X[:, 2] = 0.1
    X[:, 4] = np.where(y == 1, 0.3, X[:, 4])  # constant within one class only
    m = Moments.of(X, y)
    np.testing.assert_array_equal(m.constant, [False, False, True, False, False, False, False])
    assert m.variances[1, 4] == 0
    assert (m.variances[:, 2] == 0).all()
    assert (m.offsets[:, 2] == 0).all()


def test_a_column_that_varies_late_is_not_constant(form):
    X, y = np.zeros((400, 2)), np.arange(400) % 2
    X[:, 0] = np.arange(400)
    X[399, 1] = 1e-3
    m = Moments.of(X, y)
    assert not m.constant.any()
    np.testing.assert_allclose(m.variances[1, 1], X[1::2, 1].var(), rtol=1e-12)


@pytest.mark.parametrize(
    ("features", "labels", "words"),
    [
        (np.zeros(5), np.arange(5), "features: expected a (N, D) matrix"),
        (np.zeros((5, 0)), np.arange(5), "features: expected a (N, D) matrix"),
        (np.zeros((5, 2), complex), np.arange(5), "features: expected a (N, D) matrix of real"),
        (np.zeros((5, 2)), np.arange(4), "labels: expected one label a row"),
        (np.zeros((5, 2)), np.zeros((5, 1)), "labels: expected one label a row"),
        (np.zeros((5, 2)), np.linspace(0, 1, 5), "labels: expected integers or booleans"),
        (np.zeros((5, 2)), np.ones(5, int), "labels: expected at least 2 classes, got 1 (1)"),
        (np.zeros((0, 2)), np.zeros(0, int), "labels: expected at least 2 classes, got 0"),
        (np.array([[1.0, 2], [3, np.nan], [0, 0]]), np.array([0, 1, 1]), "got nan in row 1, column 1"),
        (np.array([[1.0, 2], [3, 0], [0, -np.inf]]), np.array([0, 1, 1]), "got -inf in row 2, column 1"),
        (np.array([[1e200], [2], [3]]), np.array([0, 0, 1]), "fourth powers overflow"),
    ],
)
def test_bad_input_is_named(features, labels, words):
    with pytest.raises(InputError) as error:
        Moments.of(features, labels)
    assert words in str(error.value)
