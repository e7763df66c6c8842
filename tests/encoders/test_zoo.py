"""The public families as they are released: read without a file of the user's, features those of the definition."""

import json

import pytest
import torch
import zoo_files as zoo
from checkpoint_files import patch, resenc_content, resenc_network, save, shaken
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import nn

from tebench.base.errors import InputError
from tebench.encoders.checkpoints import describe, name_of, open_checkpoint
from tebench.encoders.readers.families import FAMILIES


def close(found, expected):
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-5)


def turned(stages, x):
    """Maps of a chain that reads (z, y, x), for a patch in (x, y, z)."""
    maps, x = [], x.permute(0, 1, 4, 3, 2)
    for stage in stages:
        x = stage(x)
        maps.append(x.permute(0, 1, 4, 3, 2))
    return maps


@pytest.mark.parametrize("old", [False, True])
@pytest.mark.parametrize("inside", [True, False])
def test_nnunet_with_unequal_strides_and_ct(tmp_path, old, inside):
    stages = zoo.plain_conv()
    path = zoo.nnunet(tmp_path, zoo.plain_keys(stages), zoo.plans(old), inside=inside)
    reading = describe(path)
    assert reading.facts.name == "Dataset004_Hippocampus" and reading.facts.architecture == "PlainConvUNet"
    assert reading.spec.normalisation == "ct(-900,300,100.5,60.25)" and reading.spec.spacing == (1.0, 1.0, 3.0)
    # Arrays are (z, y, x): what is 1 along z there is 1 along z here.
    assert [stage.stride for stage in reading.stages] == [1, 2, (4, 4, 2)] and reading.spec.patch == (24, 32, 16)
    assert any("not read: 1 of" in note and "decoder" in note for note in reading.warnings)
    x = patch(16, 24, 32)
    close(open_checkpoint(path)(x), turned(stages, x))


def test_nnunet_configurations(tmp_path):
    weights = zoo.plain_keys(zoo.plain_conv())
    low = describe(zoo.nnunet(tmp_path / "a", weights, zoo.plans(), "3d_lowres"))
    assert low.spec.spacing == (2.0, 2.0, 6.0)
    with pytest.raises(InputError, match="2d is a two-dimensional network, which is not read"):
        describe(zoo.nnunet(tmp_path / "b", weights, zoo.plans(), "2d"))
    with pytest.raises(InputError, match="configuration '3d_odd'; its plans have"):
        describe(zoo.nnunet(tmp_path / "c", weights, zoo.plans(), "3d_odd"))


@pytest.mark.parametrize(
    ("place", "name"),
    [
        ("Dataset297_Total/nnUNetTrainer_NoMirroring__nnUNetPlans__3d_fullres/fold_0/checkpoint_final.pth",
         "Dataset297_Total-NoMirroring"),
        ("Dataset745/BaseMAETrainer__nnsslPlans__onemmiso/fold_all/checkpoint_final.pth", "Dataset745-BaseMAETrainer"),
        ("runs/mine/epoch=9-step=100.ckpt", "mine"),
        ("zoo/model_best.pth.tar", "zoo"),
    ],
)  # fmt: skip
def test_names_tell_releases_apart(place, name):
    assert name_of(f"/data/{place}") == name


def monai(kind, **arguments):
    from monai.networks import nets

    return shaken(getattr(nets, kind)(**arguments), 0).eval()


def swin_maps(net, x):
    hidden = net.swinViT(x, net.normalize)
    skips = [net.encoder1(x), net.encoder2(hidden[0]), net.encoder3(hidden[1]), net.encoder4(hidden[2])]
    return [*skips, hidden[3], net.encoder10(hidden[4])], hidden


@pytest.fixture(scope="module")
def swin():
    return {v2: monai("SwinUNETR", in_channels=1, out_channels=3, feature_size=12, use_v2=v2) for v2 in (False, True)}


def put(folder, content, file="model.pt"):
    folder.mkdir(parents=True, exist_ok=True)
    torch.save(content, folder / file)
    return folder / file


