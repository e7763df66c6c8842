import numpy as np
import pytest
import reference

from tebench.baselines.etran import etran, etran_energy, etran_lda, min_max
from tebench.metrics.moments import Moments


@pytest.mark.reference("etran_energy", source="mgholamikn/ETran metrics.py")
@pytest.mark.parametrize("name", reference.having("etran_energy_bot0.5"))
def test_public_energy(name):
    X, y = reference.case(name)["X"], reference.case(name)["y"]
    expected = reference.value(name, "etran_energy_bot0.5")
    assert etran_energy(X, y, share=0.005) == pytest.approx(expected, rel=1e-10)


@pytest.mark.reference("etran_lda", source="mgholamikn/ETran metrics.py")
@pytest.mark.parametrize("name", reference.having("etran_lda"))
def test_public_discriminant(name):
    X, y = reference.case(name)["X"], reference.case(name)["y"]
    assert etran_lda(Moments.of(X, y), rule="nearest_mean") == pytest.approx(
        reference.value(name, "etran_lda"), rel=1e-10
    )


def test_declared_disagreement():
    X, y = reference.case("blobs_overlap")["X"], reference.case("blobs_overlap")["y"]
    assert round(etran_lda(Moments.of(X, y)), 4) == 0.6718
    assert round(reference.value("blobs_overlap", "etran_lda"), 4) == 0.4525


@pytest.mark.reference("etran_energy", source="closed form: logarithms of sums")
def test_energy_by_hand():
    X = np.log([[1.0, 2, 3], [4, 5, 6]])
    y = np.array([0, 1])
    assert etran_energy(X, y) == pytest.approx((np.log(6) + np.log(15)) / 2, rel=1e-14)
    assert etran_energy(X, y, share=0.5) == pytest.approx(np.log(6), rel=1e-14)
    assert etran_energy(X + 800, y) == pytest.approx(800 + (np.log(6) + np.log(15)) / 2, rel=1e-14)


@pytest.mark.reference("etran", source="closed form: three encoders by hand")
def test_fusion():
    parts = {"energy": np.array([1.0, 3, 2]), "lda": np.array([0.5, 0.5, 0.75])}
    np.testing.assert_allclose(etran(parts, 3), [0, 1, 1.5])
    np.testing.assert_array_equal(min_max([2.0, 2.0]), [0, 0])


@pytest.mark.reference("etran_lda", source="own: posterior of Gaussians with one covariance, by scipy's densities")
def test_default_discriminant_is_the_posterior_of_gaussians_with_one_covariance():
    from scipy.stats import multivariate_normal

    rng = np.random.default_rng(0)
    y = np.repeat([0, 1, 2], [60, 30, 10])
    X = 3 * rng.standard_normal((100, 4)) @ rng.standard_normal((4, 4)) + y[:, None]
    means, prior = [X[y == c].mean(0) for c in range(3)], np.bincount(y) / 100
    S = sum((X[y == c] - means[c]).T @ (X[y == c] - means[c]) for c in range(3)) / 100
    assert np.linalg.eigvalsh(S)[-1] > 5  # so that the shrinkage exp(-5 lambda_max) is at its floor of 1e-10
    density = np.stack([p * multivariate_normal(m, S).pdf(X) for p, m in zip(prior, means, strict=True)], axis=1)
    expected = (density[np.arange(100), y] / density.sum(axis=1)).mean()
    assert 0.4 < expected < 0.9
    assert etran_lda(Moments.of(X, y)) == pytest.approx(expected, rel=1e-8)
