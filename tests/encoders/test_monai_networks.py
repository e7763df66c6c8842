"""MONAI networks: a state dict and a small file beside it give encoder stages that match the network's own."""

import json

import pytest
import torch
from checkpoint_files import patch
from monai.networks import nets

from tebench.base.errors import InputError, UnknownNameError
from tebench.encoders import checkpoints
from tebench.encoders.checkpoints import describe, open_checkpoint

NETWORKS = {
    "UNet": (
        {"spatial_dims": 3, "in_channels": 1, "out_channels": 2, "channels": [2, 3, 4, 5], "strides": [2, 2, 2],
         "num_res_units": 1},
        [(2, 2), (3, 4), (4, 8), (5, 8)],
    ),
    "DynUNet": (
        {"spatial_dims": 3, "in_channels": 1, "out_channels": 2, "kernel_size": [3, 3, 3, 3],
         "strides": [1, 2, 2, 2], "upsample_kernel_size": [2, 2, 2], "filters": [2, 3, 4, 5], "deep_supervision": True},
        [(2, 1), (3, 2), (4, 4), (5, 8)],
    ),
    "SegResNet": (
        {"spatial_dims": 3, "in_channels": 1, "out_channels": 2, "init_filters": 8, "blocks_down": [1, 1, 2],
         "blocks_up": [1, 1]},
        [(8, 1), (16, 2), (32, 4)],
    ),
    "SwinUNETR": (
        {"in_channels": 1, "out_channels": 2, "feature_size": 12, "depths": [1, 1, 1, 1], "num_heads": [1, 1, 1, 1]},
        [(12, 1), (12, 2), (24, 4), (48, 8), (96, 16), (192, 32)],
    ),
}  # fmt: skip
SIZES = {"SwinUNETR": 64}


def build(kind, **changes):
    arguments = {**NETWORKS[kind][0], **changes}
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return getattr(nets, kind)(**arguments).eval()


def write(folder, kind, own=None, *, wrap="state_dict", file="mine.pt", **plan):
    weights = plan.pop("weights", None) or (own or build(kind)).state_dict()
    torch.save({wrap: weights, "epoch": 3} if wrap else weights, folder / file)
    size = SIZES.get(kind, 16)
    given = {"patch": [size] * 3, "spacing": [1.5, 1.5, 2.0], "normalisation": "unit"}
    (folder / "mine.json").write_text(
        json.dumps({"network": kind, "arguments": NETWORKS[kind][0], "input": given, **plan})
    )
    return folder / file


