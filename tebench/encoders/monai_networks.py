"""MONAI networks from a state dict, with a small JSON or YAML file of the same name beside it.

    swin.pt, swin.yaml:
        network: SwinUNETR                  # or UNet, DynUNet, SegResNet
        arguments: {in_channels: 1, out_channels: 14, feature_size: 48}
        input: {patch: [96, 96, 96], spacing: [1.5, 1.5, 2.0], normalisation: zscore}
        title: ...  pretraining: ...  training_data: ...  licence: ...     (words for tables, optional)

Stages are what the network's own decoder reads, shallow to deep. Decoder weights are not kept and may be
missing from the file; every weight of the encoder must be there.
Sources: SwinUNETR: Hatamizadeh et al. 2022, arXiv 2201.01266; SegResNet: Myronenko 2018, arXiv 1810.11654;
UNet: Kerfoot et al. 2019, doi:10.1007/978-3-030-12029-0_40; DynUNet: Isensee et al. 2019, arXiv 1904.08128.
"""

from __future__ import annotations

import math
from pathlib import Path

import torch
from torch import Tensor, nn

from tebench.base import storage
from tebench.base.errors import InputError, unknown_name
from tebench.encoders.base import NORMALISATIONS, EncoderFacts, InputSpec, Stage
from tebench.encoders.bounded import MOST_VOXELS, bounded
from tebench.encoders.initialisation import without_global_draws
from tebench.encoders.network import Encoder
from tebench.encoders.reading import Reading, n_parameters
from tebench.encoders.weights import beside, check_finite, compare, fill, unwrapped

VERSION = "monai/1"  # raise with every change that alters features
NETWORKS = ("DynUNet", "SegResNet", "SwinUNETR", "UNet")
STATES = ("state_dict", "model_state_dict", "network_weights", "model", "net", "network")
SWIN = ("encoder1", "encoder2", "encoder3", "encoder4", "swinViT", "encoder10")
_KEYS = {"network", "arguments", "input", "title", "pretraining", "training_data", "licence"}
_INPUT = {"patch", "spacing", "normalisation"}


def sidecar_names(path: Path) -> tuple[str, ...]:
    return tuple(f"{Path(path).stem}.{ending}" for ending in ("json", "yaml", "yml"))


def sidecar(path: Path) -> dict | None:
    found = beside(path, *sidecar_names(path))
    return found if found and "network" in found else None


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


class MonaiEncoder(Encoder):
    """The encoder part of a MONAI network."""

    def __init__(self, facts: EncoderFacts, spec: InputSpec, stages: tuple[Stage, ...], body: nn.Module):
        super().__init__(facts, spec, stages)
        self.body = body
        self.minimum_patch = 2 * max(stage.stride for stage in stages)  # a single cell has no instance statistics

    def maps(self, x: Tensor) -> list[Tensor]:
        return self.body(x)


def _network(kind: str, arguments: dict, where: str) -> nn.Module:
    from monai.networks import nets

    try:
        network = getattr(nets, kind)(**arguments)
    except Exception as error:  # MONAI's constructors raise TypeError, ValueError, AssertionError, KeyError
        raise InputError(f"{where}: {kind} does not take these arguments: {error}.") from error
    if arguments.get("spatial_dims", 3) != 3:
        raise InputError(f"{where}: spatial_dims must be 3, got {arguments['spatial_dims']}.")
    return network


def _body(network: nn.Module, kind: str) -> nn.Module:
    return _Swin(network) if kind == "SwinUNETR" else _Chain(network, stage_names(network, kind))


