"""Files of public families at small width, in the authors' saving layout, from networks that are made here."""

import json

import torch
from checkpoint_files import shaken
from torch import nn


def plain_conv(
    features=(3, 6, 6), strides=((1, 1, 1), (2, 2, 2), (1, 2, 2)), kernels=((1, 3, 3), (3, 3, 3), (3, 3, 3))
):
    """nnU-Net's plain encoder by its definition: stages of two convolutions, InstanceNorm, leaky ReLU."""
    stages, inside = [], 1
    for out, stride, kernel in zip(features, strides, kernels, strict=True):
        padding = [(size - 1) // 2 for size in kernel]
        layers = []
        for step in (stride, (1, 1, 1)):
            layers += [
                nn.Conv3d(inside, out, kernel, step, padding),
                nn.InstanceNorm3d(out, affine=True),
                nn.LeakyReLU(),
            ]
            inside = out
        stages.append(nn.Sequential(*layers))
    return shaken(nn.ModuleList(stages), 0).eval()


def plain_keys(stages):
    """Its weights as nnU-Net's class spells them, with the duplicates that it keeps."""
    found = {}
    for index, stage in enumerate(stages):
        for number in (0, 1):
            for part, name, twin in ((stage[3 * number], "conv", 0), (stage[3 * number + 1], "norm", 1)):
                for leaf, value in part.state_dict().items():
                    for prefix in ("encoder.", "decoder.encoder."):
                        block = f"{prefix}stages.{index}.0.convs.{number}."
                        found[f"{block}{name}.{leaf}"] = found[f"{block}all_modules.{twin}.{leaf}"] = value
    found["decoder.seg_layers.0.weight"] = torch.zeros(2, 3, 1, 1, 1)
    return found


def plans(old=False, **changes):
    """nnU-Net's plans for `plain_conv`, of either generation."""
    configuration = {
        "data_identifier": "nnUNetPlans_3d_fullres", "preprocessor_name": "DefaultPreprocessor", "batch_size": 2,
        "patch_size": [16, 32, 24], "spacing": [3.0, 1.0, 1.0], "normalization_schemes": ["CTNormalization"],
        "use_mask_for_norm": [False], "resampling_fn_data": "resample_data_or_seg_to_shape",
        "resampling_fn_data_kwargs": {"is_seg": False, "order": 3, "order_z": 0, "force_separate_z": None},
    }  # fmt: skip
    steps, kernels = [[1, 1, 1], [2, 2, 2], [1, 2, 2]], [[1, 3, 3], [3, 3, 3], [3, 3, 3]]
    if old:
        configuration |= {
            "UNet_class_name": "PlainConvUNet", "UNet_base_num_features": 3, "unet_max_num_features": 6,
            "n_conv_per_stage_encoder": [2, 2, 2], "pool_op_kernel_sizes": steps, "conv_kernel_sizes": kernels,
        }  # fmt: skip
    else:
        configuration["architecture"] = {
            "network_class_name": "dynamic_network_architectures.architectures.unet.PlainConvUNet",
            "arch_kwargs": {
                "n_stages": 3, "features_per_stage": [3, 6, 6], "conv_op": "torch.nn.modules.conv.Conv3d",
                "kernel_sizes": kernels, "strides": steps, "n_conv_per_stage": [2, 2, 2],
                "n_conv_per_stage_decoder": [2, 2], "conv_bias": True,
                "norm_op": "torch.nn.modules.instancenorm.InstanceNorm3d",
                "norm_op_kwargs": {"eps": 1e-5, "affine": True},
                "dropout_op": None, "dropout_op_kwargs": None, "nonlin": "torch.nn.LeakyReLU",
                "nonlin_kwargs": {"inplace": True},
            },
            "_kw_requires_import": ["conv_op", "norm_op", "dropout_op", "nonlin"],
        }  # fmt: skip
    return {
        "dataset_name": "Dataset004_Hippocampus", "plans_name": "nnUNetPlans", "image_reader_writer": "SimpleITKIO",
        "transpose_forward": [0, 1, 2], "transpose_backward": [0, 1, 2], "label_manager": "LabelManager",
        "configurations": {"2d": {"patch_size": [56, 40]}, "3d_fullres": configuration, "3d_lowres":
                           {"inherits_from": "3d_fullres", "spacing": [6.0, 2.0, 2.0]}},
        "foreground_intensity_properties_per_channel": {"0": {
            "max": 1300.0, "mean": 100.5, "median": 90.0, "min": 0.0, "percentile_00_5": -900.0,
            "percentile_99_5": 300.0, "std": 60.25}},
        **changes,
    }  # fmt: skip


def nnunet(folder, weights, plan, configuration="3d_fullres", trainer="nnUNetTrainer", inside=True):
    """DatasetXXX/trainer__plans__configuration/fold_0/checkpoint_final.pth with plans.json, as nnunetv2 writes them."""
    import numpy as np

    base = folder / plan["dataset_name"] / f"{trainer}__{plan['plans_name']}__{configuration}"
    (base / "fold_0").mkdir(parents=True, exist_ok=True)
    (base / "plans.json").write_text(json.dumps(plan))
    init = {"plans": plan, "configuration": configuration, "fold": 0, "dataset_json": {"labels": {"background": 0}}}
    content = {
        "network_weights": weights, "optimizer_state": {"state": {}, "param_groups": [{"lr": 0.01}]},
        "grad_scaler_state": None, "logging": {"train_losses": [np.float32(-0.5)], "lrs": [0.01]},
        "_best_ema": np.float64(0.8), "current_epoch": 1, "init_args": init if inside else {}, "trainer_name": trainer,
        "inference_allowed_mirroring_axes": (0, 1, 2),
    }  # fmt: skip
    torch.save(content, base / "fold_0" / "checkpoint_final.pth")
    return base / "fold_0" / "checkpoint_final.pth"
