"""Input and words of released weights whose files do not say how their images were prepared.

Each is what the authors' own code does; a reading that uses one says so, and the user can state another beside it.
"""

from __future__ import annotations

from dataclasses import dataclass

from tebench.encoders.base import InputSpec


@dataclass(frozen=True)
class Released:
    """normalisation, spacing (mm, along a case's axes) and patch of pre-training.   source: where they are written."""

    title: str
    pretraining: str
    training_data: str
    licence: str
    normalisation: str
    spacing: tuple[float, float, float] | None
    patch: tuple[int, int, int]
    source: str

    def spec(self, channels: int, divisor: int = 1) -> InputSpec:
        return InputSpec(channels, self.normalisation, self.spacing, self.patch, divisor)

    def words(self) -> dict[str, str]:
        return {
            "title": self.title,
            "pretraining": self.pretraining,
            "training_data": self.training_data,
            "licence": self.licence,
        }

    def note(self) -> str:
        spacing = "the task's own spacing" if self.spacing is None else f"{self.spacing} mm"
        return (
            f"the file does not say how images were prepared; assumed is {self.normalisation}, {spacing}, windows of "
            f"{self.patch}, as in {self.source}. State another input beside the file if it was trained otherwise"
        )


_CT = "window(-175,250,0,1)"
BTCV = Released(
    "Swin UNETR", "supervised: segmentation", "CT (assumed: BTCV)", "Apache-2.0 (code)", _CT, (1.5, 1.5, 2.0),
    (96, 96, 96), "research-contributions/SwinUNETR/BTCV",
)  # fmt: skip
SWIN_SSL = Released(
    "Swin UNETR, self-supervised", "self-supervised: inpainting, rotation, contrast", "5,050 CT volumes",
    "Apache-2.0 (code)", "window(-1000,1000,0,1)", (1.5, 1.5, 2.0), (96, 96, 96),
    "research-contributions/SwinUNETR/Pretrain",
)  # fmt: skip
BRATS = Released(
    "Swin UNETR", "supervised: segmentation", "MRI of four contrasts (assumed: BraTS 2021)", "Apache-2.0 (code)",
    "zscore", None, (128, 128, 128), "research-contributions/SwinUNETR/BRATS21",
)  # fmt: skip
DAE = Released(
    "Swin UNETR, disruptive autoencoder", "self-supervised: disruptive autoencoder", "CT and MRI", "not stated",
    _CT, (1.5, 1.5, 2.0), (96, 96, 96), "monai.networks.nets.swin_unetr.filter_swinunetr and BTCV",
)  # fmt: skip
VOCO = Released(
    "VoCo", "self-supervised or omni-supervised: volume contrast", "160,000 CT volumes (PreCT-160K)",
    "Apache-2.0 (code)", _CT, (1.5, 1.5, 1.5), (96, 96, 96), "Luffy03/Large-Scale-Medical, arXiv 2410.09890",
)  # fmt: skip
BRAINSEGFOUNDER = Released(
    "BrainSegFounder", "self-supervised: inpainting, rotation, contrast", "UK Biobank T1 and T2", "see the repository",
    "zscore", None, (96, 96, 96), "lab-smile/BrainSegFounder, doi:10.1016/j.media.2024.103301",
)  # fmt: skip
SUPREM = Released(
    "SuPreM", "supervised: segmentation of 25 or 32 classes", "AbdomenAtlas (CT)", "see the repository", _CT,
    (1.5, 1.5, 1.5), (96, 96, 96), "MrGiovanni/SuPreM, arXiv 2501.11253",
)  # fmt: skip
SEGRESNET = Released(
    "SegResNet", "not stated", "not stated", "not stated", "zscore", None, (96, 96, 96), "the paper, arXiv 1810.11654",
)  # fmt: skip
CTFM = Released(
    "CT-FM", "self-supervised: contrast within a volume", "148,000 CT volumes", "see the model card",
    "window(-1024,2048,0,1)", (1.0, 1.0, 3.0), (128, 128, 48), "project-lighter/CT-FM, arXiv 2501.09001",
)  # fmt: skip
MEDICALNET = Released(
    "MedicalNet", "supervised: segmentation of 23 data sets", "3DSeg-8 (CT and MRI)", "MIT (code)", "zscore", None,
    (96, 96, 96), "Tencent/MedicalNet, arXiv 1904.00625",
)  # fmt: skip
GENESIS = Released(
    "Models Genesis", "self-supervised: restoration", "623 chest CT volumes (LUNA16)", "see the repository",
    "window(-1000,1000,0,1)", None, (64, 64, 32), "MrGiovanni/ModelsGenesis, arXiv 1908.06912",
)  # fmt: skip
STUNET = Released(
    "STU-Net", "supervised: TotalSegmentator, 104 classes", "1,204 CT volumes (TotalSegmentator)", "Apache-2.0 (code)",
    "none", (1.5, 1.5, 1.5), (128, 128, 128), "uni-medical/STU-Net, arXiv 2304.06716",
)  # fmt: skip