@torch.no_grad()
def test_swin_unetr_and_its_descendants(tmp_path, swin):
    x = patch(64, 64, 64)
    full, hidden = swin_maps(swin[False], x)
    weights = swin[False].state_dict()
    bare = {key.removeprefix("swinViT."): value for key, value in weights.items() if key.startswith("swinViT.")}
    heads = {"organ_embedding": torch.zeros(3, 4), "controller.weight": torch.zeros(2, 2)}
    files = {
        "btcv": ({"epoch": 4999, "state_dict": weights}, full, "window(-175,250,0,1)"),
        "suprem": ({"net": {f"module.backbone.{k}": v for k, v in weights.items()} | heads, "epoch": 2100}, full,
                   "window(-175,250,0,1)"),
        "ssl": ({"state_dict": {f"module.{k}".replace("mlp.linear", "mlp.fc"): v for k, v in bare.items()}}, hidden,
                "window(-1000,1000,0,1)"),
        "ssl_head": ({"state_dict": {f"module.swinViT.{k}": v for k, v in bare.items()} | {"module.conv.weight":
                                                                                           torch.zeros(1)}}, hidden,
                     "window(-1000,1000,0,1)"),
        "dae": ({"model": {"encoder.mask_token": torch.zeros(1, 1, 12)} | {
            "encoder." + (k if k.startswith("patch") else f"{k[:10]}0.{k[10:]}"): v for k, v in bare.items()}}, hidden,
            "window(-175,250,0,1)"),
    }  # fmt: skip
    for name, (content, expected, normalisation) in files.items():
        path = put(tmp_path / name, content)
        reading = describe(path)
        assert reading.spec.normalisation == normalisation, name
        assert any("does not say how images were prepared" in note for note in reading.warnings)
        close(reading.build()(x), expected)
    voco, _ = swin_maps(swin[True], x)
    head = {f"backbone.{k}": v for k, v in swin[True].state_dict().items()} | {
        "student.projection.weight": torch.zeros(2)
    }
    reading = describe(put(tmp_path / "voco", head))
    assert reading.facts.title == "VoCo" and reading.spec.spacing == (1.5, 1.5, 1.5)
    close(reading.build()(x), voco)


@torch.no_grad()
def test_a_part_of_swin_unetr_is_never_filled_up(tmp_path, swin):
    """Weights that are missing inside the encoder are refused, not drawn."""
    weights = dict(swin[False].state_dict())
    del weights["encoder3.layer.conv1.conv.weight"]
    with pytest.raises(InputError, match=r"missing 'encoder3\.layer\.conv1\.conv\.weight'"):
        describe(put(tmp_path, weights))


@torch.no_grad()
def test_segresnet_and_ct_fm(tmp_path):
    from monai.networks.nets.segresnet_ds import SegResEncoder

    x = patch(32, 32, 16)
    net = monai("SegResNet", blocks_down=[1, 2, 2], blocks_up=[1, 1], init_filters=8, in_channels=1, out_channels=3)
    reading = describe(
        put(tmp_path / "suprem", {"net": {f"module.{k}": v for k, v in net.state_dict().items()}, "epoch": 1})
    )
    h, expected = net.convInit(x), []
    for down in net.down_layers:
        h = down(h)
        expected.append(h)
    close(reading.build()(x), expected)
    encoder = shaken(SegResEncoder(3, 8, 1, blocks_down=(1, 2, 2)), 0).eval()
    path = put(tmp_path / "ctfm", {f"encoder.{k}": v for k, v in encoder.state_dict().items()})
    (path.parent / "config.json").write_text(json.dumps({"blocks_down": [1, 2, 2], "init_filters": 8}))
    reading = describe(path)
    assert reading.spec.normalisation == "window(-1024,2048,0,1)" and reading.axes == (2, 1, 0)
    close(reading.build()(x), [m.permute(0, 1, 4, 3, 2) for m in encoder(x.permute(0, 1, 4, 3, 2))])


