"""Swin UNETR and its descendants, their size read from the weights: MONAI's releases, VoCo, BrainSegFounder, SuPreM.

Where the convolutions of Swin UNETR are in the file, its six skips are the stages; where only swinViT is, as after
self-supervision, its five hidden states. Source: Hatamizadeh et al. 2022, arXiv 2201.01266; MONAI's SwinUNETR.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from tebench.base.errors import InputError
from tebench.encoders.files.opened import Content
from tebench.encoders.files.stored import Stored
from tebench.encoders.readers import monai_networks, released
from tebench.encoders.readers.statement import Statement
from tebench.encoders.reading import Reading
from tebench.encoders.states import dicts_of

_KEY = re.compile(r"(?P<before>(?:.*?\.)?)(?P<rest>(?:patch_embed|layers[1-4]c?)\..+)")
_DAE = re.compile(r"^(layers[1-4])\.0\.0\.")
_BLOCK = re.compile(r".*?layers([1-4])\.0\.blocks\.(\d+)\.attn\.relative_position_bias_table")
_CONVOLUTIONS = ("encoder1.", "encoder2.", "encoder3.", "encoder4.", "encoder10.")
_HEADS = ("controller", "organ_embedding", "text_to_vision", "precls_conv", "GAP")


def spelled(weights: dict[str, Stored]) -> dict[str, Stored]:
    """MONAI's names for those of its releases: `mlp.fc1`, a swinViT without its name, DAE's `layers1.0.0`."""
    found = {}
    for key, value in weights.items():
        match = _KEY.fullmatch(key)
        if match:
            rest = _DAE.sub(r"\1.0.", match["rest"].replace("mlp.fc", "mlp.linear"))
            key = f"{match['before'].removesuffix('swinViT.')}swinViT.{rest}"
        found[key] = value
    return found


def _choices(content: Content) -> dict[str, dict[str, Stored]]:
    if "swin" not in content.found:
        content.found["swin"] = {place: spelled(weights) for place, weights in dicts_of(content).items()}
    return content.found["swin"]


def size_of(content: Content) -> dict | None:
    """MONAI's arguments from shapes, with `full` and the weights' names; None where there is no swinViT."""
    for weights in _choices(content).values():
        stem = next((key for key in weights if key.endswith("swinViT.patch_embed.proj.weight")), None)
        if stem is None or weights[stem].ndim != 5:
            continue
        before = stem.removesuffix("swinViT.patch_embed.proj.weight")
        tables = {(int(m[1]), int(m[2])): weights[key].shape for key in weights
                  if key.startswith(before) and (m := _BLOCK.fullmatch(key.removeprefix(before)))}  # fmt: skip
        if not {(layer, 0) for layer in (1, 2, 3, 4)} <= set(tables):
            continue
        edge = round(tables[1, 0][0] ** (1 / 3))
        return {
            "in_channels": weights[stem].shape[1],
            "out_channels": 1,
            "feature_size": weights[stem].shape[0],
            "patch_size": weights[stem].shape[2],
            "window_size": (edge + 1) // 2,
            "depths": [sum(layer == number for number, _ in tables) for layer in (1, 2, 3, 4)],
            "num_heads": [tables[layer, 0][1] for layer in (1, 2, 3, 4)],
            "use_v2": any("swinViT.layers1c." in key for key in weights),
            "full": any(key.startswith(tuple(f"{before}{root}" for root in _CONVOLUTIONS)) for key in weights),
        }
    return None


def _names(content: Content) -> set[str]:
    return {part for weights in _choices(content).values() for key in weights for part in key.split(".")}


@dataclass(frozen=True)
class Variant:
    """One family of such files. fits: (arguments, parts of names) -> whether it is this one."""

    fits: Callable
    input: Callable

    def recognise(self, content: Content) -> str | None:
        size = size_of(content)
        if size is None or not self.fits(size, _names(content)):
            return None
        return f"swinViT weights, {size['in_channels']} channels{', v2' if size['use_v2'] else ''}"

    def read(self, content: Content, name: str, stated: Statement, *, channels: int | None = None) -> Reading:
        if channels is not None:
            raise InputError(f"checkpoint {content.path}: channels= is for nnssl files.")
        size = dict(size_of(content))
        full = size.pop("full")
        known = self.input(size, full, content)
        notes = [] if {"spacing", "normalisation", "patch"} <= set(stated.input) else [known.note()]
        if not full:
            notes.append("only swinViT is in the file: the stages are its hidden states, without convolutions")
        where = f"checkpoint {content.path}: Swin UNETR of its weights' size"
        return monai_networks.describe(
            content, name, "SwinUNETR" if full else "SwinViT", size, stated, where, stated.words(**known.words()),
            notes, known.spec(size["in_channels"]), _choices(content),
        )  # fmt: skip


def _swin(size: dict, full: bool, content: Content) -> released.Released:
    if any("mask_token" in weights or "encoder.mask_token" in weights for weights in dicts_of(content).values()):
        return released.DAE
    return (released.BRATS if size["in_channels"] == 4 else released.BTCV) if full else released.SWIN_SSL


suprem = Variant(lambda size, names: bool(names & set(_HEADS)), lambda *_: released.SUPREM)
voco = Variant(lambda size, names: size["use_v2"], lambda *_: released.VOCO)
brainsegfounder = Variant(lambda size, names: size["in_channels"] == 2, lambda *_: released.BRAINSEGFOUNDER)
swin = Variant(lambda size, names: True, _swin)
