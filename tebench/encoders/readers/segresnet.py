"""SegResNet of MONAI, its size read from the weights (SuPreM's among them), and CT-FM's encoder.

Sources: Myronenko 2018, arXiv 1810.11654; MONAI's SegResNet and SegResEncoder; CT-FM:
arXiv 2501.09001.
"""

from __future__ import annotations

import re
from pathlib import Path

from tebench.base.errors import InputError
from tebench.encoders.axes import REVERSED
from tebench.encoders.files.beside import load
from tebench.encoders.files.opened import Content
from tebench.encoders.readers import monai_networks, released
from tebench.encoders.readers.statement import Statement
from tebench.encoders.reading import Reading
from tebench.encoders.states import dicts_of

_STEM = "convInit.conv.weight"
_CTFM_STEM = "conv_init.weight"


def _weights(content: Content, stem: str) -> tuple[dict, str] | None:
    """(tensors, prefix) of the dict that holds the stem."""
    for weights in dicts_of(content).values():
        for key, value in weights.items():
            if (key == stem or key.endswith("." + stem)) and value.ndim == 5:
                return weights, key.removesuffix(stem)
    return None


def _blocks(weights: dict, pattern: str, first: int = 0) -> list[int]:
    """How many blocks each level has, from names; group 1 is the level, group 2 the block."""
    counts: dict[int, set[int]] = {}
    for key in weights:
        if match := re.fullmatch(pattern, key):
            counts.setdefault(int(match[1]), set()).add(int(match[2]))
    levels = sorted(counts)
    return [len(counts[level]) for level in levels] if levels == list(range(len(levels))) else []


def recognise(content: Content) -> str | None:
    """What says that this is a SegResNet, or None."""
    found = _weights(content, _STEM)
    if found and any(".resize_1" in key or "down_layers." in key for key in found[0]):
        return f"weights such as {found[1]}{_STEM}"
    return None


def is_suprem(content: Content) -> bool:
    return isinstance(content.values.get("net"), dict) and "epoch" in content.values


def read(content: Content, name: str, stated: Statement, *, channels: int | None = None) -> Reading:
    """The encoder of one file: level k has down_layers.k, whose first part (but for level 0) is its convolution."""
    if channels is not None:
        raise InputError(f"checkpoint {content.path}: channels= is for nnssl files.")
    weights, prefix = _weights(content, _STEM)
    counts = _blocks(weights, re.escape(prefix) + r"down_layers\.(\d+)\.(\d+)\.conv1\.conv\.weight")
    arguments = {
        "spatial_dims": 3, "in_channels": weights[prefix + _STEM].shape[1],
        "init_filters": weights[prefix + _STEM].shape[0], "blocks_down": counts, "blocks_up": [1] * (len(counts) - 1),
    }  # fmt: skip
    known = released.SUPREM if is_suprem(content) else released.SEGRESNET
    notes = ["group normalisation of 8 groups and ReLU are assumed (MONAI's defaults): the weights do not say"]
    if not {"spacing", "normalisation", "patch"} <= set(stated.input):
        notes.append(known.note())
    where = f"checkpoint {content.path}: SegResNet of its weights' size"
    return monai_networks.describe(
        content, name, "SegResNet", arguments, stated, where, stated.words(**known.words()), notes,
        known.spec(arguments["in_channels"]),
    )  # fmt: skip


class _CTFM:
    """CT-FM: MONAI's SegResEncoder, alone or inside SegResNetDS, with Hugging Face's config.json beside it."""

    def recognise(self, content: Content) -> str | None:
        found = _weights(content, _CTFM_STEM)
        if found and any(re.search(r"layers\.0\.blocks\.0\.norm1\.", key) for key in found[0]):
            return f"weights such as {found[1]}{_CTFM_STEM}"
        return None

    def sidecars(self, path: Path) -> list[Path]:
        file = path.parent / "config.json"
        return [file] if file.is_file() else []

    def read(self, content: Content, name: str, stated: Statement, *, channels: int | None = None) -> Reading:
        if channels is not None:
            raise InputError(f"checkpoint {content.path}: channels= is for nnssl files.")
        weights, prefix = _weights(content, _CTFM_STEM)
        counts = _blocks(weights, re.escape(prefix) + r"layers\.(\d+)\.blocks\.(\d+)\.conv1\.weight")
        batch = f"{prefix}layers.0.blocks.0.norm1.running_mean" in weights
        arguments = {
            "spatial_dims": 3, "in_channels": weights[prefix + _CTFM_STEM].shape[1],
            "init_filters": weights[prefix + _CTFM_STEM].shape[0], "blocks_down": counts,
            "norm": "batch" if batch else "instance",
        }  # fmt: skip
        notes = []
        for file in self.sidecars(content.path):
            stated_blocks = load(file).get("blocks_down")
            if stated_blocks is not None and stated_blocks != counts:
                notes.append(f"config.json says blocks_down {stated_blocks!r:.80}, the weights have {counts}")
        if not batch:
            notes.append("instance normalisation is assumed: the weights hold no running statistics")
        known = released.CTFM
        if not {"spacing", "normalisation", "patch"} <= set(stated.input):
            notes.append(known.note())
        notes.append("it read arrays whose axes point to superior, posterior, left; here axes are turned, not mirrored")
        where = f"checkpoint {content.path}: SegResEncoder of its weights' size"
        return monai_networks.describe(
            content, name, "SegResEncoder", arguments, stated, where, stated.words(**known.words()), notes,
            known.spec(arguments["in_channels"]), None, REVERSED,
        )  # fmt: skip


ctfm = _CTFM()