@without_global_draws
def read(content: dict, path: Path, name: str, plan: dict) -> Reading:
    """The encoder of one state dict, with the words of the file beside it."""
    where = f"the file beside checkpoint {path}"
    for key in plan:
        if key not in _KEYS:
            raise unknown_name(f"key of {where}", key, _KEYS)
    kind, arguments = plan["network"], plan.get("arguments") or {}
    if kind not in NETWORKS:
        raise unknown_name(f"MONAI network of {where}", kind, NETWORKS)
    if not isinstance(arguments, dict):
        raise InputError(f"{where}: arguments must hold named values, got {arguments!r}.")
    if kind != "SegResNet" and "spatial_dims" not in arguments:
        arguments = {**arguments, "spatial_dims": 3}
    notes: list[str] = []
    raw = next((content[key] for key in STATES if isinstance(content.get(key), dict)), content)
    given = unwrapped(raw)
    with bounded(given.values()):  # MONAI's constructors need real numbers; what they make is let go at once
        network = _network(kind, arguments, where)
    network = network.to("meta")
    body = _body(network, kind)
    keep = _encoder_keys(network, kind)
    weights = _matched(given, network, keep, path, notes)
    channels = int(arguments.get("in_channels", 1))
    patch, spacing, normalisation = _input(plan.get("input") or {}, where, notes)
    stages = _probe(body.eval(), channels, patch, where)
    spec = InputSpec(channels, normalisation, spacing, patch, max(stage.stride for stage in stages))
    facts = EncoderFacts(
        name=name,
        title=str(plan.get("title") or f"{kind}, {name}"),
        architecture=f"MONAI {kind}",
        pretraining=str(plan.get("pretraining") or "not stated"),
        training_data=str(plan.get("training_data") or "not stated"),
        licence=str(plan.get("licence") or "not stated"),
        source=str(path),
        n_parameters=n_parameters(body),
    )

    @without_global_draws
    def build():
        whole = _network(kind, arguments, where)
        fill(whole, {**whole.state_dict(), **weights}, path)  # a decoder without weights is dropped below
        return MonaiEncoder(facts, spec, stages, _body(whole, kind)).freeze()

    return Reading(facts, spec, stages, f"{VERSION} {storage.canonical_json([kind, arguments])}", tuple(notes),
                   (0, 1, 2), build)  # fmt: skip


def _encoder_keys(network: nn.Module, kind: str) -> set[str]:
    roots = tuple(f"{part}." for stage in stage_names(network, kind) for part in stage)
    return {key for key in network.state_dict() if key.startswith(roots)}


def _matched(weights: dict, network: nn.Module, keep: set[str], path: Path, notes: list[str]) -> dict:
    """The file's tensors under the network's names; each must have its place, no encoder weight may be missing."""
    own = network.state_dict()
    for prefix in ("", "network.", "net.", "model.", "_model."):
        stripped = {key.removeprefix(prefix): value for key, value in weights.items()}
        if keep <= set(stripped):
            weights = stripped
            break
    # What lies outside the encoder may be missing, but what is in the file must fit.
    missing = [key for key in own if key not in weights and key not in keep]
    compare({key: value for key, value in own.items() if key not in missing}, weights, path)
    check_finite(weights, path)
    if missing:
        notes.append(f"{len(missing)} weights outside the encoder are not in the file, and not needed")
    return weights


def _input(given: dict, where: str, notes: list[str]):
    if not isinstance(given, dict):
        raise InputError(f"{where}: input must hold named values, got {given!r}.")
    for key in given:
        if key not in _INPUT:
            raise unknown_name(f"key of input in {where}", key, _INPUT)
    patch, spacing = given.get("patch"), given.get("spacing")
    normalisation = given.get("normalisation")
    if patch is None:
        patch = (96, 96, 96)
        notes.append("no patch stated: 96 voxels along each axis")
    whole = isinstance(patch, list | tuple) and all(type(size) is int and size > 0 for size in patch)
    if not whole or len(patch) != 3 or math.prod(patch) > MOST_VOXELS:
        raise InputError(
            f"{where}: input.patch must be three positive integers, at most {MOST_VOXELS} voxels, got {patch!r}."
        )
    if spacing is None:
        notes.append("no spacing stated: the task's own is used")
    elif not (
        isinstance(spacing, list | tuple)
        and len(spacing) == 3
        and all(type(mm) in (int, float) and math.isfinite(mm) and mm > 0 for mm in spacing)
    ):
        raise InputError(f"{where}: input.spacing must be three positive mm or null, got {spacing!r}.")
    if normalisation is None:
        normalisation = "zscore"
        notes.append("no normalisation stated: z-score over non-zero voxels")
    if normalisation not in NORMALISATIONS:
        raise unknown_name(f"input.normalisation of {where}", normalisation, NORMALISATIONS)
    return tuple(patch), None if spacing is None else tuple(float(mm) for mm in spacing), normalisation


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
        strides = {size / cells for size, cells in zip(patch, found.shape[2:], strict=True)}
        if len(strides) != 1 or not float(stride := strides.pop()).is_integer():
            raise InputError(
                f"{where}: stage {index} has {tuple(found.shape[2:])} cells for a patch {list(patch)}; the stride must "
                "be one whole number, equal along the axes. Anisotropic networks are not read; change the patch if "
                "it is no multiple of the network's strides."
            )
        stages.append(Stage(f"encoder.{index}", "encoder", int(found.shape[1]), int(stride)))
    if any(size < 2 * stages[-1].stride for size in patch):
        raise InputError(f"{where}: input.patch must be at least {2 * stages[-1].stride} along each axis.")
    return tuple(stages)
