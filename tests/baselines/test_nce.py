import numpy as np
import pytest
import reference

from tebench.baselines.nce import nce


@pytest.mark.reference("nce", source="thuml/LogME, NCE")
@pytest.mark.parametrize("name", reference.having("nce_logme_repo"))
def test_public_value(name):
    case = reference.case(name)
    assert nce(case["P"], case["y"]) == pytest.approx(reference.value(name, "nce_logme_repo"), rel=1e-10)


@pytest.mark.reference("nce", source="closed form: four samples")
def test_by_hand():
    P = np.array([[0.9, 0.1], [0.4, 0.6], [0.2, 0.8], [0, 1]])
    # given z = 0: certain; given z = 1: labels 0, 1, 1
    assert nce(P, np.array([0, 0, 5, 5])) == pytest.approx((np.log(1 / 3) + 2 * np.log(2 / 3)) / 4, rel=1e-14)


def test_ends_of_the_range():
    y = np.arange(12) % 3
    assert nce(np.eye(3)[y], y) == 0
    assert nce(np.full((12, 4), 0.25), y) == pytest.approx(-np.log(3), rel=1e-14)