@torch.no_grad()
def test_bundles(tmp_path):
    net = monai("UNet", spatial_dims=3, in_channels=1, out_channels=2, channels=[4, 8, 16], strides=[2, 2],
                num_res_units=2, norm="batch")  # fmt: skip
    path = put(tmp_path / "spleen" / "models", net.state_dict())
    (tmp_path / "spleen" / "configs").mkdir()
    config = {
        "imports": ["$import os"], "pixdim": [1.5, 1.5, 2.0], "label_names": ["a", "b"],
        "network_def": {"_target_": "UNet", "spatial_dims": 3, "in_channels": "$len(os.listdir('/'))",
                        "out_channels": "$len(@label_names)", "channels": [4, 8, 16], "strides": [2, 2],
                        "num_res_units": 2, "norm": "batch"},
        "network": "$@network_def.to(@device)",
        "preprocessing": {"_target_": "Compose", "transforms": [
            {"_target_": "LoadImaged", "keys": "image"}, {"_target_": "Orientationd", "axcodes": "RAS"},
            {"_target_": "Spacingd", "pixdim": "@pixdim"},
            {"_target_": "ScaleIntensityRanged", "a_min": -57, "a_max": 164, "b_min": 0, "b_max": 1, "clip": True}]},
        "inferer": {"_target_": "SlidingWindowInferer", "roi_size": [32, 32, 32]},
    }  # fmt: skip
    file = tmp_path / "spleen" / "configs" / "inference.json"
    file.write_text(json.dumps(config))
    reading = describe(path)
    assert reading.spec.normalisation == "window(-57,164,0,1)" and reading.spec.spacing == (1.5, 1.5, 2.0)
    assert reading.spec.patch == (32, 32, 32) and any("RAS" in note for note in reading.warnings)
    x = patch(32, 32, 32)
    first = net.model[0](x)
    second = net.model[1].submodule[0](first)
    close(reading.build()(x), [first, second, net.model[1].submodule[1].submodule(second)])
    config["network_def"]["channels"] = "$[4, 8, 16]"
    file.write_text(json.dumps(config))
    with pytest.raises(InputError, match="channels is an expression, which is not evaluated"):
        describe(path)
    config["network_def"] = {"_target_": "scripts.unest.UNesT"}
    file.write_text(json.dumps(config))
    with pytest.raises(InputError, match="its network is UNesT"):
        describe(path)


class _Lu(nn.Module):
    """Models Genesis: a batch norm that always takes the batch's own statistics."""

    def __init__(self, inside, out):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv3d(inside, out, 3, padding=1), nn.BatchNorm3d(out)

    def forward(self, x):
        bn = self.bn1
        return torch.relu(nn.functional.batch_norm(self.conv1(x), None, None, bn.weight, bn.bias, True, 0.1, bn.eps))


@torch.no_grad()
def test_models_genesis(tmp_path):
    levels = [("down_tr64", 1, 2, 4), ("down_tr128", 4, 4, 6), ("down_tr256", 6, 6, 8), ("down_tr512", 8, 8, 10)]
    net = nn.ModuleDict({name: nn.ModuleDict({"ops": nn.Sequential(_Lu(a, b), _Lu(b, c))}) for name, a, b, c in levels})
    shaken(net, 0).eval()
    x, maps = patch(32, 16, 16), []
    for name, *_ in levels:
        maps.append(net[name]["ops"](nn.functional.max_pool3d(maps[-1], 2) if maps else x))
    weights = {f"module.{k}": v for k, v in net.state_dict().items()} | {
        "module.out_tr.final_conv.bias": torch.zeros(1)
    }
    reading = describe(put(tmp_path, {"epoch": 1, "state_dict": weights}, "Genesis_Chest_CT.pt"))
    assert reading.spec.normalisation == "window(-1000,1000,0,1)" and reading.facts.title == "Models Genesis"
    close(reading.build()(x), maps)


