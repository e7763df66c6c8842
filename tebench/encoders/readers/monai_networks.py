"""MONAI networks from a state dict, with a small JSON or YAML file of the same name beside it.

    swin.pt, swin.yaml:
        network: SwinUNETR                  # or UNet, DynUNet, SegResNet
        arguments: {in_channels: 1, out_channels: 14, feature_size: 48}
        input: {patch: [96, 96, 96], spacing: [1.5, 1.5, 2.0], normalisation: "window(-175,250,0,1)"}
        title: ...  pretraining: ...  training_data: ...  licence: ...     (words for tables, optional)

Stages are what the network's own decoder reads, shallow to deep. Decoder weights are not read; every weight of the
encoder must be there.
Sources: SwinUNETR: Hatamizadeh et al. 2022, arXiv 2201.01266; SegResNet: Myronenko 2018, arXiv 1810.11654;
UNet: Kerfoot et al. 2019, doi:10.1007/978-3-030-12029-0_40; DynUNet: Isensee et al. 2019, arXiv 1904.08128.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn

from tebench.base.errors import InputError, unknown_name
from tebench.encoders.axes import AxisEncoder, in_case_order
from tebench.encoders.base import EncoderFacts, InputSpec, Stage
from tebench.encoders.bounded import bounded
from tebench.encoders.dynamic_blocks import divisor_of
from tebench.encoders.files.opened import Content
from tebench.encoders.files.plain import short
from tebench.encoders.initialisation import without_global_draws
from tebench.encoders.readers.assemble import assemble
from tebench.encoders.readers.statement import Statement
from tebench.encoders.reading import Reading
from tebench.encoders.states import Located, locate

VERSION = "monai/1"  # raise with every change that alters features
NETWORKS = ("DynUNet", "SegResNet", "SwinUNETR", "UNet")
ROOTS = {  # of the encoder's weights; UNet's follow from its depth
    "DynUNet": ("input_block.", "downsamples.", "bottleneck."),
    "SegResNet": ("convInit.", "down_layers."),
    "SwinViT": ("swinViT.",),
    "SegResEncoder": ("conv_init.", "layers."),
    "SwinUNETR": ("encoder1.", "encoder2.", "encoder3.", "encoder4.", "encoder10.", "swinViT."),
}
SWIN = ("encoder1", "encoder2", "encoder3", "encoder4", "swinViT", "encoder10")


class _Chain(nn.Module):
    """Stages that feed one another; each is a list of the network's submodules."""

    def __init__(self, network: nn.Module, names: list[list[str]]):
        super().__init__()
        self.steps = nn.ModuleList(nn.Sequential(*map(network.get_submodule, stage)) for stage in names)

    def forward(self, x: Tensor) -> list[Tensor]:
        found = []
        for step in self.steps:
            x = step(x)
            found.append(x)
        return found


class _SwinViT(nn.Module):
    """The five hidden states of swinViT alone."""

    def __init__(self, network: nn.Module):
        super().__init__()
        self.normalize = network.normalize
        self.swinViT = network.swinViT

    def forward(self, x: Tensor) -> list[Tensor]:
        return list(self.swinViT(x, self.normalize))


class _Swin(nn.Module):
    """SwinUNETR's six skips: the image, four hidden states and the deepest, as its decoder reads them."""

    def __init__(self, network: nn.Module):
        super().__init__()
        self.normalize = network.normalize
        for name in SWIN:
            self.add_module(name, network.get_submodule(name))

    def forward(self, x: Tensor) -> list[Tensor]:
        hidden = self.swinViT(x, self.normalize)
        return [
            self.encoder1(x),
            self.encoder2(hidden[0]),
            self.encoder3(hidden[1]),
            self.encoder4(hidden[2]),
            hidden[3],
            self.encoder10(hidden[4]),
        ]


