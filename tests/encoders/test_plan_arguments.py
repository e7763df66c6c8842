"""What a plan says of network and images is done, or refused by name: nothing is passed over."""

import copy
import json

import numpy as np
import pytest
import torch
from checkpoint_files import patch, resenc_content, resenc_network, save
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from tebench.base.errors import InputError
from tebench.encoders.checkpoints import describe, open_checkpoint
from tebench.encoders.normalisation import normalise
from tebench.encoders.readers import dynamic


def changed(network=None, plan=None, **arguments):
    value = copy.deepcopy(resenc_content(network))
    value["nnssl_adaptation_plan"]["architecture_plans"]["arch_kwargs"] |= arguments
    value["nnssl_adaptation_plan"]["pretrain_plan"] |= plan or {}
    return value


def configured(**changes):
    value = copy.deepcopy(resenc_content())
    value["nnssl_adaptation_plan"]["pretrain_plan"]["configurations"]["onemmiso"] |= changes
    return value


def replaced(network, kind, make):
    """The network with every module of a kind made anew: an independent way to another eps, slope or activation."""
    for parent in list(network.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, kind):
                setattr(parent, name, make(child))
    return network


def with_eps(eps):
    def make(norm):
        other = nn.InstanceNorm3d(norm.num_features, eps=eps, affine=True)
        other.load_state_dict(norm.state_dict())
        return other

    return make


@pytest.mark.parametrize(
    ("arguments", "kind", "make"),
    [
        ({"norm_op_kwargs": {"eps": 0.1, "affine": True}}, nn.InstanceNorm3d, with_eps(0.1)),
        ({"nonlin_kwargs": {"negative_slope": 0.2, "inplace": True}}, nn.LeakyReLU, lambda _: nn.LeakyReLU(0.2)),
        ({"nonlin": "torch.nn.modules.activation.ReLU"}, nn.LeakyReLU, lambda _: nn.ReLU()),
        ({"nonlin": "torch.nn.GELU", "nonlin_kwargs": {}}, nn.LeakyReLU, lambda _: nn.GELU()),
    ],
)
def test_arguments_without_weights_change_the_features(tmp_path, arguments, kind, make):
    """Found: eps and slope were passed over, and the features of another network given."""
    expected = replaced(resenc_network(), kind, make)
    x = patch(16, 16, 16)
    found = open_checkpoint(save(tmp_path, changed(**arguments)))(x)
    for one, other in zip(found, expected(x.permute(0, 1, 4, 3, 2)), strict=True):
        torch.testing.assert_close(one, other.permute(0, 1, 4, 3, 2), rtol=1e-5, atol=1e-5)
    assert (found[-1] - open_checkpoint(save(tmp_path / "plain", resenc_content()))(x)[-1]).abs().max() > 1e-3


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"norm_op": "torch.nn.GroupNorm"}, "norm_op='torch.nn.GroupNorm' is not built here"),
        ({"norm_op_kwargs": {"eps": 1e-5, "affin": True}}, "Did you mean 'affine'"),
        ({"norm_op_kwargs": {"track_running_stats": True}}, "track_running_stats is not built here"),
        ({"norm_op_kwargs": {"eps": "small"}}, "norm_op_kwargs .* is not built here"),
        ({"nonlin": "torch.nn.Mish"}, "nonlin='torch.nn.Mish' is not built here"),
        ({"nonlin_kwargs": {"negative_slop": 0.2}}, "Did you mean 'negative_slope'"),
        ({"conv_op": "torch.nn.Conv2d"}, "conv_op='torch.nn.Conv2d' is not built here"),
        ({"squeeze_excitation": True}, "squeeze_excitation=True is not built here"),
        ({"pool_type": "avg"}, "pool_type='avg' is not built here"),
        ({"block": "BottleneckD"}, "block='BottleneckD' is not built here"),
        ({"stem_channels": 7}, "stem_channels=7 is not built here"),
        ({"some_new_argument": 1}, "unknown arch_kwargs 'some_new_argument'"),
        ({"features_per_stage": [2, 3]}, "does not name 4 stages"),
        ({"n_blocks_per_stage": [10**9] * 4}, "positive integer"),
    ],
)
def test_arguments_that_are_not_built_are_refused_by_name(tmp_path, arguments, words):
    with pytest.raises(InputError, match=words):
        describe(save(tmp_path, changed(**arguments)))


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(st.text(min_size=1, max_size=12), st.none() | st.integers() | st.text(max_size=5), min_size=1))
def test_no_unknown_argument_is_passed_over(extra):
    given = {"features_per_stage": [2, 2], "n_blocks_per_stage": [1, 1], **extra}
    known = dynamic._UNREAD | set(dynamic._ONLY) | dynamic._READ
    if set(extra) - known:
        with pytest.raises(InputError):  # of a known one with a senseless value first, where there is one
            dynamic.plan_of(True, given)


def test_a_reader_that_turns_images_is_refused_until_the_user_says_how_they_lie(tmp_path):
    path = save(tmp_path, changed(plan={"image_reader_writer": "NibabelIOWithReorient"}))
    with pytest.raises(InputError, match=r"NibabelIOWithReorient turns images to RAS.*orientation: RAS"):
        describe(path)
    (tmp_path / "checkpoint_final.yaml").write_text("orientation: RAS\n")
    describe(path)
    with pytest.raises(InputError, match="'MyReader', which is not known"):
        describe(save(tmp_path / "other", changed(plan={"image_reader_writer": "MyReader"})))


