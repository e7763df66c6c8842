import numpy as np
import pytest
import reference

from tebench.base.errors import InputError
from tebench.baselines.leep import leep


@pytest.mark.reference("leep", source="thuml/Transfer-Learning-Library tllib/ranking/leep.py")
@pytest.mark.parametrize("name", reference.having("leep_tllib"))
def test_public_value(name):
    case = reference.case(name)
    assert leep(case["P"], case["y"]) == pytest.approx(reference.value(name, "leep_tllib"), rel=1e-10)


@pytest.mark.reference("leep", source="closed form: four samples")
def test_by_hand():
    # z tells the class of 3 samples in 4: P(0 | z=0) = 1, P(. | z=1) = (1/3, 2/3)
    P = np.array([[1, 0], [0, 1], [0, 1], [0, 1.0]])
    expected = (np.log(1) + np.log(1 / 3) + 2 * np.log(2 / 3)) / 4
    assert leep(P, np.array([0, 0, 5, 5])) == pytest.approx(expected, rel=1e-14)


def test_ends_of_the_range():
    y = np.arange(12) % 3
    assert leep(np.eye(3)[y], y) == 0
    assert leep(np.full((12, 4), 0.25), y) == pytest.approx(-np.log(3), rel=1e-14)


@pytest.mark.parametrize(
    ("P", "words"),
    [
        (np.ones((3, 2)) / 2, "one row a label, N = 4, got shape (3, 2)"),
        (np.ones(4), "got shape (4,)"),
        (np.ones((4, 3)), "row sums from 3 to 3"),
        (np.array([[1.5, -0.5]] * 4), "got minimum -0.5"),
    ],
)
def test_bad_probabilities_are_named(P, words):
    with pytest.raises(InputError) as error:
        leep(P, np.array([0, 1, 0, 1]))
    assert str(error.value).startswith("probabilities: expected")
    assert words in str(error.value)