@pytest.mark.parametrize("kind", NETWORKS)
def test_stages_are_the_networks_own(tmp_path, kind):
    network = build(kind)
    path = write(tmp_path, kind, network, title="Mine", licence="CC0", pretraining="supervised")
    reading = describe(path)
    assert [(stage.channels, stage.stride) for stage in reading.stages] == NETWORKS[kind][1]
    assert reading.spec.spacing == (1.5, 1.5, 2.0) and reading.spec.normalisation == "unit"
    assert all("outside the encoder" in note for note in reading.warnings)
    assert reading.facts.licence == "CC0" and reading.facts.title == "Mine"
    encoder = open_checkpoint(path)
    x = patch(*[SIZES.get(kind, 16)] * 3)
    maps = encoder(x)
    assert [(found.shape[1], x.shape[2] // found.shape[2]) for found in maps] == NETWORKS[kind][1]
    assert encoder.facts.n_parameters == sum(parameter.numel() for parameter in encoder.parameters())
    expected = {}
    if kind == "SwinUNETR":
        watched = {0: "encoder1", 1: "encoder2", 3: "encoder4", 5: "encoder10"}
    elif kind == "UNet":
        watched = {0: "model.0", 1: "model.1.submodule.0", 3: "model.1.submodule.1.submodule.1.submodule"}
    elif kind == "DynUNet":
        watched = {0: "input_block", 2: "downsamples.1", 3: "bottleneck"}
    else:
        watched = {index: f"down_layers.{index}" for index in range(3)}
    for index, name in watched.items():
        network.get_submodule(name).register_forward_hook(
            lambda module, given, out, index=index: expected.__setitem__(index, out)
        )
    with torch.no_grad():
        network(x)
    for index in watched:
        torch.testing.assert_close(maps[index], expected[index], rtol=1e-5, atol=1e-5)


def test_trainable_copies_learn(tmp_path):
    copy = open_checkpoint(write(tmp_path, "SegResNet")).trainable()
    copy(patch(16, 16, 16))[-1].square().sum().backward()
    assert all(parameter.grad is not None for parameter in copy.parameters())


def test_flat_wrapped_and_prefixed_state_dicts(tmp_path):
    network = build("UNet")
    reference = open_checkpoint(write(tmp_path, "UNet", network))(patch(16, 16, 16))
    for wrap, prefix in ((None, ""), ("model", "module."), ("net", "network.")):
        weights = {prefix + key: value for key, value in network.state_dict().items()}
        found = open_checkpoint(write(tmp_path, "UNet", weights=weights, wrap=wrap))(patch(16, 16, 16))
        assert all(torch.equal(one, other) for one, other in zip(found, reference, strict=True))


def test_safetensors_and_yaml(tmp_path):
    from safetensors.torch import save_file

    path = write(tmp_path, "SegResNet")
    reference = open_checkpoint(path)(patch(16, 16, 16))
    save_file(build("SegResNet").state_dict(), tmp_path / "other.safetensors")
    (tmp_path / "other.yaml").write_text((tmp_path / "mine.json").read_text())
    found = open_checkpoint(tmp_path / "other.safetensors")(patch(16, 16, 16))
    assert all(torch.equal(one, other) for one, other in zip(found, reference, strict=True))


def test_the_decoder_may_be_missing_but_not_the_encoder(tmp_path):
    weights = build("SegResNet").state_dict()
    encoder_only = {key: value for key, value in weights.items() if key.startswith(("convInit", "down_layers"))}
    reading = describe(write(tmp_path, "SegResNet", weights=encoder_only))
    assert not any("not read" in note for note in reading.warnings)
    reading.build()
    del encoder_only["down_layers.1.0.conv.weight"]
    with pytest.raises(InputError, match=r"missing 'down_layers\.1\.0\.conv\.weight' \(nearest: [^,]+, [^,]+, [^,]+\)"):
        describe(write(tmp_path, "SegResNet", weights=encoder_only))
    weights["down_layers.9.weight"] = torch.zeros(1)
    with pytest.raises(InputError, match=r"unexpected 'down_layers\.9\.weight' \(nearest: down_layers"):
        describe(write(tmp_path, "SegResNet", weights=weights))


def test_weights_of_another_network_are_refused(tmp_path):
    with pytest.raises(InputError, match=r"does not fit the architecture|no weight ends with"):
        describe(write(tmp_path, "UNet", build("SegResNet")))
    with pytest.raises(InputError, match=r"has shape"):
        describe(write(tmp_path, "SegResNet", build("SegResNet", init_filters=16)))


@pytest.mark.parametrize(
    ("plan", "error", "words"),
    [
        ({"network": "UNt"}, UnknownNameError, "Did you mean 'UNet'"),
        ({"netwrk": 1}, UnknownNameError, "key of the file beside"),
        ({"arguments": {"channel": 3}}, InputError, "SegResNet does not take these arguments"),
        ({"arguments": {"spatial_dims": 2}}, InputError, "spatial_dims must be 3"),
        ({"arguments": [1]}, InputError, "must hold named values"),
        ({"input": {"patches": [1]}}, UnknownNameError, "Did you mean 'patch'"),
        ({"input": {"patch": [16, 16]}}, InputError, "three positive integers"),
        ({"input": {"patch": [4, 4, 4]}}, InputError, r"at least \[8, 8, 8\]"),
        ({"input": {"patch": [18, 18, 18]}}, InputError, "a whole number along each axis"),
        ({"input": {"patch": [16, 16, 16], "spacing": [1, 0, 1]}}, InputError, "three positive mm"),
        ({"input": {"patch": [16, 16, 16], "normalisation": "zsore"}}, UnknownNameError, "Did you mean 'zscore'"),
    ],
)
def test_bad_words_beside_the_weights(tmp_path, plan, error, words):
    with pytest.raises(error, match=words):
        describe(write(tmp_path, "SegResNet", **plan))


def test_a_package_that_monai_lacks_is_named(tmp_path, monkeypatch):
    def absent(*arguments, **options):
        raise ImportError("No module named 'einops'\nmore")

    monkeypatch.setattr("monai.networks.nets.swin_unetr.rearrange", absent)
    with pytest.raises(InputError, match=r"lacks a package for this network \(No module named 'einops'\)"):
        describe(write(tmp_path, "SwinUNETR"))


def test_strides_may_differ_along_the_axes(tmp_path):
    arguments = {**NETWORKS["DynUNet"][0], "strides": [1, 2, 2, [2, 2, 1]], "upsample_kernel_size": [2, 2, [2, 2, 1]]}
    network = build("DynUNet", **{key: arguments[key] for key in ("strides", "upsample_kernel_size")})
    encoder = open_checkpoint(write(tmp_path, "DynUNet", network, arguments=arguments))
    assert [stage.stride for stage in encoder.stages] == [1, 2, 4, (8, 8, 4)] and encoder.spec.divisor == 8
    assert encoder(patch(16, 16, 16))[-1].shape[2:] == (2, 2, 4)


def test_what_is_not_stated_is_warned_about(tmp_path):
    reading = describe(write(tmp_path, "SegResNet", input={}))
    assert sum("stated" in note for note in reading.warnings) == 3
    assert reading.spec.spacing is None and reading.spec.normalisation == "zscore_image"


def test_unreadable_words_and_channels(tmp_path):
    path = write(tmp_path, "SegResNet")
    with pytest.raises(InputError, match="in_channels"):
        open_checkpoint(path, channels=2)
    (tmp_path / "mine.json").write_text("{")
    with pytest.raises(InputError, match="not readable JSON"):
        describe(path)
    (tmp_path / "mine.json").unlink()
    (tmp_path / "mine.yaml").write_text("network: [")
    with pytest.raises(InputError, match="not readable YAML"):
        describe(path)


def test_the_words_beside_enter_the_fingerprint(tmp_path):
    first = checkpoints.fingerprint(write(tmp_path, "SegResNet"))
    assert checkpoints.fingerprint(write(tmp_path, "SegResNet", input={"patch": [32, 32, 32]})) != first


@pytest.mark.parametrize("kind, change", [("UNet", {"num_res_units": 10**9}), ("UNet", {"kernel_size": 2001}),
                                          ("DynUNet", {"filters": [10**5] * 4}),
                                          ("SwinUNETR", {"depths": [10**9, 1, 1, 1]}),
                                          ("SwinUNETR", {"window_size": 500})])  # fmt: skip
def test_words_that_would_fill_the_memory_are_refused(tmp_path, kind, change):
    """Found: MONAI allocated what a side file asked for before any weight was compared."""
    path = write(tmp_path, kind, arguments={**NETWORKS[kind][0], **change})
    with pytest.raises(InputError, match="out of proportion to the file"):
        describe(path)


@pytest.mark.parametrize(
    "given, words",
    [
        (3, "input must hold named values"),
        ({"spacing": [1, "a", 1]}, "input.spacing must be three positive mm"),
        ({"spacing": [1, {}, 1]}, "input.spacing must be three positive mm"),
        ({"spacing": 2}, "input.spacing must be three positive mm"),
        ({"patch": 16}, "input.patch must be three positive integers"),
        ({"patch": [2000, 2000, 2000]}, "at most 134217728 voxels"),
    ],
)
def test_an_input_that_makes_no_sense_is_refused(tmp_path, given, words):
    """Found by fuzzing: bare TypeErrors."""
    with pytest.raises(InputError, match=words):
        describe(write(tmp_path, "UNet", input=given))
