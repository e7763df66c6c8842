"""Checkpoints of the real architectures at reduced width and volumes in the real data format."""

import sys
from pathlib import Path

import numpy as np

TESTS = Path(__file__).parents[1]
sys.path[:0] = [str(TESTS / "encoders"), str(TESTS / "tasks")]
import checkpoint_files  # noqa: E402
import raw_data  # noqa: E402

SHAPE = (36, 34, 32)
FEW = [
    "sampling.foreground=24", "sampling.background=36", "sampling.global_voxels=0", "sampling.anchors=6",
    "sampling.patch_voxels=8", "workers=1", "progress=false",
]  # fmt: skip


def data_set(folder, n_cases, channels, seed=0):
    """nnU-Net raw: a bright body with two nested structures, brighter in every channel; cases differ in place."""
    grid = np.indices(SHAPE)
    for case in range(n_cases):
        rng = np.random.default_rng([seed, case])
        centre = rng.uniform(13, 20, 3)[:, None, None, None]
        distance = ((grid - centre) ** 2).sum(axis=0)
        labels = (distance < 64).astype(np.uint8) + (distance < 20)
        for channel in range(channels):
            image = 30 + 25 * labels + 5 * channel + rng.normal(0, 8, SHAPE)
            image[distance > 240] = 0
            raw_data.write(folder / "imagesTr" / f"case_{case}_{channel:04d}.nii.gz", image.astype(np.float32))
        raw_data.write(folder / "labelsTr" / f"case_{case}.nii.gz", labels.astype(np.uint8))
    return raw_data.describe(
        folder, channel_names={str(c): f"channel {c}" for c in range(channels)},
        labels={"background": 0, "rim": 1, "core": 2}, numTraining=n_cases, file_ending=".nii.gz",
    )  # fmt: skip


def resenc(folder, *names):
    for seed, name in enumerate(names):
        network = checkpoint_files.resenc_network(seed)
        checkpoint_files.save(folder / name, checkpoint_files.resenc_content(network, patch=(32, 32, 32)))
    return folder


def primus(folder, *names):
    for seed, name in enumerate(names):
        network = checkpoint_files.primus_network(seed, order="w h d" if "SimMIM" in name else "h w d")
        content = checkpoint_files.primus_content(network, trainer=f"Base{name}Trainer", patch=(32, 32, 32))
        checkpoint_files.save(folder / name, content)
    return folder


def compose(*overrides):
    """(settings, options of the job) that the command line would give."""
    from tebench.cli import config

    return config.compose(*overrides)[1:]


def read_by(job, overrides):
    """Those of the overrides that the job reads: one set of options serves the tests of several jobs."""
    from tebench.benchmark.options import parameters_of
    from tebench.cli import jobs

    known = {*jobs.reads(job), *parameters_of(jobs.options_of(job)), "job"}
    return [one for one in overrides if one.removeprefix("job.").replace("=", ".").split(".")[0] in known]
