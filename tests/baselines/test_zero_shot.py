import numpy as np
import pytest

import tebench
from tebench.base.errors import InputError, NotApplicable
from tebench.baselines.zero_shot import zero_shot

LABELS = np.array([0, 0, 0, 1, 1, 2])


def certain(classes, s):
    return np.eye(s)[np.asarray(classes, dtype=int)]


@pytest.mark.reference("zero_shot", source="closed form: Dice of six voxels")
def test_two_source_classes_by_hand():
    brain = np.array([0.2, 0.5, 0.9, 0.9, 0.6, 0.1])  # 3 marked, 2 of them in the 3 foreground voxels
    assert zero_shot(np.column_stack([1 - brain, brain]), LABELS) == pytest.approx(2 * 2 / (3 + 3))
    assert zero_shot(certain([0] * 6, 2), LABELS) == 0
    assert zero_shot(certain(LABELS > 0, 2), LABELS) == 1


def test_more_source_classes_are_matched_one_to_one():
    assert zero_shot(certain([0, 0, 0, 3, 3, 1], 4), LABELS) == 1
    assert zero_shot(certain([0, 0, 0, 3, 3, 3], 4), LABELS) == pytest.approx(4 / 5 / 2)  # one source class, one match
    assert zero_shot(certain([1, 1, 1, 0, 0, 2], 3), LABELS) == pytest.approx(0.5)  # source background is none


def test_more_structures_than_source_classes():
    labels = np.array([0, 1, 2, 3])
    assert zero_shot(certain([0, 1, 2, 2], 3), labels) == pytest.approx((1 + 2 / 3) / 3)


def test_foreground_names_are_free_and_a_head_is_needed():
    p, X = np.random.default_rng(0).dirichlet(np.ones(4), 6), np.zeros((6, 1))
    value = tebench.score("zero_shot", X, LABELS, probabilities=p)
    assert tebench.score("zero_shot", X, np.array([0, 9, 5])[LABELS], probabilities=p) == value
    with pytest.raises(NotApplicable, match="no source head"):
        tebench.score("zero_shot", X, LABELS)
    with pytest.raises(InputError, match=r"expected \(6, S\)"):
        zero_shot(np.ones((6, 1)), LABELS)
