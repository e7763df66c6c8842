"""Virtual subjects: image and labels move together, nothing folds, the same seed gives the same bytes."""

from dataclasses import replace

import numpy as np
import pytest

from tebench.tasks.virtual import Variation, generator, sampling_map, simulate, smooth_field

SHAPE_ONLY = Variation(gamma=(1.0, 1.0), bias=0.0, gain=(1.0, 1.0), noise=0.0)
NOTHING = replace(SHAPE_ONLY, rotation=0.0, scale=0.0, deformation=())


def test_without_variation_the_case_comes_back(ball_case):
    same = simulate(ball_case, "virtual-1", NOTHING, generator("a"))
    inside = [np.flatnonzero(ball_case.image[0].any(axis=axes)) for axes in ((1, 2), (0, 2), (0, 1))]
    window = tuple(slice(i[0], i[-1] + 1) for i in inside)
    margin = (slice(3, -3),) * 3
    np.testing.assert_array_equal(same.labels[margin], ball_case.labels[window])
    np.testing.assert_allclose(same.image[0][margin], ball_case.image[0][window], rtol=1e-5)


def test_labels_move_with_the_image(ball_case):
    # The image's intensity is 100 + 50 label, so the label can be read back from the deformed image.
    moved = simulate(ball_case, "virtual-1", SHAPE_ONLY, generator("b"))
    for label in (1, 2):
        here = moved.labels == label
        assert here.sum() > 300
        from_image = np.abs(moved.image[0] - (100 + 50 * label)) < 20
        # Interpolated rims of the brighter ball pass through the value of the darker one; cores do not.
        core = here & np.roll(here, 1, 0) & np.roll(here, -1, 0) & np.roll(here, 1, 1) & np.roll(here, -1, 1)
        core &= np.roll(here, 1, 2) & np.roll(here, -1, 2)
        assert from_image[core].mean() > 0.99
        assert abs(moved.image[0][here].mean() - (100 + 50 * label)) < 8
    assert not (moved.labels[moved.image[0] == 0]).any()
    centre = np.array([np.mean(np.nonzero(moved.labels == 1)[a]) for a in range(3)])
    assert np.abs(centre - np.array([15, 20, 22])).max() > 0.5


def test_same_words_same_bytes_other_words_other_bytes(ball_case):
    first, again, other = (
        simulate(ball_case, "virtual-1", Variation(), generator("task", name)) for name in ("x", "x", "y")
    )
    assert first.image.tobytes() == again.image.tobytes()
    assert first.labels.tobytes() == again.labels.tobytes()
    assert first.image.tobytes() != other.image.tobytes()
    assert first.origin == "virtual"


def test_source_case_is_left_alone(ball_case):
    before = ball_case.image.copy(), ball_case.labels.copy()
    simulate(ball_case, "virtual-1", Variation(), generator("a"))
    np.testing.assert_array_equal(ball_case.image, before[0])
    np.testing.assert_array_equal(ball_case.labels, before[1])


@pytest.mark.parametrize("word", ["a", "b", "c", "d"])
def test_default_deformation_never_folds(word):
    points = sampling_map((70, 80, 70), (2.0, 2.0, 2.0), Variation(), generator(word))
    jacobian = np.stack([np.stack(np.gradient(p)) for p in points])
    determinant = np.linalg.det(np.moveaxis(jacobian, (0, 1), (-2, -1)))
    assert determinant.min() > 0.1
    assert determinant.max() < 4.0


def test_affine_alone_is_rotation_times_scale():
    variation = Variation(deformation=())
    points = sampling_map((11, 13, 15), (2.0, 2.0, 2.0), variation, generator("affine"))
    matrix = np.stack([points[:, 1, 0, 0], points[:, 0, 1, 0], points[:, 0, 0, 1]], axis=1) - points[:, 0, 0, 0, None]
    scales = np.linalg.svd(matrix, compute_uv=False)
    assert (1 / scales > 0.92 - 1e-9).all()
    assert (1 / scales < 1.08 + 1e-9).all()
    np.testing.assert_allclose(points[:, 5, 6, 7], [5, 6, 7], atol=1e-9)


def test_smooth_field_has_unit_variance_and_is_smooth():
    fields = np.stack([smooth_field((30, 40, 35), (2.0, 2.0, 2.0), 24.0, generator(str(k))) for k in range(20)])
    assert 0.85 < fields.std() < 1.15
    steps = np.diff(fields, axis=1)
    # A cubic B-spline with knots 12 voxels apart cannot change faster than this.
    assert np.abs(steps).max() < 0.6
    assert steps.std() < 0.2


def test_intensity_changes_keep_the_labels(ball_case):
    styled = simulate(
        ball_case, "virtual-1", replace(Variation(), rotation=0.0, scale=0.0, deformation=()), generator("s")
    )
    plain = simulate(ball_case, "virtual-1", NOTHING, generator("s"))
    np.testing.assert_array_equal(styled.labels, plain.labels)
    np.testing.assert_array_equal(styled.image == 0, plain.image == 0)
    assert np.corrcoef(styled.image.ravel(), plain.image.ravel())[0, 1] > 0.9
    assert not np.allclose(styled.image, plain.image, rtol=0.02)


def test_noise_has_the_stated_size(ball_case):
    noisy = simulate(ball_case, "v", replace(NOTHING, noise=0.03), generator("n")).image[0]
    plain = simulate(ball_case, "v", NOTHING, generator("n")).image[0]
    inside = plain > 0
    assert np.std((noisy - plain)[inside]) == pytest.approx(0.03 * np.percentile(plain[inside], 99), rel=0.05)
