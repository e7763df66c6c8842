import numpy as np
import pytest
import reference

from tebench.baselines.lfc import lfc
from tebench.metrics.moments import Moments


def dense(X, y):
    K, L = X @ X.T, np.where(y[:, None] == y, 1.0, -1.0)
    K, L = K - K.mean(), L - L.mean()
    return (K * L).sum() / np.sqrt((K**2).sum() * (L**2).sum())


@pytest.mark.reference("lfc", source="zhangyikaii/Model-Spider, float32")
@pytest.mark.parametrize("name", reference.having("lfc_modelspider"))
def test_public_value(name):
    # the public code multiplies in float32
    assert lfc(reference.moments(name)) == pytest.approx(reference.value(name, "lfc_modelspider"), rel=1e-6)


@pytest.mark.reference("lfc", source="own: both N x N matrices")
@pytest.mark.parametrize("offset", [0, 3, 1e3])
def test_both_matrices(offset):
    case = reference.case("rtd_pair")
    X = case["X"].astype(float) + offset
    assert lfc(Moments.of(X, case["y"])) == pytest.approx(dense(X, case["y"]), rel=1e-9 if offset < 10 else 1e-5)


def test_perfect_alignment():
    X = np.array([[1.0], [1], [-1], [-1]])
    assert lfc(Moments.of(X, np.array([0, 0, 1, 1]))) == pytest.approx(1, rel=1e-14)
    assert lfc(Moments.of(X, np.array([0, 1, 0, 1]))) == 0


def test_huge_and_tiny_scales():
    X, y = reference.case("rtd_pair")["X"].astype(float), reference.case("rtd_pair")["y"]
    for scale in (1e-60, 1e60):
        assert lfc(Moments.of(scale * X, y)) == pytest.approx(lfc(Moments.of(X, y)), rel=1e-12)
