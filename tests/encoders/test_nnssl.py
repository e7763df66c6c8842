"""nnssl / OpenMind checkpoints, written in the public format at reduced width and read back."""

import dataclasses

import numpy as np
import pytest
import torch
from checkpoint_files import (
    content,
    patch,
    plan,
    primus_content,
    primus_network,
    public_keys,
    resenc_content,
    resenc_network,
    save,
)

from tebench.base.errors import InputError
from tebench.encoders.checkpoints import describe, open_checkpoint


def turned(network, x):
    """What a network trained on (z, y, x) gives for a case in (x, y, z)."""
    return [found.permute(0, 1, 4, 3, 2) for found in network(x.permute(0, 1, 4, 3, 2))]


def assert_same(found, expected):
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-5)


def test_resenc_file(tmp_path):
    network = resenc_network()
    path = save(tmp_path / "ResEncL-OpenMind-MAE", resenc_content(network))
    reading = describe(path)
    assert reading.facts.name == "ResEncL-OpenMind-MAE" and reading.facts.architecture == "ResEncL"
    assert reading.facts.training_data == "Dataset745_OpenMind" and "BaseMAETrainer_BS8" in reading.facts.pretraining
    assert reading.spec.spacing == (1.0, 1.0, 1.0) and reading.spec.normalisation == "zscore_all"
    assert reading.spec.patch == (64, 64, 64) and reading.spec.divisor == 8 and reading.spec.channels == 1
    assert reading.axes == (2, 1, 0) and reading.stages == network.stages
    encoder = open_checkpoint(path)
    assert encoder.facts.n_parameters == sum(p.numel() for p in encoder.parameters())
    assert not any(parameter.requires_grad for parameter in encoder.parameters())
    x = patch(16, 24, 32)
    assert_same(encoder(x), turned(network, x))


@pytest.mark.parametrize("prefix", ["", "encoder."])
def test_primus_file(tmp_path, prefix):
    network = primus_network()
    reading = describe(save(tmp_path, primus_content(network, prefix=prefix)))
    assert reading.spec.divisor == 8 and reading.stages == network.stages
    x = patch(32, 24, 16)
    assert_same(reading.build()(x), turned(network, x))


def test_simmim_has_the_other_token_order(tmp_path):
    same = {"network": primus_network(order="w h d"), "trainer": "BaseSimMIMTrainer_BS8"}
    x = patch(32, 32, 32)
    found = open_checkpoint(save(tmp_path / "a", primus_content(**same)))(x)
    assert_same(found, turned(same["network"], x))
    other = open_checkpoint(save(tmp_path / "b", primus_content(same["network"])))(x)
    assert (other[-1] - found[-1]).abs().max() > 0.01


def test_position_grid_comes_from_the_weights_not_from_the_plan(tmp_path):
    network = primus_network(grid=(2, 2, 2))
    reading = describe(save(tmp_path, primus_content(network, trained=(32, 32, 32))))
    assert any("2^3 tokens" in note for note in reading.warnings)
    x = patch(32, 32, 32)
    assert_same(reading.build()(x), turned(network, x))


def test_a_position_grid_that_is_no_cube(tmp_path):
    network = primus_network(grid=(2, 3, 4))
    reading = describe(save(tmp_path / "stated", primus_content(network)))
    x = patch(32, 24, 16)
    assert_same(reading.build()(x), turned(network, x))
    with pytest.raises(InputError, match="24 tokens, neither a cube nor"):
        describe(save(tmp_path / "wrong", primus_content(network, trained=(32, 32, 32))))


def test_key_to_lpe_may_be_missing_or_null(tmp_path):
    value = primus_content()
    del value["nnssl_adaptation_plan"]["key_to_lpe"]
    open_checkpoint(save(tmp_path / "missing", value))
    open_checkpoint(save(tmp_path / "null", primus_content(key_to_lpe=None)))


def test_s3d_and_raw_training_files(tmp_path):
    value = resenc_content()
    value |= {
        "spark_weights": {"mask_token": torch.zeros(3)},
        "optimizer_state": {"state": {0: {"momentum_buffer": torch.zeros(2)}}, "param_groups": [{"lr": 0.01}]},
        "logging": {"train_losses": [np.float64(0.5), np.float32(0.25)], "epoch_start_timestamps": [1.5]},
        "current_epoch": 1000, "grad_scaler_state": None, "_best_ema": np.float64(0.1), "citations": ["someone"],
    }  # fmt: skip
    reading = describe(save(tmp_path, value))
    assert any("spark_weights" in note and "optimizer_state" in note for note in reading.warnings)
    reading.build()


