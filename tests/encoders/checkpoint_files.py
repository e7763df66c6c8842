"""Checkpoints in the public formats, written at reduced width."""

import dataclasses

import torch

from tebench.encoders import primus, resenc
from tebench.encoders.base import EncoderFacts, InputSpec

FACTS = EncoderFacts("any", "", "", "", "", "", "", 0)
RESENC = resenc.Plan(features=(2, 3, 4, 4), blocks=(1, 1, 2, 1), strides=(1, 2, 2, 2))
PRIMUS = primus.Plan(width=72, depth=3, heads=12, grid=(4, 4, 4))


def resenc_network(seed=0):
    network = resenc.random(seed, FACTS, InputSpec(divisor=8), RESENC)
    return shaken(network, seed)


def primus_network(seed=0, **changes):
    return shaken(primus.random(seed, FACTS, InputSpec(divisor=8), dataclasses.replace(PRIMUS, **changes)), seed)


def shaken(network, seed):
    """Norms, biases and layer scales away from their initial constants, so that a missed one shows."""
    generator = torch.Generator().manual_seed(100 + seed)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.05 * torch.randn(parameter.shape, generator=generator))
    return network


def public_keys(network, prefix=""):
    """The network's weights as the public files spell them, with the duplicates of convolution blocks."""
    found = {}
    for key, value in network.state_dict().items():
        key = prefix + (key.replace("levels.", "stages.", 1) if key.startswith("levels.") else key)
        found[key] = value.clone()
        for part, index in ((".conv.", 0), (".norm.", 1)):
            if part in key and isinstance(network, resenc.ResEnc):
                found[key.replace(part, f".all_modules.{index}.")] = found[key]
    return found


def plan(architecture, arch_kwargs, *, patch=(64, 64, 64), trained=(64, 64, 64), transpose=(0, 1, 2), **changes):
    transformer = architecture.startswith("Primus")
    return {
        "architecture_plans": {"arch_class_name": architecture, "arch_kwargs": arch_kwargs},
        "pretrain_plan": {
            "dataset_name": "Dataset745_OpenMind",
            "plans_name": "nnsslPlans",
            "image_reader_writer": "SimpleITKIO",
            "transpose_forward": list(transpose),
            "transpose_backward": list(transpose),
            "configurations": {
                "onemmiso": {
                    "spacing": [1, 1, 1], "patch_size": list(trained),
                    "normalization_schemes": ["ZScoreNormalization"], "use_mask_for_norm": [False],
                    "resampling_fn_data": "resample_data_or_seg_to_shape",
                    "resampling_fn_data_kwargs": {"is_seg": False, "order": 3, "order_z": 0},
                }
            },
        },
        "pretrain_num_input_channels": 1,
        "recommended_downstream_patchsize": list(patch),
        "key_to_encoder": "eva" if transformer else "encoder.stages",
        "key_to_stem": "down_projection" if transformer else "encoder.stem",
        "keys_to_in_proj": ["down_projection.proj"] if transformer
        else ["encoder.stem.convs.0.conv", "encoder.stem.convs.0.all_modules.0"],
        **({"key_to_lpe": "eva.pos_embed"} if transformer else {}),
        **changes,
    }  # fmt: skip


RESENC_KWARGS = {
    "n_stages": 4, "features_per_stage": list(RESENC.features), "n_blocks_per_stage": list(RESENC.blocks),
    "conv_op": "torch.nn.modules.conv.Conv3d", "kernel_sizes": [[3, 3, 3]] * 4,
    "strides": [[1, 1, 1], *[[2, 2, 2]] * 3], "conv_bias": True,
    "norm_op": "torch.nn.modules.instancenorm.InstanceNorm3d",
    "norm_op_kwargs": {"eps": 1e-5, "affine": True}, "nonlin": "torch.nn.LeakyReLU", "nonlin_kwargs": {"inplace": True},
}  # fmt: skip
PRIMUS_KWARGS = {"embed_dim": 72, "eva_depth": 3, "eva_numheads": 12}


def content(weights, plan, trainer="BaseMAETrainer_BS8", **more):
    return {
        "network_weights": weights, "nnssl_adaptation_plan": plan, "trainer_name": trainer,
        "init_args": {"configuration_name": "onemmiso", "fold": "all"}, **more,
    }  # fmt: skip


def resenc_content(network=None, **changes):
    weights = public_keys(network or resenc_network(), "encoder.")
    weights["decoder.stages.0.convs.0.conv.weight"] = torch.zeros(2, 2, 3, 3, 3)
    return content(weights, plan("ResEncL", RESENC_KWARGS, **changes))


def primus_content(network=None, *, prefix="", trainer="BaseEvaMAETrainer_BS8", **changes):
    network = network or primus_network()
    weights = public_keys(network, prefix)
    weights[prefix + "eva.rope.pos_embed"] = torch.zeros(3)
    weights["mask_token"] = torch.zeros(1, 1, 72)
    if prefix:
        changes = {
            "key_to_encoder": prefix + "eva", "key_to_stem": prefix + "down_projection",
            "key_to_lpe": prefix + "eva.pos_embed", **changes,
        }  # fmt: skip
    trained = changes.pop("trained", [8 * size for size in network.plan.grid])
    return content(weights, plan("PrimusM", PRIMUS_KWARGS, trained=trained, **changes), trainer)


def save(folder, value, name="checkpoint_final.pth", **options):
    folder.mkdir(parents=True, exist_ok=True)
    torch.save(value, folder / name, **options)
    return folder / name


def patch(*sizes, channels=1, seed=0):
    return torch.randn(1, channels, *sizes, generator=torch.Generator().manual_seed(seed))
