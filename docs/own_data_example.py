"""Write a generated data set and generated checkpoints, to try docs/own_data.md without any data of your own.

    python docs/own_data_example.py example

example/Dataset900_Generated: nnU-Net raw, 12 noise images of two channels with two nested structures; of the last case
a slab is marked to be ignored. example/checkpoints: four networks of a few thousand weights, drawn at random, in
the public formats. example/hospital.yaml and dice.csv: a benchmark of one's own, whose Dice is drawn at random too.
Nothing can be learnt from their ranking.
"""

import json
import sys
from pathlib import Path

import nibabel
import numpy as np
import torch
from monai.networks import nets

from tebench.encoders import resenc
from tebench.encoders.base import EncoderFacts, InputSpec

SHAPE, SPACING = (56, 52, 48), (1.0, 1.0, 1.5)
MONAI = {
    "unet": ("UNet", {"in_channels": 1, "out_channels": 2, "channels": [8, 16, 32, 64], "strides": [2, 2, 2]}),
    "segresnet": ("SegResNet", {"in_channels": 1, "out_channels": 2, "init_filters": 8}),
    "dynunet": (
        "DynUNet",
        {"in_channels": 1, "out_channels": 2, "kernel_size": [3, 3, 3, 3], "strides": [1, 2, 2, 2],
         "upsample_kernel_size": [2, 2, 2], "filters": [8, 16, 32, 64]},
    ),
}  # fmt: skip


def data_set(folder: Path, n_cases: int = 12) -> Path:
    """imagesTr/case_000_0000.nii.gz (FLAIR), ..._0001 (T1), labelsTr/case_000.nii.gz, dataset.json."""
    for part in ("imagesTr", "labelsTr"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    grid = np.indices(SHAPE)
    for case in range(n_cases):
        rng = np.random.default_rng(case)
        centre = rng.uniform(18, 30, 3)[:, None, None, None]
        distance = np.sqrt(((grid - centre) ** 2).sum(axis=0))
        size = rng.uniform(8, 12)
        labels = (distance < size).astype(np.int16) + (distance < size / 2)
        for channel, contrast in enumerate((30, -15)):
            image = 100 + contrast * labels + rng.normal(0, 12, SHAPE)
            image[distance > 30] = 0
            save(folder / "imagesTr" / f"case_{case:03d}_{channel:04d}.nii.gz", image.astype(np.float32))
        if case == n_cases - 1:
            labels[:, :, :20] = 3  # nobody looked there
        save(folder / "labelsTr" / f"case_{case:03d}.nii.gz", labels.astype(np.uint8))
    description = {
        "channel_names": {"0": "FLAIR", "1": "T1"}, "labels": {"background": 0, "rim": 1, "core": 2, "ignore": 3},
        "numTraining": n_cases, "file_ending": ".nii.gz",
    }  # fmt: skip
    (folder / "dataset.json").write_text(json.dumps(description, indent=1))
    return folder


def save(path: Path, data: np.ndarray) -> None:
    nibabel.save(nibabel.Nifti1Image(data, np.diag([*SPACING, 1.0])), path)


def checkpoints(folder: Path) -> Path:
    """Three MONAI state dicts with the file that describes each, and one file in the nnssl format."""
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(0)
    for name, (kind, arguments) in MONAI.items():
        network = getattr(nets, kind)(spatial_dims=3, **arguments)
        torch.save({"state_dict": network.state_dict()}, folder / f"{name}.pt")
        words = {"network": kind, "arguments": arguments, "pretraining": "none (random weights)",
                 "input": {"patch": [32, 32, 32], "spacing": [1.0, 1.0, 1.0], "normalisation": "zscore"}}  # fmt: skip
        (folder / f"{name}.json").write_text(json.dumps(words, indent=1))
    nnssl(folder / "ResEnc-small")
    return folder


def nnssl(folder: Path) -> None:
    """checkpoint_final.pth as nnssl writes it, of a narrow residual encoder."""
    folder.mkdir(exist_ok=True)
    shape = resenc.Plan(features=(8, 16, 32, 64), blocks=(1, 1, 1, 1), strides=(1, 2, 2, 2))
    network = resenc.random(0, EncoderFacts("any", "", "", "", "", "", "", 0), InputSpec(divisor=8), shape)
    weights = {f"encoder.{key.replace('levels.', 'stages.', 1)}": value for key, value in network.state_dict().items()}
    kwargs = {"features_per_stage": shape.features, "n_blocks_per_stage": shape.blocks, "strides": shape.strides}
    onemmiso = {
        "spacing": [1, 1, 1], "patch_size": [32, 32, 32], "normalization_schemes": ["ZScoreNormalization"],
        "use_mask_for_norm": [False],
    }  # fmt: skip
    plan = {
        "architecture_plans": {"arch_class_name": "ResEncL", "arch_kwargs": {k: list(v) for k, v in kwargs.items()}},
        "pretrain_plan": {
            "dataset_name": "none (random weights)", "transpose_forward": [0, 1, 2],
            "configurations": {"onemmiso": onemmiso},
        },
        "pretrain_num_input_channels": 1, "recommended_downstream_patchsize": [32, 32, 32],
        "key_to_encoder": "encoder.stages", "key_to_stem": "encoder.stem",
    }  # fmt: skip
    content = {"network_weights": weights, "nnssl_adaptation_plan": plan, "trainer_name": "none (random weights)"}
    torch.save(content, folder / "checkpoint_final.pth")


def benchmark(root: Path, encoders=("ResEnc-small", "dynunet", "segresnet", "unet")) -> Path:
    """hospital.yaml beside the data, and dice.csv with a generated Dice for two seeds of every encoder."""
    rng = np.random.default_rng(0)
    lines = ["encoder,task,seed,dice"]
    for encoder in encoders:
        level = rng.uniform(0.6, 0.9)
        lines += [f"{encoder},nodules,{seed},{level + rng.normal(0, 0.01):.4f}" for seed in (0, 1)]
    (root / "dice.csv").write_text("\n".join(lines) + "\n")
    text = (
        "title: four generated encoders on one generated data set\n"
        f"checkpoints: checkpoints\nencoders: [{', '.join(encoders)}]\n"
        "tasks: {nodules: Dataset900_Generated}\nground_truth: dice.csv\n"
    )
    (root / "hospital.yaml").write_text(text)
    return root / "hospital.yaml"


if __name__ == "__main__":
    root = Path(sys.argv[1])
    print(data_set(root / "Dataset900_Generated"))
    print(checkpoints(root / "checkpoints"))
    print(benchmark(root))