def test_wrapped_half_precision_and_legacy_files(tmp_path):
    value = resenc_content()
    reference = open_checkpoint(save(tmp_path / "plain", value))(patch(16, 16, 16))
    legacy = save(tmp_path / "legacy", value, _use_new_zipfile_serialization=False)
    assert_same(open_checkpoint(legacy)(patch(16, 16, 16)), reference)
    weights = value["network_weights"]
    wrapped = {f"module._orig_mod.{key}": tensor for key, tensor in weights.items()}
    path = save(tmp_path / "wrapped", {**value, "network_weights": wrapped})
    assert_same(open_checkpoint(path)(patch(16, 16, 16)), reference)
    half = {key: tensor.half() for key, tensor in weights.items()}
    encoder = open_checkpoint(save(tmp_path / "half", {**value, "network_weights": half}))
    assert {parameter.dtype for parameter in encoder.parameters()} == {torch.float32}


def test_either_spelling_of_the_duplicated_keys_is_enough(tmp_path):
    value = resenc_content()
    weights = value["network_weights"]
    reference = open_checkpoint(save(tmp_path / "both", value))(patch(16, 16, 16))
    for name, drop in (("no_duplicates", ".all_modules."), ("only_duplicates", ".conv."), ("no_norm", ".norm.")):
        fewer = {key: tensor for key, tensor in weights.items() if drop not in key}
        path = save(tmp_path / name, {**value, "network_weights": fewer})
        assert_same(open_checkpoint(path)(patch(16, 16, 16)), reference)
    key = next(key for key in weights if "all_modules.0.weight" in key)
    odd = {**weights, key: weights[key] + 1}
    reading = describe(save(tmp_path / "differ", {**value, "network_weights": odd}))
    assert any("1 duplicated weights" in note for note in reading.warnings)


@pytest.mark.parametrize("make", [resenc_content, primus_content])
def test_more_channels_repeat_the_stem_and_divide(tmp_path, make):
    path = save(tmp_path, make())
    one, three = open_checkpoint(path), open_checkpoint(path, channels=3)
    assert three.spec.channels == 3
    x = patch(16, 16, 16, channels=3)
    assert_same(three(x), one(x.mean(1, keepdim=True)))
    more = sum(p.numel() for p in three.parameters()) - sum(p.numel() for p in one.parameters())
    assert three.facts.n_parameters == one.facts.n_parameters + more


def test_weights_in_safetensors_with_the_plan_beside(tmp_path):
    import json

    from safetensors.torch import save_file

    value = resenc_content()
    weights = {key: tensor.clone() for key, tensor in value["network_weights"].items()}
    save_file(weights, tmp_path / "model.safetensors")
    (tmp_path / "adaptation_plan.json").write_text(json.dumps(value["nnssl_adaptation_plan"]))
    found = open_checkpoint(tmp_path / "model.safetensors")(patch(16, 16, 16))
    assert_same(found, open_checkpoint(save(tmp_path / "pth", value))(patch(16, 16, 16)))


def test_transposed_plans_turn_spacing_and_patch(tmp_path):
    network = resenc_network()
    value = resenc_content(network, transpose=(1, 2, 0), patch=(64, 32, 16))
    value["nnssl_adaptation_plan"]["pretrain_plan"]["configurations"]["onemmiso"]["spacing"] = [1, 2, 3]
    reading = describe(save(tmp_path, value))
    # The network's first axis is axis 1 of (z, y, x), y; its second axis x; its third z.
    assert reading.axes == (1, 0, 2)
    assert reading.spec.patch == (32, 64, 16) and reading.spec.spacing == (2.0, 1.0, 3.0)
    assert any("transpose_forward" in note for note in reading.warnings)
    assert any("not OpenMind's 1 mm" in note for note in reading.warnings)
    x = patch(32, 64, 16)
    assert_same(reading.build()(x), [found.permute(0, 1, 3, 2, 4) for found in network(x.permute(0, 1, 3, 2, 4))])


def edited(value, **changes):
    value["nnssl_adaptation_plan"]["pretrain_plan"]["configurations"]["onemmiso"] |= changes
    return value


def test_normalisation_is_what_the_plan_says(tmp_path):
    masked = edited(resenc_content(), use_mask_for_norm=[True])
    assert describe(save(tmp_path / "masked", masked)).spec.normalisation == "zscore_mask"
    with pytest.raises(InputError, match="CTNormalization"):
        describe(save(tmp_path / "ct", edited(resenc_content(), normalization_schemes=["CTNormalization"])))


def test_the_patch_is_raised_to_the_divisor(tmp_path):
    reading = describe(save(tmp_path, resenc_content(patch=(60, 64, 64))))
    assert reading.spec.patch == (64, 64, 64) and any("raised" in note for note in reading.warnings)


