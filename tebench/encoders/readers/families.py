"""The families of checkpoints: how each is recognised, read or refused by name, and what a user should know of it.

This one table drives the dispatcher, its messages, `docs/zoo.md` and the tests.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from tebench.base.errors import InputError
from tebench.encoders import plugins
from tebench.encoders.files.opened import Content
from tebench.encoders.readers.statement import Statement
from tebench.encoders.reading import Reading
from tebench.encoders.states import dicts_of, held


@dataclass(frozen=True)
class Family:
    """One family.

    module: of `tebench.encoders.readers`, with recognise(content) -> evidence or None, read(content, name, statement,
    channels=) and, where files beside the checkpoint belong to it, sidecars(path); "" where it is named only.
    keys: patterns of weight names; all must be met by some name (for families without a module).
    reads: what is read, or why it is not.   then: what the user can do instead.
    source: code and paper.   weights: where to get them.   licence: of the weights.   tried: with which code.
    """

    name: str
    title: str
    module: str
    reads: str
    source: str
    weights: str
    licence: str
    tried: str
    keys: tuple[str, ...] = ()
    then: str = ""

    def recognise(self, content: Content) -> str | None:
        """What in the file says that it is of this family; None if nothing does."""
        if self.module:
            return self._module().recognise(content)
        names = [name for weights in dicts_of(content).values() for name in weights]
        found = [next((name for name in names if re.search(pattern, name)), None) for pattern in self.keys]
        return f"weights such as {found[0]}" if found and all(found) else None

    def read(self, content: Content, name: str, stated: Statement, channels: int | None) -> Reading:
        if not self.module:
            raise InputError(
                f"checkpoint {content.path} is of the family {self.title} ({self.recognise(content)}), which is not "
                f"read: {self.reads}. {self.then}"
            )
        return self._module().read(content, name, stated, channels=channels)

    def sidecars(self, path: Path) -> list[Path]:
        found: Callable[[Path], Iterable[Path]] | None = self.module and getattr(self._module(), "sidecars", None)
        return list(found(path)) if found else []

    def _module(self):
        name, _, part = self.module.partition(".")
        found = importlib.import_module(f"tebench.encoders.readers.{name}")
        return getattr(found, part) if part else found


_PLUGIN = "Register a reader for it: plugins=[file.py], see docs/own_data.md."
FAMILIES: tuple[Family, ...] = (
    Family(
        name="nnssl",
        title="nnssl / OpenMind",
        module="nnssl",
        reads="ResEnc-L, PlainConvUNet and Primus v1, as published and as the trainers save them",
        source="https://github.com/MIC-DKFZ/nnssl, arXiv 2412.17041",
        weights="https://huggingface.co/AnonRes, ResEncL-OpenMind-* and PrimusM-OpenMind-*",
        licence="see each repository",
        tried="plans by nnssl 70448644, networks of dynamic-network-architectures 0.4.4",
    ),
    Family(
        name="nnunet",
        title="nnU-Net v2",
        module="nnunet",
        reads="PlainConvUNet and ResidualEncoderUNet of 3d_fullres and 3d_lowres, plans of both generations; "
        "TotalSegmentator and MRSegmentator are such files",
        source="https://github.com/MIC-DKFZ/nnUNet, doi:10.1038/s41592-020-01008-z",
        weights="https://github.com/wasserth/TotalSegmentator/releases and others",
        licence="see each release",
        tried="nnunetv2 2.8.1, dynamic-network-architectures 0.4.4",
    ),
    Family(
        name="bundle",
        title="MONAI bundle",
        module="bundle",
        reads="SwinUNETR, SegResNet, UNet and DynUNet of network_def, with the preprocessing of configs/inference or "
        "configs/train",
        source="https://github.com/Project-MONAI/model-zoo",
        weights="https://huggingface.co/MONAI",
        licence="see LICENSE of each bundle",
        tried="monai 1.6.1",
    ),
    Family(
        name="suprem",
        title="SuPreM, Swin UNETR",
        module="swin.suprem",
        reads="the backbone, size from the weights; its SegResNet and U-Net are read as those families",
        source="https://github.com/MrGiovanni/SuPreM, arXiv 2501.11253",
        weights="https://huggingface.co/MrGiovanni/SuPreM",
        licence="see the repository",
        tried="monai 1.6.1",
    ),
    Family(
        name="voco",
        title="VoCo",
        module="swin.voco",
        reads="Swin UNETR v2 of any size, with VoCoHead or without",
        source="https://github.com/Luffy03/Large-Scale-Medical, arXiv 2410.09890",
        weights="https://huggingface.co/Luffy503/VoCo",
        licence="Apache-2.0 (code)",
        tried="monai 1.6.1",
    ),
    Family(
        name="brainsegfounder",
        title="BrainSegFounder",
        module="swin.brainsegfounder",
        reads="swinViT of two channels (T1, T2) after self-supervision, Swin UNETR of two channels",
        source="https://github.com/lab-smile/BrainSegFounder, doi:10.1016/j.media.2024.103301",
        weights="the repository's links",
        licence="see the repository",
        tried="monai 1.6.1",
    ),
    Family(
        name="swin",
        title="Swin UNETR",
        module="swin.swin",
        reads="full weights (six skips), or swinViT alone (five hidden states); DAE's names, too",
        source="https://github.com/Project-MONAI/research-contributions, arXiv 2201.01266",
        weights="https://github.com/Project-MONAI/MONAI-extra-test-data/releases",
        licence="Apache-2.0 (code)",
        tried="monai 1.6.1",
    ),
    Family(
        name="segresnet",
        title="SegResNet",
        module="segresnet",
        reads="size from the weights; group normalisation of 8 groups assumed; SuPreM's among them",
        source="MONAI, arXiv 1810.11654",
        weights="https://huggingface.co/MrGiovanni/SuPreM",
        licence="see each release",
        tried="monai 1.6.1",
    ),
    Family(
        name="ctfm",
        title="CT-FM",
        module="segresnet.ctfm",
        reads="SegResEncoder, alone or inside SegResNetDS, size from the weights",
        source="https://github.com/project-lighter/CT-FM, arXiv 2501.09001",
        weights="https://huggingface.co/project-lighter/ct_fm_feature_extractor",
        licence="see the model card",
        tried="monai 1.6.1",
    ),
    Family(
        name="medicalnet",
        title="MedicalNet",
        module="convolutional.medicalnet_files",
        reads="ResNet-10 to 200, dilated, shortcuts A and B",
        source="https://github.com/Tencent/MedicalNet, arXiv 1904.00625",
        weights="https://huggingface.co/TencentMedicalNet",
        licence="MIT (code)",
        tried="Tencent/MedicalNet 20f76aa (ResNet-10, 18, 50)",
    ),
    Family(
        name="genesis",
        title="Models Genesis, SuPreM U-Net",
        module="convolutional.genesis_files",
        reads="the 3D U-Net's encoder; statistics of each window, as the authors' code",
        source="https://github.com/MrGiovanni/ModelsGenesis, arXiv 1908.06912",
        weights="the repository's form",
        licence="see the repository",
        tried="MrGiovanni/ModelsGenesis 12f7feb",
    ),
    Family(
        name="stunet",
        title="STU-Net",
        module="convolutional.stunet_files",
        reads="small to huge, files of nnU-Net v1 (.model) and v2",
        source="https://github.com/uni-medical/STU-Net, arXiv 2304.06716",
        weights="the repository's links",
        licence="Apache-2.0 (code)",
        tried="uni-medical/STU-Net 0652eaf",
    ),
    *(
        Family(name, title, "", why, source, "", "", "", keys, then)
        for name, title, keys, why, source, then in (
            (
                "primus2",
                "Primus v2 and v3",
                (r"down_projection\..*(stem|stages?|blocks?|convs?)\.", r"eva\.blocks\.0\."),
                "its patch embedding is a deeper network than that of v1",
                "dynamic-network-architectures",
                _PLUGIN,
            ),
            (
                "sammed3d",
                "SAM-Med3D",
                (r"image_encoder\.patch_embed\.proj\.weight", r"image_encoder\.blocks\.0\.attn\."),
                "its image encoder is a transformer of one resolution that is not built here",
                "https://github.com/uni-medical/SAM-Med3D",
                _PLUGIN,
            ),
            (
                "unetr",
                "UNETR",
                (r"vit\.patch_embedding\.", r"vit\.blocks\.0\.attn\."),
                "its transformer of one resolution is not built here",
                "MONAI, arXiv 2103.10504",
                _PLUGIN,
            ),
            (
                "dino3d",
                "3DINO and other 3D DINOv2",
                (r"(^|\.)cls_token$", r"(^|\.)blocks\.(\d+\.)?0\.attn\.qkv\.weight"),
                "its transformer of one resolution is not built here",
                "https://github.com/AICONSlab/3DINO",
                _PLUGIN,
            ),
            (
                "mednext",
                "MedNeXt",
                (r"enc_block_0\.0\.conv1\.weight", r"(^|\.)stem\.weight"),
                "its blocks are not built here",
                "https://github.com/MIC-DKFZ/MedNeXt",
                _PLUGIN,
            ),
            (
                "nnunet1",
                "nnU-Net v1",
                (r"conv_blocks_context\.0\.blocks\.0\.conv\.weight",),
                "its Generic_UNet keeps its plan in a pickle beside the file",
                "https://github.com/MIC-DKFZ/nnUNet/tree/nnunetv1",
                "Take the release for nnU-Net v2, if there is one.",
            ),
            (
                "vista3d",
                "VISTA3D",
                (r"image_encoder\.encoder\.", r"(point_head|class_head)\."),
                "its prompted network is not built here",
                "https://github.com/Project-MONAI/VISTA",
                _PLUGIN,
            ),
            (
                "umamba",
                "U-Mamba and other state-space networks",
                (r"\.(mamba|ssm)[^.]*\.(A_log|in_proj)",),
                "its layers need the mamba-ssm package",
                "https://github.com/bowang-lab/U-Mamba",
                _PLUGIN,
            ),
            (
                "unest",
                "UNesT",
                (r"nestViT\.",),
                "its nested transformer is not built here",
                "MONAI model zoo",
                _PLUGIN,
            ),
        )
    ),
)


def families() -> tuple:
    """Readers of plug-ins first: what a user registers outranks what is built in."""
    return (*plugins.readers(), *FAMILIES)


def read(content: Content, name: str, stated: Statement, channels: int | None) -> Reading:
    """The reading of whichever family recognises the file, first come first served.

    Raises
    ------
    InputError
        A file of no known family, or of one that is named only.
    """
    from tebench.encoders.readers import monai_networks

    if stated.get("network") is not None:
        found = monai_networks.read(content, name, stated, channels=channels)
        return replace(found, family="MONAI, described beside the file")
    for family in families():
        if family.recognise(content) is not None:
            return replace(family.read(content, name, stated, channels), family=family.title)
    readable = ", ".join(family.title for family in families() if family.module)
    raise InputError(
        f"checkpoint {content.path} does not say which architecture it is. {held(content)} Read are {readable}; "
        f"MONAI's {', '.join(monai_networks.NETWORKS)} with {content.path.stem}.json beside the file that holds "
        "`network` and its `arguments`; any other class joins by plugins=[file.py] or the entry point group "
        "`tebench.encoders`, see docs/own_data.md."
    )


def sidecars(path: Path) -> list[Path]:
    """Files of plain values that any family would read with this checkpoint."""
    return list(dict.fromkeys(file for family in families() for file in family.sidecars(path)))


def page() -> str:
    """docs/zoo.md: the table in words."""
    lines = [
        "# The zoo: which checkpoints are read as they are released",
        "",
        "Made by `python -m tebench job=docs` from the table that the readers use",
        "(`tebench/encoders/readers/families.py`); do not edit. Put the files in a folder and run",
        "`python -m tebench job=encoders encoders=[FOLDER]`: it says what was understood of each, what is unusual or",
        "assumed, and what is refused. *Tried with*: the code whose features ours",
        "equal on random weights of small width. What a file does not say can be stated beside it, see [own_data.md]"
        "(own_data.md).",
        "",
        "| family | read | code and paper | weights | licence of the weights | tried with |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for family in FAMILIES:
        if family.module:
            cells = (family.title, family.reads, family.source, family.weights, family.licence, family.tried)
            lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    lines += [
        "",
        "## Recognised, and not read",
        "",
        "| family | why | code | what to do |",
        "| --- | --- | --- | --- |",
    ]
    for family in FAMILIES:
        if not family.module:
            lines.append(f"| {family.title} | {family.reads} | {family.source} | {family.then} |")
    return "\n".join(lines) + "\n"