def stage_names(network: nn.Module, kind: str) -> list[list[str]]:
    """Names of the submodules that make each encoder stage, in order."""
    if kind == "SwinUNETR":
        return [[name] for name in SWIN]
    if kind == "SwinViT":
        return [["swinViT"]]
    if kind == "SegResEncoder":
        return [["conv_init", "layers"]]
    if kind == "DynUNet":
        inner = [[f"downsamples.{index}"] for index in range(len(network.downsamples))]
        return [["input_block"], *inner, ["bottleneck"]]
    if kind == "SegResNet":
        levels = [[f"down_layers.{index}"] for index in range(len(network.down_layers))]
        return [["convInit", *levels[0]], *levels[1:]]
    from monai.networks.layers.simplelayers import SkipConnection

    names, at = [], "model"
    while True:  # UNet nests: down, SkipConnection(next level), up
        here = network.get_submodule(at)
        if not (isinstance(here, nn.Sequential) and len(here) > 1 and isinstance(here[1], SkipConnection)):
            return [*names, [at]]
        names.append([f"{at}.0"])
        at += ".1.submodule"


class MonaiEncoder(AxisEncoder):
    """The encoder part of a MONAI network."""

    def __init__(self, facts: EncoderFacts, spec: InputSpec, stages: tuple[Stage, ...], body: nn.Module, axes):
        super().__init__(facts, spec, stages, axes)
        self.body = body
        self.minimum_patch = 2 * max(
            step for stage in stages for step in stage.steps
        )  # a single cell has no instance statistics

    def own_maps(self, x: Tensor) -> list[Tensor]:
        return self.body(x)


def _network(kind: str, arguments: dict, where: str) -> nn.Module:
    from monai.networks import nets

    try:
        if kind == "SegResEncoder":
            from monai.networks.nets.segresnet_ds import SegResEncoder

            network = SegResEncoder(**arguments)
        else:
            network = getattr(nets, "SwinUNETR" if kind == "SwinViT" else kind)(**arguments)
    except Exception as error:  # MONAI's constructors raise TypeError, ValueError, AssertionError, KeyError
        raise InputError(f"{where}: {kind} does not take these arguments: {error}.") from error
    if arguments.get("spatial_dims", 3) != 3:
        raise InputError(f"{where}: spatial_dims must be 3, got {arguments['spatial_dims']}.")
    return network


def _body(network: nn.Module, kind: str) -> nn.Module:
    whole = {"SwinUNETR": _Swin, "SwinViT": _SwinViT, "SegResEncoder": lambda network: network}
    return whole[kind](network) if kind in whole else _Chain(network, stage_names(network, kind))


def read(content: Content, name: str, stated: Statement, *, channels: int | None = None) -> Reading:
    """The encoder of one state dict, with the words of the file beside it."""
    where, path, notes = stated.where, content.path, []
    kind, arguments = stated.get("network"), stated.get("arguments") or {}
    if kind not in NETWORKS:
        raise unknown_name(f"MONAI network of {where}", short(kind).strip("'"), NETWORKS)
    if not isinstance(arguments, dict):
        raise InputError(f"{where}: arguments must hold named values, got {short(arguments)}.")
    if channels is not None:
        raise InputError(f"checkpoint {path}: set in_channels in the file beside it; channels= is for nnssl files.")
    return describe(content, name, kind, arguments, stated, where, stated.words(title=f"{kind}, {name}"), notes)


@without_global_draws
def describe(
    content: Content, name: str, kind: str, arguments: dict, stated: Statement, where: str, words: dict, notes: list,
    spec: InputSpec | None = None, choices: dict | None = None, axes: tuple[int, int, int] = (0, 1, 2),
) -> Reading:  # fmt: skip
    """The encoder of a MONAI network of known arguments.

    spec: how images are prepared, if it is known.   choices: the file's tensors, if names were changed.
    """
    if "img_size" in arguments:  # of MONAI before 1.5; it has never changed the network
        notes.append("img_size is obsolete and left out")
        arguments = {key: value for key, value in arguments.items() if key != "img_size"}
    if kind not in ("SegResNet", "SegResEncoder") and "spatial_dims" not in arguments:
        arguments = {**arguments, "spatial_dims": 3}
    with bounded(content.n_bytes):  # MONAI's constructors need real numbers; what they make is let go at once
        network = _network(kind, arguments, where)
    network = network.to("meta")
    found = find(content, network, kind, choices)
    notes += found.notes
    read = int(arguments.get("in_channels", 1))
    spec = stated.apply(spec or _unstated(read, stated, notes), notes)
    own_patch = tuple(spec.patch[axis] for axis in axes)
    stages = in_case_order(_probe(_body(network, kind).eval(), read, own_patch, where), axes)
    spec = replace(spec, divisor=divisor_of(stages))

    def make(facts, spec):
        whole = network if torch.get_default_device().type == "meta" else _network(kind, arguments, where)
        return MonaiEncoder(facts, spec, stages, _body(whole, kind), axes)

    names = {f"body.{ours}": theirs for ours, theirs in _body_names(network, kind).items()}
    return assemble(
        content, name=name, architecture=f"MONAI {kind}", words=words, spec=spec, make=make, weights=found.weights,
        version=VERSION, shape=[kind, arguments], notes=notes, axes=axes, spell=lambda key: names.get(key, key),
    )  # fmt: skip


