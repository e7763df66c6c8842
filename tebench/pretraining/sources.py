"""The unlabelled images of pre-training: packaged volumes on 2 mm voxels, none of them a task's test image."""

from __future__ import annotations

import logging
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from tebench.assets import catalogue as assets
from tebench.base import storage

log = logging.getLogger(__name__)

SPACING = 2.0  # mm, isotropic; thick slices are interpolated
VERSION = 1  # raise when the same file would give other voxels
_CT = -1024.0


@dataclass(frozen=True)
class Image:
    """One volume. air: the stored value of air, which becomes 0.   weight: share of the crops taken from it."""

    id: str
    package: str
    path: str
    weight: float
    modality: str
    air: float = 0.0

    def read(self) -> np.ndarray:
        """(X, Y, Z) float16 in 0..1: RAS, 2 mm, cropped to what is not air, normalised as `unit`."""
        from tebench.encoders.normalisation import nonzero_box, normalise
        from tebench.tasks.source import read_volume, resample_mean

        raw = read_volume(self.package, self.path)
        data = np.maximum(resample_mean(raw, SPACING).data - self.air, 0.0)[None].astype(np.float32)
        data = data[(slice(None), *nonzero_box(data))]
        # In C order: safetensors writes the memory as it lies.
        return np.ascontiguousarray(normalise(data, "unit")[0], dtype=np.float16)


_DATA = "pyradiomics-3.0.1/data"
TRAINING = (
    Image(
        "deepmriprep:Template_05mm_bet", "deepmriprep", "deepmriprep/data/templates/Template_05mm_bet.nii.gz", 0.3, "MR"
    ),
    Image("pyradiomics:brain1", "pyradiomics", f"{_DATA}/brain1_image.nrrd", 0.15, "MR"),
    Image("pyradiomics:brain2", "pyradiomics", f"{_DATA}/brain2_image.nrrd", 0.15, "MR"),
    Image("pyradiomics:breast1", "pyradiomics", f"{_DATA}/breast1_image.nrrd", 0.05, "MR"),
    Image("pyradiomics:lung1", "pyradiomics", f"{_DATA}/lung1_image.nrrd", 0.2, "CT", _CT),
    Image(
        "totalsegmentator:ct_brain_atlas_1mm",
        "totalsegmentator",
        "totalsegmentator/resources/ct_brain_atlas_1mm.nii.gz",
        0.15,
        "CT",
    ),
)
# Never trained on and never used to choose anything: the loss on them shows how far a method memorises.
HELD_OUT = (
    Image(
        "nilearn:mni_icbm152_t1_09a",
        "nilearn",
        "nilearn/datasets/data/mni_icbm152_t1_tal_nlin_sym_09a_converted.nii.gz",
        0.7,
        "MR",
    ),
    Image("pyradiomics:lung2", "pyradiomics", f"{_DATA}/lung2_image.nrrd", 0.3, "CT", _CT),
)


def fingerprint(images: tuple[Image, ...] = TRAINING) -> str:
    """Of the list of images and their pinned packages; reads no disk.

    The packages as published: which further files of them are unpacked does not count.
    """
    pins = {image.package: assets.PACKAGES[image.package].sha256 for image in images}
    return storage.hash_json({"images": [asdict(i) for i in images], "packages": pins, "version": VERSION})


def volumes(images: tuple[Image, ...], cache: Path) -> dict[str, np.ndarray]:
    """Image id -> (X, Y, Z) float16; made once and kept in one safetensors file."""
    from safetensors import SafetensorError
    from safetensors.numpy import load_file, save_file

    path = Path(cache) / f"volumes-{fingerprint(images)[:16]}.safetensors"
    with storage.locked(path):
        if path.exists():
            try:
                return load_file(path)
            except (SafetensorError, OSError) as error:
                log.warning("%s is damaged (%s): it is made again.", path, error)
        made = {image.id: image.read() for image in images}
        with storage.atomic_path(path) as temporary:
            save_file(made, temporary)
    return made
