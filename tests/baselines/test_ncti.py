import numpy as np
import pytest
import reference

from tebench.baselines.ncti import ncti, ncti_ncc, ncti_seli, ncti_vc
from tebench.metrics.moments import Moments


def terms(name):
    X, y = reference.case(name)["X"], reference.case(name)["y"]
    return [ncti_seli(reference.moments(name)), ncti_ncc(Moments.of(X, y)), ncti_vc(Moments.of(X, y))]


@pytest.mark.reference("ncti_seli", "ncti_ncc", "ncti_vc", source="BUserName/NCTI")
@pytest.mark.parametrize("name", ["blobs_overlap", "organs_14"])
def test_public_terms(name):
    np.testing.assert_allclose(terms(name), reference.value(name, "ncti_terms"), rtol=1e-10)


def test_declared_disagreement():
    # the public code scales every component to variance 1, also the 44 that are rounding of the features
    assert round(terms("lowrank")[1], 4) == 0.9230
    assert round(reference.value("lowrank", "ncti_terms")[1], 4) == 0.9301


def test_collapsed_classes():
    # posteriors are one-hot: each class has rank one and norm sqrt(n_c)
    y = np.repeat([0, 1, 2], [4, 9, 16])
    X = 1e3 * np.eye(3)[y] + 1e-3 * np.random.default_rng(0).standard_normal((29, 3))
    assert ncti_ncc(Moments.of(X, y)) == pytest.approx(1, abs=1e-12)
    assert ncti_vc(Moments.of(X, y)) == pytest.approx(np.log(2 + 3 + 4), rel=1e-12)


@pytest.mark.reference("ncti", source="closed form: three encoders by hand")
def test_fusion():
    parts = {"seli": np.array([1.0, 3, 2]), "ncc": np.array([0.2, 0.4, 0.3]), "vc": np.array([5.0, 4, 4.5])}
    np.testing.assert_allclose(ncti(parts, 3), [-1, 2, 0.5])