@torch.no_grad()
@pytest.mark.parametrize("bottleneck", [False, True])
def test_medicalnet(tmp_path, bottleneck):
    """Against MONAI's ResNet blocks with their convolutions dilated by hand."""
    from monai.networks.nets import resnet

    block = resnet.ResNetBottleneck if bottleneck else resnet.ResNetBlock
    net = resnet.ResNet(block, [1, 1, 1, 1], [4, 6, 8, 10], n_input_channels=1, conv1_t_size=7, conv1_t_stride=2,
                        num_classes=2, bias_downsample=False)  # fmt: skip
    for layer, dilation in ((net.layer3, 2), (net.layer4, 4)):
        for module in layer.modules():
            if isinstance(module, nn.Conv3d):
                module.stride = (1, 1, 1)
                if module.kernel_size == (3, 3, 3):
                    module.dilation = module.padding = (dilation,) * 3
    shaken(net, 0).eval()
    weights = {f"module.{key}": value for key, value in net.state_dict().items() if not key.startswith("fc.")}
    x = patch(32, 32, 32)
    maps = [net.act(net.bn1(net.conv1(x)))]
    h = nn.functional.max_pool3d(maps[0], 3, 2, 1)
    for layer in (net.layer1, net.layer2, net.layer3, net.layer4):
        h = layer(h)
        maps.append(h)
    reading = describe(put(tmp_path, {"state_dict": weights}, "resnet_23dataset.pth"))
    assert [stage.stride for stage in reading.stages] == [2, 4, 8, 8, 8]
    close(reading.build()(x), maps)


NAMED = [
    (["module.image_encoder.patch_embed.proj.weight", "module.image_encoder.blocks.0.attn.qkv.weight"], "SAM-Med3D"),
    (["teacher.backbone.cls_token", "teacher.backbone.blocks.0.attn.qkv.weight"], "3DINO"),
    (["stem.weight", "enc_block_0.0.conv1.weight"], "MedNeXt"),
    (["vit.patch_embedding.cls_token", "vit.blocks.0.attn.qkv.weight"], "UNETR"),
    (["conv_blocks_context.0.blocks.0.conv.weight"], "nnU-Net v1"),
    (["nestViT.block0.weight"], "UNesT"),
]


@pytest.mark.parametrize(("keys", "title"), NAMED)
def test_what_is_not_read_is_named_with_what_to_do(tmp_path, keys, title):
    path = put(tmp_path, {"state_dict": {key: torch.zeros(2, 2) for key in keys}})
    with pytest.raises(InputError, match=f"is of the family {title}.*which is not read: .*(plugins=|Take the release)"):
        describe(path)


def test_every_family_of_the_table_states_what_a_user_needs():
    assert len({family.name for family in FAMILIES}) == len(FAMILIES)
    for family in FAMILIES:
        assert family.title and family.reads and family.source
        needed = (family.weights, family.licence, family.tried) if family.module else (family.keys, family.then)
        assert all(needed), family.name


PREFIXES = ["", "module.", "_orig_mod.module.", "module._orig_mod.", "model.", "net.backbone.", "student.encoder."]
WRAPPERS = [None, "state_dict", "model_state_dict", "network", "weights", "params", "checkpoint"]


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    prefix=st.sampled_from(PREFIXES), wrapper=st.sampled_from(WRAPPERS), ema=st.booleans(), head=st.integers(0, 5),
    drop=st.none() | st.integers(0, 10**6), extra=st.booleans(),
)  # fmt: skip
def test_never_a_silent_half_load(tmp_path, prefix, wrapper, ema, head, drop, extra):
    """Whatever stands around the encoder it is read whole; with a weight missing or left over it is refused."""
    content = resenc_content()
    own = {key: value for key, value in content["network_weights"].items() if key.startswith("encoder.")}
    own = {key: value for key, value in own.items() if ".all_modules." not in key}
    missing = sorted(own)[drop % len(own)] if drop is not None else None
    weights = {prefix + key: value for key, value in own.items() if key != missing}
    if ema:
        weights |= {f"ema_model.{key}": value + 1 for key, value in own.items()}
    weights |= {f"{prefix}head.{k}.weight": torch.zeros(k + 1, 3) for k in range(head)}
    if extra:
        weights[prefix + "encoder.stages.9.blocks.0.conv1.conv.weight"] = torch.zeros(1)
    plan = content["nnssl_adaptation_plan"] | {"key_to_encoder": None, "key_to_stem": None}
    value = {"nnssl_adaptation_plan": plan, "trainer_name": "T"}
    path = save(tmp_path, value | ({wrapper: weights} if wrapper else weights))
    x = patch(16, 16, 16)
    if (extra and not (missing and ema)) or (missing and not ema):
        with pytest.raises(InputError, match=r"missing|unexpected|no weight ends"):
            describe(path)
        return
    encoder, expected = open_checkpoint(path), resenc_network()
    if missing:  # the averaged copy is whole, and said to be what is read
        with torch.no_grad():
            for parameter in expected.parameters():
                parameter.add_(1)
    close(encoder(x), [m.permute(0, 1, 4, 3, 2) for m in expected(x.permute(0, 1, 4, 3, 2))])
    notes = " ".join(describe(path).warnings)
    assert (f"not read: {head + (extra and bool(missing))} of" in notes) == bool(head or extra)
    assert ("another copy" in notes) == (ema and not missing)
    assert ("an incomplete copy" in notes) == bool(missing)