def test_a_missing_an_unexpected_and_a_misshapen_key_are_named_with_their_nearest(tmp_path):
    value = primus_content()
    weights = value["network_weights"]
    moved = weights.pop("eva.blocks.1.attn.q_proj.weight")
    weights["eva.blocks.1.attn.qq_proj.weight"] = moved
    weights["eva.norm.bias"] = torch.zeros(7)
    with pytest.raises(InputError) as caught:
        open_checkpoint(save(tmp_path, value))
    message = str(caught.value)
    missing, unexpected, shape = message.splitlines()[1:]
    assert "missing 'eva.blocks.1.attn.q_proj.weight' (nearest: eva.blocks.1.attn.qq_proj.weight, " in missing
    assert missing.count(",") == 2
    assert "unexpected 'eva.blocks.1.attn.qq_proj.weight' (nearest: eva.blocks.1.attn.q_proj.weight" in unexpected
    assert "'eva.norm.bias' has shape (7,), expected (72,)" in shape


def test_a_file_of_another_architecture_than_its_plan_says(tmp_path):
    weights = public_keys(resenc_network(), "encoder.")
    with pytest.raises(InputError, match=r"no weight begins with 'eva\.'"):
        describe(save(tmp_path / "keys", content(weights, plan("PrimusM", None))))
    # The reduced network under the name of the full one: widths differ, and are named.
    with pytest.raises(InputError, match=r"has shape \(2, 1, 3, 3, 3\), expected \(32, 1, 3, 3, 3\)"):
        describe(save(tmp_path / "width", content(weights, plan("ResEncL", None))))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"architecture_plans": {"arch_class_name": "PrimusXL"}}, "'PrimusXL', which is not known here.*PrimusL"),
        ({"architecture_plans": {"arch_class_name": "ResidualEncoderUNet"}}, "lacks features_per_stage"),
        (
            {"architecture_plans": {"arch_class_name": "ResEncL", "arch_kwargs": {"norm_op": "torch.nn.BatchNorm3d"}}},
            "missing 'stem.convs.0.norm.running_mean'",
        ),
        (
            {"architecture_plans": {"arch_class_name": "ResEncL", "arch_kwargs": {"kernel_sizes": [[1, 3, 3]] * 6}}},
            r"has shape \(3, 2, 3, 3, 3\), expected|weights differ",
        ),
        (
            {"architecture_plans": {"arch_class_name": "ResEncL", "arch_kwargs": {"strides": [[1, 2, 2]] * 6}}},
            "weights differ",
        ),
        ({"recommended_downstream_patchsize": [0, 64, 64]}, "three positive integers"),
        ({"key_to_stem": "encoder.stm"}, r"no weight begins with 'encoder\.stm\.'.*nearest: encoder\.stem"),
    ],
)
def test_plans_that_cannot_be_met_are_refused(tmp_path, change, words):
    with pytest.raises(InputError, match=words):
        describe(save(tmp_path, resenc_content(**change)))


def test_weights_that_are_not_finite_are_refused(tmp_path):
    network = resenc_network()
    with torch.no_grad():
        network.stem.convs[0].conv.weight[0] = torch.nan
    with pytest.raises(InputError, match="NaN or infinite"):
        open_checkpoint(save(tmp_path, resenc_content(network)))


def test_full_width_plans_without_arguments(tmp_path):
    """The presets by name alone, as the published files have it; empty tensors stand for 90 and 145 million weights."""
    from tebench.encoders import primus, resenc
    from tebench.encoders.base import InputSpec

    with torch.device("meta"):
        full = resenc.ResEnc(primus_network().facts, InputSpec())
        large = primus.Primus(full.facts, InputSpec(divisor=8), dataclasses.replace(primus.M, grid=(20, 20, 20)))
    empty = {
        key: torch.zeros(1).expand(value.shape)
        for key, value in public_keys(full, "encoder.").items()
        if "all_modules" not in key
    }
    reading = describe(save(tmp_path / "r", content(empty, plan("ResEncL", None, patch=(160,) * 3))))
    assert reading.facts.n_parameters == 90_296_576 and reading.spec.patch == (160, 160, 160)
    empty = {key: torch.zeros(1).expand(value.shape) for key, value in public_keys(large).items()}
    reading = describe(
        save(tmp_path / "p", content(empty, plan("PrimusM", None, patch=(160,) * 3, trained=(160,) * 3)))
    )
    assert reading.facts.n_parameters == 145_135_296 + 443_232 + (20**3 - 12**3) * 864
    assert len(reading.warnings) == 1 and "tokens run (w h d): guessed" in reading.warnings[0]
