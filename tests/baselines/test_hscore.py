import numpy as np
import pytest
import reference

from tebench.baselines.hscore import hscore
from tebench.metrics.moments import Moments


@pytest.mark.reference("hscore", source="thuml/Transfer-Learning-Library tllib/ranking/hscore.py")
@pytest.mark.parametrize("name", reference.having("hscore_tllib"))
def test_public_value(name):
    assert hscore(reference.moments(name)) == pytest.approx(reference.value(name, "hscore_tllib"), rel=1e-10)


def test_declared_disagreement():
    wrong = reference.value("blobs_overlap", "hscore_stable_transfer_f64")
    assert wrong > 2.8 * hscore(reference.moments("blobs_overlap"))


@pytest.mark.reference("hscore", source="own: canonical correlations by QR")
def test_squared_canonical_correlations():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 4, 300)
    X = rng.standard_normal((300, 6)) + labels[:, None] * rng.standard_normal(6)
    x = np.linalg.qr(X - X.mean(0))[0]
    one_hot = np.eye(4)[labels]
    y = np.linalg.qr((one_hot - one_hot.mean(0))[:, :3])[0]
    assert hscore(Moments.of(X, labels)) == pytest.approx(np.linalg.norm(x.T @ y) ** 2, rel=1e-12)


def test_saturates_where_columns_outnumber_rows():
    rng = np.random.default_rng(1)
    assert hscore(Moments.of(rng.standard_normal((30, 50)), np.arange(30) % 4)) == pytest.approx(3, rel=1e-12)


def test_duplicated_and_constant_columns_change_nothing():
    X, y = reference.case("binary_small")["X"], reference.case("binary_small")["y"]
    wide = np.column_stack([X, X[:, :5], np.full(len(X), 0.1), 2 * X[:, :2]])
    assert hscore(Moments.of(wide, y)) == pytest.approx(hscore(Moments.of(X, y)), rel=1e-10)


def test_constant_features_score_zero():
    assert hscore(Moments.of(np.full((10, 3), 0.1), np.arange(10) % 2)) == 0
