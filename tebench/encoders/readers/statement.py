"""What a user states of a checkpoint in a small file beside it: NAME.json or NAME.yaml. It outranks the checkpoint.

    checkpoint_final.yaml:
        input: {patch: [96, 96, 96], spacing: [1.5, 1.5, 1.5], normalisation: "window(-175,250,0,1)"}
        token_order: w h d             # of Primus
        orientation: RAS               # the images lie as its reader turned them
        title: ...  pretraining: ...  training_data: ...  licence: ...     (words for tables)

MONAI networks that do not say which they are also take `network` and `arguments`, see `monai_networks`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from pathlib import Path

from tebench.base.errors import InputError, unknown_name
from tebench.encoders.base import InputSpec
from tebench.encoders.bounded import MOST_VOXELS
from tebench.encoders.files.beside import beside
from tebench.encoders.files.plain import short
from tebench.encoders.normalisation import parse

WORDS = ("title", "pretraining", "training_data", "licence")
KEYS = ("network", "arguments", "input", "token_order", "orientation", *WORDS)
INPUT = ("patch", "spacing", "normalisation")


def file_names(path: Path) -> tuple[str, ...]:
    return tuple(f"{Path(path).stem}.{ending}" for ending in ("json", "yaml", "yml"))


@dataclass(frozen=True)
class Statement:
    """values: as the file has them, keys checked.   where: words for messages."""

    where: str
    values: dict = field(default_factory=dict)

    @property
    def input(self) -> dict:
        return self.values.get("input") or {}

    def get(self, key: str, default=None):
        return self.values.get(key, default)

    def words(self, **found: str) -> dict[str, str]:
        """Words for tables: as stated, else as found."""
        return {key: str(self.values.get(key) or found.get(key) or "not stated") for key in WORDS}

    def apply(self, spec: InputSpec, notes: list[str]) -> InputSpec:
        """The input with what is stated in place of what was found; a stated patch is raised to the divisor."""
        if "patch" in self.input:
            spec = replace(spec, patch=raised(self.patch(), spec.divisor, notes))
        if "spacing" in self.input:
            spec = replace(spec, spacing=self.spacing())
        if "normalisation" in self.input:
            spec = replace(spec, normalisation=self.normalisation(spec.channels))
        return spec

    def patch(self) -> tuple[int, int, int]:
        patch = self.input["patch"]
        whole = isinstance(patch, list | tuple) and all(type(size) is int and size > 0 for size in patch)
        if not whole or len(patch) != 3 or math.prod(patch) > MOST_VOXELS:
            raise InputError(
                f"{self.where}: input.patch must be three positive integers, at most {MOST_VOXELS} voxels, "
                f"got {short(patch)}."
            )
        return tuple(patch)

    def spacing(self) -> tuple[float, float, float] | None:
        spacing = self.input["spacing"]
        if spacing is None:
            return None
        if not (
            isinstance(spacing, list | tuple)
            and len(spacing) == 3
            and all(type(mm) in (int, float) and math.isfinite(mm) and mm > 0 for mm in spacing)
        ):
            raise InputError(f"{self.where}: input.spacing must be three positive mm or null, got {short(spacing)}.")
        return tuple(float(mm) for mm in spacing)

    def normalisation(self, channels: int) -> str:
        stated = self.input["normalisation"]
        if isinstance(stated, list):
            stated = "|".join(map(str, stated))
        try:
            steps = [parse(step) for step in str(stated).split(">")]
        except InputError as error:
            raise type(error)(f"{self.where}: input.normalisation: {error}") from error
        for schemes in steps:
            if len(schemes) not in (1, channels):
                raise InputError(
                    f"{self.where}: input.normalisation is for {len(schemes)} channels, the network reads {channels}."
                )
        return ">".join("|".join(map(str, schemes)) for schemes in steps)


def statement(path: Path) -> Statement:
    """What is stated beside the checkpoint; an empty statement where nothing is."""
    where = f"the file beside checkpoint {path}"
    found = beside(path, *file_names(path))
    if not found or not set(map(str, found)) & set(KEYS):
        return Statement(where)
    for key in found:
        if key not in KEYS:
            raise unknown_name(f"key of {where}", str(key), KEYS)
    given = found.get("input") or {}
    if not isinstance(given, dict):
        raise InputError(f"{where}: input must hold named values, got {short(given)}.")
    for key in given:
        if key not in INPUT:
            raise unknown_name(f"key of input in {where}", str(key), INPUT)
    return Statement(where, found)


def raised(patch, divisor: int, notes: list[str]) -> tuple[int, int, int]:
    """The patch with each edge raised to a multiple of the divisor."""
    found = tuple(-(-int(size) // divisor) * divisor for size in patch)
    if found != tuple(patch):
        notes.append(f"patch size {list(patch)} raised to {list(found)}, multiples of {divisor}")
    return found
