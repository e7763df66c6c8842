"""The brain-extraction network of InVesalius (Debian's package `invesalius`), from its Keras file, without Keras.

    apt-get download invesalius && dpkg -x invesalius_*.deb folder
    encoders=[folder/usr/share/invesalius/ai/brain_mri_t1/model.h5]

The file is GPL-2: it is read where it lies and never comes with tebench. A 3D U-Net: two 5x5x5 convolutions with ReLU
a stage, 8, 16, 32 channels at strides 1, 2, 4, and the pooled map (32 channels, stride 8) as the deepest stage; no
normalisation layer, dropout is the identity in use. The program scales a volume's whole range to 0..1, so "unit" is the
nearest option, cuts windows of 48^3, and reads arrays in (z, y, x) order. It also turns the y axis of a NIfTI image
round; not here [choice]: on both real heads of the task brain_mask the mask is nearer to the given one without it.
HDF5 is read by a C library: only the pinned file is given to it.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from tebench.base import storage
from tebench.base.errors import InputError
from tebench.encoders import hdf5
from tebench.encoders.axes import REVERSED, AxisEncoder
from tebench.encoders.base import EncoderFacts, InputSpec, Stage
from tebench.encoders.initialisation import without_global_draws
from tebench.encoders.network import same_weights
from tebench.encoders.reading import KERAS, Reading, n_parameters
from tebench.encoders.weights import check_finite, compare, fill

VERSION = "invesalius/1"  # raise with every change that alters features
SHA256 = "575a85d71aaf8de9c990a01bed7c0afc25edd8a07b52f3dbfc079c0f76be6116"
PACKAGE = "Debian's invesalius 3.1.99998"
MAGIC = b"\x89HDF\r\n\x1a\n"
SPEC = InputSpec(channels=1, normalisation="unit", patch=(48, 48, 48), divisor=8)
STAGES = tuple(
    Stage(f"encoder.{index}", "encoder", channels, stride)
    for index, (channels, stride) in enumerate(((8, 1), (16, 2), (32, 4), (32, 8)))
)
PLAN = ((1, 8), (8, 8), (8, 16), (16, 16), (16, 32), (32, 32), (64, 32), (32, 16), (16, 8))  # conv3d_1 ... conv3d_9


def _convolve(number: int) -> nn.Conv3d:
    return nn.Conv3d(*PLAN[number - 1], 5, padding=2)


class Invesalius(AxisEncoder):
    """The encoder stages alone. Layers carry the file's names."""

    def __init__(self, facts: EncoderFacts):
        super().__init__(facts, SPEC, STAGES, REVERSED)
        for number in range(1, 7):
            self.add_module(f"conv3d_{number}", _convolve(number))

    def own_maps(self, x: Tensor) -> list[Tensor]:
        maps = []
        for first, second in ((self.conv3d_1, self.conv3d_2), (self.conv3d_3, self.conv3d_4),
                              (self.conv3d_5, self.conv3d_6)):  # fmt: skip
            maps.append(torch.relu(second(torch.relu(first(x)))))
            x = functional.max_pool3d(maps[-1], 2)
        return [*maps, x]


class InvesaliusSegmenter(Invesalius):
    """The whole network; its head tells background (0) from brain (1)."""

    def __init__(self, facts: EncoderFacts):
        super().__init__(facts)
        for number, (inside, out) in enumerate(((32, 32), (32, 16), (16, 8)), 1):
            self.add_module(f"conv3d_transpose_{number}", nn.ConvTranspose3d(inside, out, 5, 2, 1, bias=False))
            self.add_module(f"conv3d_{6 + number}", _convolve(6 + number))
        self.conv3d_10 = nn.Conv3d(8, 1, 1)
        self.dense_1 = nn.Linear(1, 1)

    @torch.no_grad()
    def head(self, x: Tensor) -> Tensor:
        """(B, 1, X, Y, Z) normalised patch -> (B, 2, X, Y, Z) probabilities of background and brain."""
        self.check(x)
        return self.head_from_maps(self.maps(self.prepare(x)), x)

    @torch.no_grad()
    def head_from_maps(self, maps: list[Tensor], x: Tensor) -> Tensor:
        """The same from the maps of the patch `x`, without a second pass."""
        *skips, x = [found.permute(0, 1, 4, 3, 2) for found in maps]
        for number, skip in zip((1, 2, 3), reversed(skips), strict=True):
            # Keras' "same" at kernel 5, stride 2 leaves out one slice before (the padding) and two behind.
            up = self.get_submodule(f"conv3d_transpose_{number}")(x)[..., :-1, :-1, :-1]
            x = torch.relu(self.get_submodule(f"conv3d_{6 + number}")(torch.cat([up, skip], 1)))
        x = self.dense_1(self.conv3d_10(x).movedim(1, -1)).movedim(-1, 1)
        brain = torch.sigmoid(x).permute(0, 1, 4, 3, 2)
        return torch.cat([1 - brain, brain], 1)

    @without_global_draws
    def without_head(self) -> Invesalius:
        return same_weights(Invesalius(self.facts), self)


def is_hdf5(path: Path) -> bool:
    """Whether a file is HDF5, by its first bytes or, where they are lost, by its ending."""
    path = Path(path)
    if not path.is_file():
        return False
    with open(path, "rb") as file:
        return file.read(len(MAGIC)) == MAGIC or path.suffix == KERAS


@without_global_draws
def read(path: Path, name: str) -> Reading:
    """The one known file; any other HDF5 file is refused unopened."""
    found = storage.sha256_file(path)
    if found != SHA256:
        raise InputError(
            f"checkpoint {path} is HDF5 with sha256 {found[:16]}; the one such file that is known is model.h5 of "
            f"{PACKAGE} ({SHA256[:16]}). If it should be that file, unpack it again: apt-get download invesalius && "
            "dpkg -x invesalius_*.deb folder. Save weights of other networks as safetensors."
        )
    weights = hdf5.tensors(path)
    with torch.device("meta"):
        whole = InvesaliusSegmenter(_facts(name, 0))
        facts = _facts(name, n_parameters(Invesalius(whole.facts)))
    compare(whole.state_dict(), weights, path)
    check_finite(weights, path)

    @without_global_draws
    def build() -> InvesaliusSegmenter:
        return fill(InvesaliusSegmenter(facts), weights, path).freeze()

    return Reading(facts, SPEC, STAGES, VERSION, (), REVERSED, build)


def _facts(name: str, parameters: int) -> EncoderFacts:
    return EncoderFacts(
        name=name,
        title="InVesalius, brain extraction",
        architecture="3D U-Net, kernel 5, no normalisation layers",
        pretraining="supervised: brain extraction",
        training_data="T1 head MRI (the package does not say which)",
        licence="GPL-2",
        source=f"{PACKAGE}, ai/brain_mri_t1/model.h5",
        n_parameters=parameters,
    )