def test_an_unknown_preprocessor_is_refused_until_the_input_is_stated(tmp_path):
    path = save(tmp_path, configured(preprocessor_name="MyPreprocessor"))
    with pytest.raises(InputError, match="prepared by 'MyPreprocessor'"):
        describe(path)
    words = {"input": {"spacing": [2, 2, 2], "normalisation": "unit"}}
    (tmp_path / "checkpoint_final.json").write_text(json.dumps(words))
    assert describe(path).spec.spacing == (2.0, 2.0, 2.0) and describe(path).spec.normalisation == "unit"


def test_resampling_by_another_function_is_said(tmp_path):
    reading = describe(save(tmp_path, configured(resampling_fn_data="resample_torch_simple")))
    assert any("resample_torch_simple" in note for note in reading.warnings)


CT = {"percentile_00_5": -900.0, "percentile_99_5": 300.0, "mean": 20.0, "std": 150.0}


def nnunet_ct(image, record):
    """As nnunetv2's CTNormalization computes it (clip, minus mean, over deviation), from its description."""
    clipped = np.minimum(np.maximum(image, record["percentile_00_5"]), record["percentile_99_5"])
    return (clipped - record["mean"]) / record["std"]


def test_ct_is_prepared_as_nnunet_does(tmp_path):
    """Found: 0 HU counted as background, and no window could be stated."""
    value = configured(normalization_schemes=["CTNormalization"])
    path = save(tmp_path, value)
    with pytest.raises(InputError, match=r"CTNormalization needs percentile_00_5.*ct\(low,high,mean,sd\)"):
        describe(path)
    (tmp_path / "checkpoint_final.yaml").write_text('input: {normalisation: "ct(-900, 300, 20, 150)"}\n')
    how = describe(path).spec.normalisation
    assert how == "ct(-900,300,20,150)"
    image = np.random.default_rng(0).normal(-300, 400, (1, 6, 5, 4)).round().astype(np.float32)
    image[0, 2:4, 1:3] = 0  # water
    np.testing.assert_allclose(normalise(image, how), nnunet_ct(image, CT), rtol=1e-5, atol=1e-6)


@settings(max_examples=30, deadline=None)
@given(st.integers(-2000, 2000), st.integers(0, 2**31))
def test_a_constant_added_to_all_voxels_is_removed(constant, seed):
    image = np.random.default_rng(seed).integers(-50, 50, (1, 5, 4, 3)).astype(np.float32)
    image[0, 0, 0, :2] = 1, 0
    for how in ("zscore_image", "minmax(0,1)", "percentiles(5,95,0,1)"):
        np.testing.assert_allclose(normalise(image + np.float32(constant), how), normalise(image, how), atol=2e-4)


@settings(max_examples=30, deadline=None)
@given(st.floats(-500, 0), st.floats(1, 500), st.floats(-1, 0), st.floats(0.5, 2), st.integers(0, 2**31))
def test_a_window_is_a_clipped_line(a_min, width, b_min, b_width, seed):
    image = np.random.default_rng(seed).normal(0, 300, (1, 4, 4, 4)).astype(np.float32)
    found = normalise(image, f"window({a_min!r},{a_min + width!r},{b_min!r},{b_min + b_width!r})")
    expected = np.clip((image.astype(float) - a_min) / width, 0, 1) * b_width + b_min
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_the_mask_of_nnunet_is_filled(tmp_path):
    """With use_mask_for_norm, holes inside the head count; the image's outside stays 0."""
    image = np.zeros((1, 7, 7, 7), np.float32)
    image[0, 1:6, 1:6, 1:6] = np.random.default_rng(0).uniform(5, 9, (5, 5, 5))
    image[0, 3, 3, 3] = 0  # a hole
    found = normalise(image, "zscore_mask")
    inside = image[0, 1:6, 1:6, 1:6].astype(float)
    np.testing.assert_allclose(found[0, 1:6, 1:6, 1:6], (inside - inside.mean()) / inside.std(), rtol=1e-5)
    assert np.count_nonzero(found) == 125


def test_channels_have_schemes_of_their_own():
    image = np.random.default_rng(0).normal(0, 300, (2, 4, 4, 4)).astype(np.float32)
    found = normalise(image, "window(-100,100,0,1)|zscore_image")
    np.testing.assert_array_equal(found[:1], normalise(image[:1], "window(-100,100,0,1)"))
    np.testing.assert_array_equal(found[1:], normalise(image[1:], "zscore_image"))
    with pytest.raises(InputError, match="for 2 channels, the image has 1"):
        normalise(image[:1], "unit|unit")


@pytest.mark.parametrize(
    "how",
    [
        "window(1,0,0,1)",
        "ct(0,1,0)",
        "ct(0,1,0,0)",
        "window(a,1,0,1)",
        "percentiles(-1,99,0,1)",
        "unit(3)",
        "scale(0,inf,0,1)",
    ],
)
def test_a_normalisation_of_wrong_numbers_is_refused(how):
    with pytest.raises(InputError, match=r"numbers|normalisation"):
        normalise(np.ones((1, 2, 2, 2), np.float32), how)
