import numpy as np
import pytest
import reference

from tebench.baselines.logme import logme
from tebench.metrics.moments import Moments


def dense_evidence(X, y, a, b):
    """log N(y | 0, I/b + XX'/a) / N for one column: the model itself, no spectrum."""
    covariance = np.eye(len(y)) / b + X @ X.T / a
    return -(len(y) * np.log(2 * np.pi) + np.linalg.slogdet(covariance)[1] + y @ np.linalg.solve(covariance, y)) / (
        2 * len(y)
    )


def dense_logme(X, labels):
    """Mean over classes of the evidence, maximised on nested grids over (log a, log b)."""
    total = 0.0
    for label in np.unique(labels):
        y = (labels == label).astype(float)
        centre, width = np.zeros(2), 12.0
        for _ in range(16):
            steps = np.linspace(-width, width, 11)
            values = [[dense_evidence(X, y, *np.exp(centre + np.array([i, j]))) for j in steps] for i in steps]
            i, j = np.unravel_index(np.argmax(values), (11, 11))
            centre, width = centre + steps[[i, j]], width / 3
        total += np.max(values)
    return total / len(np.unique(labels))


@pytest.mark.reference("logme", source="own: evidence at its exact fixed point, stored beside the cases")
@pytest.mark.parametrize("name", reference.having("own:logme_exact"))
def test_exact_fixed_point(name):
    assert logme(reference.moments(name)) == pytest.approx(reference.value(name, "own:logme_exact"), rel=1e-10)


@pytest.mark.reference("logme", source="thuml/LogME")
@pytest.mark.parametrize("name", sorted(set(reference.having("logme")) - {"lowrank", "random_labels"}))
def test_public_code_within_its_tolerance(name):
    assert logme(reference.moments(name)) == pytest.approx(reference.value(name, "logme"), abs=1e-3)


def test_pure_noise_is_at_least_every_public_value():
    # one class has its maximum at infinity, where the public fixed points stop early
    score = logme(reference.moments("random_labels"))
    for key in ("logme", "logme_icml", "logme_tllib", "logme_transformer_ranker"):
        assert 0 < score - reference.value("random_labels", key) < 1e-3


@pytest.mark.reference("logme", source="own: the dense Gaussian model maximised on nested grids")
@pytest.mark.parametrize("shape", [(40, 5), (30, 30), (20, 60)])
def test_dense_model(shape):
    rng = np.random.default_rng(sum(shape))
    labels = np.arange(shape[0]) % 3
    X = rng.standard_normal(shape) + 0.3 * labels[:, None] + 0.5
    assert logme(Moments.of(X, labels)) == pytest.approx(dense_logme(X, labels), abs=1e-7)


def test_blind_class_has_the_value_of_the_empty_model():
    # features orthogonal to both one-hot columns: the best weights are zero
    X = np.array([[1.0], [-1.0], [1.0], [-1.0]])
    labels = np.array([0, 0, 1, 1])
    expected = (np.log(4 / 2) - 1 - np.log(2 * np.pi)) / 2
    assert logme(Moments.of(X, labels)) == pytest.approx(expected, rel=1e-14)


def test_zero_features_are_finite():
    labels = np.array([0, 0, 1, 1, 1])
    expected = np.mean([(np.log(5 / n) - 1 - np.log(2 * np.pi)) / 2 for n in (2, 3)])
    assert logme(Moments.of(np.zeros((5, 3)), labels)) == pytest.approx(expected, rel=1e-14)


def test_perfect_fit_is_finite_and_large():
    labels = np.arange(60) % 3
    perfect = logme(Moments.of(np.eye(3)[labels], labels))
    assert 10 < perfect < 100
    assert logme(Moments.of(1e3 * np.eye(3)[labels], labels)) == pytest.approx(perfect, rel=1e-10)


def test_offset_matters_and_is_accurate():
    X, labels = reference.case("binary_small")["X"][:1000].astype(float), reference.case("binary_small")["y"][:1000]
    far = X + 1e3
    U, s, _ = np.linalg.svd(far, full_matrices=False)
    expected = []
    for label in (0, 1):
        y = (labels == label).astype(float)
        z = (U.T @ y) ** 2

        def value(t, y=y, z=z):
            q = y @ y - z.sum() + (z * t / (t + s**2)).sum()
            return (np.log(1000 / q) - 1 - np.log(2 * np.pi)) / 2 - np.log1p(s**2 / t).sum() / 2000

        expected.append(max(value(t) for t in np.geomspace(1e-6, 1e12, 40001)))
    assert logme(Moments.of(far, labels)) == pytest.approx(np.mean(expected), abs=1e-7)
    assert abs(np.mean(expected) - logme(Moments.of(X, labels))) > 1e-3
