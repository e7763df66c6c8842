import numpy as np
import pytest
import torch
from finetuning_fakes import blobs, build_encoder, load_task, quick

from tebench.base.errors import InputError
from tebench.encoders.base import InputSpec
from tebench.encoders.normalisation import normalise
from tebench.finetuning.data import Patches, class_weights

STILL = {"rotation": 0.0, "zoom": 0.0, "gamma": 0.0, "gain": 0.0, "bias": 0.0, "noise": 0.0, "flip": False}


def patches(seed=0, spec=None, **changes):
    return Patches(load_task("blobs"), spec or build_encoder("tiny").spec, quick(**changes), seed)


def test_a_batch_is_a_function_of_the_step_alone():
    one, two = patches(), patches()
    one.batch(0)
    assert all(torch.equal(a, b) for a, b in zip(one.batch(7), two.batch(7), strict=True))
    assert not torch.equal(one.batch(7)[0], one.batch(8)[0])
    assert not torch.equal(one.batch(7)[0], patches(seed=1).batch(7)[0])


def test_plans_and_labels_are_common_to_encoders_of_different_normalisation():
    one, two = patches(), patches(spec=InputSpec(normalisation="unit", divisor=8))
    for step in range(5):
        a, b = one.plan(step, 1), two.plan(step, 1)
        assert set(a) == set(b)
        assert all(np.array_equal(a[name], b[name]) for name in a)
        assert torch.equal(one.batch(step)[1], two.batch(step)[1])


def test_without_augmentation_a_patch_is_a_crop_of_the_normalised_case():
    made = patches(**STILL)
    images, labels = made.batch(3)
    plan = made.plan(3, 0)
    case = blobs("abc"[plan["case"]])
    window = tuple(slice(int(start), int(start) + 16) for start in plan["start"])
    expected = normalise(case.image, "zscore")[0][window]
    # Contrast works above the 0.5th percentile, so the darkest half per cent is clipped there.
    low = made.cases[plan["case"]].scale[0, 0].item()
    np.testing.assert_allclose(images[0, 0], np.where(expected == 0, 0, expected.clip(low)), atol=2e-4, rtol=1e-3)
    assert np.array_equal(labels[0], case.labels[window])


def test_a_mirrored_patch_is_the_crop_reversed_along_the_first_axis():
    still, mirrored = patches(**STILL), patches(**{**STILL, "flip": True})
    steps = [step for step in range(20) if mirrored.plan(step, 0)["matrix"][0, 0] < 0]
    assert 0 < len(steps) < 20
    assert torch.equal(mirrored.batch(steps[0])[1][0], still.batch(steps[0])[1][0].flip(0))


def test_patches_hold_the_oversampled_foreground():
    made = patches(foreground=1.0, patch=8, decoder_deepest=4)
    assert all((made.batch(step)[1] > 0).flatten(1).any(1).all() for step in range(10))


def test_a_volume_smaller_than_the_patch_is_padded_with_background():
    images, labels = patches(patch=32, **STILL).batch(0)
    assert images.shape == (2, 1, 32, 32, 32)
    assert (images[0] == 0).float().mean() > 0.6 and (labels > 0).any()


def test_cases_are_not_changed():
    task = load_task("blobs")
    before = task.load("a").image.copy()
    patches().batch(0)
    assert np.array_equal(task.load("a").image, before)


def test_class_weights_closed_form():
    assert class_weights(np.array([900, 100, 1, 0]), 4.0).tolist() == [1.0, 3.0, 4.0, 1.0]


def test_channels_must_match():
    with pytest.raises(InputError, match=r"reads 2 channel\(s\), the image has 1"):
        patches(spec=InputSpec(channels=2))


def test_a_case_with_ignored_voxels_is_refused():
    from dataclasses import replace

    import numpy as np

    def load(case_id):
        case = blobs(case_id)
        return replace(case, labels=np.where(np.arange(case.labels.shape[0])[:, None, None] < 3, -1, case.labels))

    task = replace(load_task("blobs"), loader=load)
    with pytest.raises(InputError, match="case 'a' holds voxels without a label"):
        Patches(task, InputSpec(), quick(), 0)