def find(content: Content, network: nn.Module, kind: str, choices: dict | None = None) -> Located:
    """The encoder's weights in the file; decoders and heads are left out."""
    keep = _encoder_keys(network, kind)
    needed = {key: value for key, value in network.state_dict().items() if key in keep}
    roots = ROOTS.get(kind) or tuple(f"{part}." for stage in stage_names(network, kind) for part in stage)
    anchors = [name for name, value in needed.items() if value.ndim == 5]
    return locate(content, needed, anchors[:1] + anchors[-1:], roots, choices=choices)


def _body_names(network: nn.Module, kind: str) -> dict[str, str]:
    """A key of the encoder's body -> the network's own name of that weight."""
    keep = _encoder_keys(network, kind)  # DynUNet has its encoder twice
    own = {id(value): key for key, value in network.state_dict(keep_vars=True).items() if key in keep}
    return {key: own[id(value)] for key, value in _body(network, kind).state_dict(keep_vars=True).items()}


def _encoder_keys(network: nn.Module, kind: str) -> set[str]:
    roots = tuple(f"{part}." for stage in stage_names(network, kind) for part in stage)
    return {key for key in network.state_dict() if key.startswith(roots)}


def _unstated(channels: int, stated: Statement, notes: list[str]) -> InputSpec:
    """The input of a file that does not say how images were prepared; each guess is named."""
    if "patch" not in stated.input:
        notes.append("no patch stated: 96 voxels along each axis")
    if "spacing" not in stated.input:
        notes.append("no spacing stated: the task's own is used")
    if "normalisation" not in stated.input:
        notes.append("no normalisation stated: z-score over all voxels")
    return InputSpec(channels, "zscore_image", None, (96, 96, 96), 1)


def _probe(body: nn.Module, channels: int, patch: tuple, where: str) -> tuple[Stage, ...]:
    """Stages by running shapes alone through the network (no memory, no arithmetic)."""
    try:
        with torch.no_grad(), torch.device("meta"):
            maps = body(torch.zeros(1, channels, *patch))
    except ImportError as error:  # SwinUNETR needs einops, which MONAI does not require
        first = str(error).splitlines()[0]
        raise InputError(f"{where}: MONAI lacks a package for this network ({first}). Install it.") from error
    except Exception as error:  # a patch the network cannot halve often enough fails anywhere inside it
        raise InputError(f"{where}: input.patch {list(patch)} does not run through the network ({error}).") from error
    stages = []
    for index, found in enumerate(maps):
        steps = [size / cells for size, cells in zip(patch, found.shape[2:], strict=True)]
        if not all(step.is_integer() for step in steps):
            raise InputError(
                f"{where}: stage {index} has {tuple(found.shape[2:])} cells for a patch {list(patch)}; the stride must "
                "be a whole number along each axis. Change the patch if it is no multiple of the network's strides."
            )
        stages.append(Stage(f"encoder.{index}", "encoder", int(found.shape[1]), tuple(int(step) for step in steps)))
    least = [2 * step for step in stages[-1].steps]
    if any(size < edge for size, edge in zip(patch, least, strict=True)):
        raise InputError(f"{where}: input.patch must be at least {least}.")
    return tuple(stages)
