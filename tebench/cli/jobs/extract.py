"""job=extract: every encoder read at the sampled voxels of every task."""

from __future__ import annotations

from tebench.benchmark.extraction import feature_folders
from tebench.benchmark.spec import resolve
from tebench.features import cache


def run(config: dict) -> None:
    """Print each feature folder with its stages; one that is there and valid is left alone."""
    for (task, encoder), folder in feature_folders(resolve(config)).items():
        manifest = cache.manifest(folder)
        stages = ", ".join(f"{stage['name']} {stage['channels']}" for stage in manifest["stages"])
        print(f"{task} / {encoder}: {manifest['rows']} voxels, {stages}\n  {folder}")
