"""Voxels without a label (-1): in no stratum, no anchor, no patch, and beside no boundary."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays as numpy_arrays

from tebench.base.errors import InputError
from tebench.features.sample import Role
from tebench.features.sampling import ARRAYS, Recipe, boundary, draw
from tebench.tasks.base import IGNORED, Case, Task

RECIPE = Recipe(foreground=20, background=30, global_voxels=25, anchors=8, patch_voxels=6, patch_radius=2)


def task_of(labels):
    def load(case_id):
        return Case(case_id, np.ones((1, *labels.shape), np.float32), labels.astype(np.int16), (1.0,) * 3, "subject")

    return Task("toy", "toy", ("background", "a", "b"), ("one",), (), {}, "f", load)


def face_neighbours(labels, place):
    for axis in range(3):
        for step in (-1, 1):
            other = np.array(place)
            other[axis] += step
            if (other >= 0).all() and (other < labels.shape).all():
                yield labels[tuple(other)]


label_maps = numpy_arrays(np.int16, st.tuples(*[st.integers(2, 6)] * 3), elements=st.integers(IGNORED, 2)).filter(
    lambda labels: (labels > 0).any()
)


@settings(max_examples=60, deadline=None)
@given(label_maps, st.integers(0, 3))
def test_no_ignored_voxel_reaches_a_sample(labels, seed):
    sample = draw(task_of(labels), RECIPE, seed=seed)
    there = labels[tuple(sample.coordinates.T)]
    np.testing.assert_array_equal(there, sample.labels)
    assert there.min() >= 0
    assert (there[sample.rows(Role.FOREGROUND)] > 0).all() and (there[sample.rows(Role.BACKGROUND)] == 0).all()
    for place in sample.coordinates[sample.rows(Role.ANCHOR)]:
        own = labels[tuple(place)]
        assert own > 0 and any(near >= 0 and near != own for near in face_neighbours(labels, place))


@settings(max_examples=60, deadline=None)
@given(label_maps)
def test_a_boundary_is_where_two_labels_meet(labels):
    expected = [
        labels[place] > 0 and any(near >= 0 and near != labels[place] for near in face_neighbours(labels, place))
        for place in np.ndindex(labels.shape)
    ]
    np.testing.assert_array_equal(boundary(labels).ravel(), expected)


def test_what_is_asked_for_is_still_given_where_labels_suffice():
    labels = np.zeros((16, 16, 16), np.int16)
    labels[4:12, 4:12, 4:12] = 1
    labels[:, :, 8:] = IGNORED
    sample = draw(task_of(labels), RECIPE, seed=0)
    assert np.bincount(sample.role).tolist() == [20, 30, 25, 8, 40]
    assert (sample.coordinates[:, 2] < 8).all()


def test_a_region_walled_in_by_ignored_voxels_has_no_boundary():
    labels = np.full((8, 8, 8), IGNORED, np.int16)
    labels[3:5, 3:5, 3:5] = 1
    labels[0] = 0
    sample = draw(task_of(labels), RECIPE, seed=0)
    assert set(sample.role) == {Role.FOREGROUND, Role.BACKGROUND, Role.GLOBAL} and sample.patches().shape[0] == 0


def test_labels_below_the_mark_are_refused():
    labels = np.ones((4, 4, 4), np.int16)
    labels[0] = -2
    with pytest.raises(InputError, match=r"labels span -2\.\.1"):
        draw(task_of(labels), RECIPE, seed=0)
    with pytest.raises(InputError, match="every voxel is to be ignored"):
        draw(task_of(np.full((4, 4, 4), IGNORED)), RECIPE, seed=0)


def test_ignoring_far_voxels_changes_no_other_draw():
    labels = np.zeros((12, 12, 12), np.int16)
    labels[3:8, 3:8, 3:8] = 1
    masked = labels.copy()
    masked[11] = IGNORED
    whole, part = (draw(task_of(m), RECIPE, seed=1) for m in (labels, masked))
    for role in (Role.FOREGROUND, Role.ANCHOR, Role.MEMBER):
        for name in ARRAYS:
            mine, other = (getattr(s, name)[s.rows(role)] for s in (whole, part))
            np.testing.assert_array_equal(mine, other)
