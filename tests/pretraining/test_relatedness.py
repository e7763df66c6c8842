"""Source x target overlap: closed forms, and what the packaged label maps must give."""

import numpy as np
import pytest

from tebench.pretraining import relatedness
from tebench.tasks import source_only


def test_a_finer_map_tells_all_and_a_coarser_one_less():
    # Source classes 1 and 2 are the halves of target class 1; background is background.
    finer = np.array([[50.0, 0], [0, 10], [0, 10]])
    assert relatedness.overlap(finer) == 1.0 and relatedness.explained(finer) == pytest.approx(1.0)
    # H(S) / H(T): 5/7 and 2/7 against 5/7, 1/7, 1/7.
    whole = -(5 / 7 * np.log(5 / 7) + 2 / 7 * np.log(1 / 7))
    assert relatedness.explained(finer.T) == pytest.approx(1 - 2 / 7 * np.log(2) / whole)
    # Target class 2 is swallowed by 1: Dice of class 1 is 2 * 10 / (20 + 10), of class 2 it is 0.
    assert relatedness.overlap(finer.T) == pytest.approx((20 / 30) / 2)


def test_independent_maps_tell_nothing():
    joint = np.outer([6.0, 2], [3.0, 1])
    assert relatedness.explained(joint) == pytest.approx(0.0, abs=1e-12)
    assert relatedness.overlap(joint) == 0.0


def test_explained_is_one_plus_nce_of_a_perfect_source_head():
    from tebench.baselines.nce import nce

    rng = np.random.default_rng(0)
    target = rng.integers(0, 3, 500)
    source = np.where(rng.random(500) < 0.7, target, rng.integers(0, 3, 500))
    joint = np.zeros((3, 3))
    np.add.at(joint, (source, target), 1)
    p = np.bincount(target) / 500
    expected = 1 + nce(np.eye(3)[source], target) / -(p * np.log(p)).sum()
    assert relatedness.explained(joint) == pytest.approx(expected)


def test_the_packaged_maps():
    frame = relatedness.relatedness(["lobes", "parcellation", "lungs"], ["lobes", "lungs"]).set_index(
        ["source", "target"]
    )
    assert frame.loc[("lobes", "lobes"), "relation"] == "source is target"
    related = frame.loc[("parcellation", "lobes")]
    assert related.relation == "same image" and related.dice > 0.95 and related.explained > 0.95
    assert frame.loc[("lobes", "lungs")].tolist() == ["other image", 0.0, 0.0]
    text = relatedness.as_markdown(frame.reset_index())
    assert text.count("**oracle**") == 2 and "| parcellation | 0.9" in text


def test_a_source_that_is_no_task_has_no_test_case_and_opens():
    assert [recipe.name for recipe in source_only.RECIPES] == ["anatomy"]
    task = source_only.load("anatomy")
    assert task.test_cases == () and task.cases == ("template",)
    labels = task.load("template").labels
    assert set(np.unique(labels)) == set(range(len(task.classes)))
