"""job=extract: every encoder read at the sampled voxels of every task."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from tebench.benchmark.extraction import feature_folders
from tebench.benchmark.settings import Settings
from tebench.benchmark.spec import resolve
from tebench.features import cache


@dataclass(frozen=True)
class Options:
    """Read every encoder at the sampled voxels of every task into the feature cache.

    tebench extract benchmark=starter
    tebench -m extract encoders=[deepbet],[deepbrain] tasks=[lungs],[lobes] hydra/launcher=joblib
    """

    READS: ClassVar = ("benchmark", "encoders", "leaked", "tasks", "seed", "sampling", "retry")


def run(settings: Settings, options: Options) -> None:
    """Print each feature folder with its stages; one that is there and valid is left alone."""
    for (task, encoder), folder in feature_folders(resolve(settings)).items():
        manifest = cache.manifest(folder)
        stages = ", ".join(f"{stage['name']} {stage['channels']}" for stage in manifest["stages"])
        print(f"{task} / {encoder}: {manifest['rows']} voxels, {stages}\n  {folder}")