@torch.no_grad()
def test_stu_net_takes_its_ct_scheme_from_the_plan_beside(tmp_path):
    """Against residual blocks by their definition; the plan of nnU-Net v1 is a pickle, read as data."""
    import pickle
    from collections import OrderedDict

    import numpy as np

    torch.manual_seed(0)
    widths, weights, maps = (3, 4, 5), {}, []
    x = patch(16, 16, 32)
    h = x.permute(0, 1, 4, 3, 2)
    inside = 1
    for k, out in enumerate(widths):
        stride = 2 if k else 1
        w = {"conv1": torch.randn(out, inside, 3, 3, 3) / 5, "conv2": torch.randn(out, out, 3, 3, 3) / 5,
             "conv3": torch.randn(out, inside, 1, 1, 1)}  # fmt: skip
        w = {f"{key}.weight": value for key, value in w.items()} | {f"{key}.bias": torch.randn(out) for key in w}
        w |= {f"norm{n}.{leaf}": torch.randn(out) for n in (1, 2) for leaf in ("weight", "bias")}
        weights |= {f"conv_blocks_context.{k}.0.{key}": value for key, value in w.items()}

        def norm(v, n, w=w):
            return nn.functional.instance_norm(v, weight=w[f"norm{n}.weight"], bias=w[f"norm{n}.bias"])

        conv = nn.functional.conv3d
        y = nn.functional.leaky_relu(norm(conv(h, w["conv1.weight"], w["conv1.bias"], stride, 1), 1), 0.01)
        y = norm(conv(y, w["conv2.weight"], w["conv2.bias"], 1, 1), 2) + conv(
            h, w["conv3.weight"], w["conv3.bias"], stride
        )
        h, inside = nn.functional.leaky_relu(y, 0.01), out
        maps.append(h.permute(0, 1, 4, 3, 2))
    path = put(tmp_path, {"epoch": 1, "state_dict": weights, "plot_stuff": ([], [np.float64(1)])}, "base_ep4k.model")
    with pytest.raises(InputError, match=r"clips CT values.*base_ep4k\.model\.pkl"):
        describe(path)
    record = {"percentile_99_5": np.float64(300), "percentile_00_5": np.float32(-900), "mean": 10.5, "sd": 60.0}
    plan = {"plans": {"dataset_properties": {"intensityproperties": OrderedDict({0: OrderedDict(record)})},
                      "plans_per_stage": {0: {"current_spacing": np.array([1.5, 1.5, 1.5])}}}}  # fmt: skip
    (tmp_path / "base_ep4k.model.pkl").write_bytes(pickle.dumps(plan))
    reading = describe(path)
    assert reading.spec.normalisation == "ct(-900,300,10.5,60)" and reading.axes == (2, 1, 0)
    close(reading.build()(x), maps)
