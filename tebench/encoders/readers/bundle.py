"""MONAI bundles: weights in `models/`, and in `configs/` the network and the preprocessing, read as data.

No `_target_` is instantiated beyond the networks that are known here, and no expression ($...) is evaluated: references
(@name, @a#b) are looked up, what remains unknown is taken from the weights or refused by name. Of the transforms those
are used that decide an encoder's input: Spacing, Orientation, and the scaling of intensities.
"""

from __future__ import annotations

import re
from pathlib import Path

from tebench.base.errors import InputError
from tebench.encoders.base import InputSpec
from tebench.encoders.files.beside import load
from tebench.encoders.files.opened import Content
from tebench.encoders.files.plain import short
from tebench.encoders.readers import monai_networks
from tebench.encoders.readers.statement import Statement
from tebench.encoders.reading import Reading
from tebench.encoders.states import dicts_of, prefixes

CONFIGS = ("inference", "train", "evaluate")
STEMS = {
    "UNet": ("model.0.conv.unit0.conv.weight", "model.0.conv.weight"), "DynUNet": ("input_block.conv1.conv.weight",),
    "SegResNet": ("convInit.conv.weight",), "SwinUNETR": ("swinViT.patch_embed.proj.weight",),
}  # fmt: skip
DROPPED = ("img_size",)  # of networks, obsolete in MONAI
_UNKNOWN = object()


def sidecars(path: Path) -> list[Path]:
    """configs/NAME.json or .yaml beside the folder of the weights, or in it."""
    folders = [path.absolute().parent.parent / "configs", path.absolute().parent / "configs"]
    files = [
        folder / f"{name}.{ending}" for folder in folders for name in CONFIGS for ending in ("json", "yaml", "yml")
    ]
    return [file for file in files if file.is_file()]


def recognise(content: Content) -> str | None:
    """Which configuration names the network, or None."""
    for file in sidecars(content.path):
        if _network(load(file)):
            return f"{file.parent.name}/{file.name} beside it"
    return None


def _network(config: dict) -> dict | None:
    for key in ("network_def", "network", "net", "model"):
        found = config.get(key)
        if isinstance(found, dict) and "_target_" in found:
            return found
    return None


def read(content: Content, name: str, stated: Statement, *, channels: int | None = None) -> Reading:
    """The encoder of the bundle's weights, with the preprocessing of the same configuration."""
    if channels is not None:
        raise InputError(f"checkpoint {content.path}: channels= is for nnssl files.")
    file = next(file for file in sidecars(content.path) if _network(load(file)))
    config = load(file)
    where = f"{file.parent.name}/{file.name} of checkpoint {content.path}"
    arguments = {key: _resolve(value, config) for key, value in _network(config).items()}
    kind = str(arguments.pop("_target_")).rsplit(".", 1)[-1]
    if kind not in monai_networks.NETWORKS:
        raise InputError(
            f"{where}: its network is {kind[:80]}; read are {', '.join(monai_networks.NETWORKS)}. Register a reader "
            "for it: plugins=[file.py], see docs/own_data.md."
        )
    notes: list[str] = []
    arguments = _arguments(kind, arguments, content, where, notes)
    spec = _input(config, arguments["in_channels"], where, stated, notes)
    about = file.with_name("metadata.json")
    about = load(about) if about.is_file() else {}
    words = {
        "title": f"{kind}, {about.get('name') or name}",
        "pretraining": f"supervised: {about.get('task') or about.get('description') or 'not stated'}",
        "training_data": str(about.get("data_source") or "not stated"),
        "licence": str(about.get("license") or "see the bundle's LICENSE"),
    }
    return monai_networks.describe(content, name, kind, arguments, stated, where, stated.words(**words), notes, spec)


def _resolve(value, config: dict, depth: int = 0):
    """A value with its references looked up; _UNKNOWN for an expression, or a reference to one."""
    if depth > 20:
        return _UNKNOWN
    if isinstance(value, str) and value.startswith("$"):
        inner = re.fullmatch(r"\$(@[\w#]+)", value)
        return _resolve(inner[1], config, depth + 1) if inner else _UNKNOWN
    if isinstance(value, str) and value.startswith("@"):
        found = config
        for part in re.split(r"#|::", value[1:]):
            if isinstance(found, list) and part.isdigit() and int(part) < len(found):
                found = found[int(part)]
            elif isinstance(found, dict) and part in found:
                found = found[part]
            else:
                return _UNKNOWN
        return _resolve(found, config, depth + 1)
    if isinstance(value, list):
        parts = [_resolve(item, config, depth + 1) for item in value[:1000]]
        return _UNKNOWN if any(part is _UNKNOWN for part in parts) else parts
    if isinstance(value, dict):
        parts = {key: _resolve(item, config, depth + 1) for key, item in value.items()}
        return _UNKNOWN if any(part is _UNKNOWN for part in parts.values()) else parts
    return value


def _arguments(kind: str, arguments: dict, content: Content, where: str, notes: list[str]) -> dict:
    """Those of the class, without obsolete ones; channels that an expression would give come from the weights."""
    found = {}
    for key, value in arguments.items():
        if key in DROPPED or key.startswith("_"):
            continue
        if value is _UNKNOWN and key == "out_channels":
            value = 2  # of the head, which is not read
        elif value is _UNKNOWN and key == "spatial_dims":
            value = 3
        elif value is _UNKNOWN and key == "in_channels":
            continue
        elif value is _UNKNOWN:
            raise InputError(f"{where}: the network's {key} is an expression, which is not evaluated. Write its value.")
        if isinstance(value, str) and value.startswith("torch.nn."):
            raise InputError(f"{where}: the network's {key} {short(value)} is no plain value.")
        found[key] = value
    if "in_channels" not in found:
        shapes = [weights[before + stem].shape for weights in dicts_of(content).values() for stem in STEMS[kind]
                  for before in prefixes(weights, stem) if weights[before + stem].ndim == 5]  # fmt: skip
        if not shapes:
            raise InputError(
                f"{where}: in_channels is not stated, and the weights hold none of {', '.join(STEMS[kind])}."
            )
        found["in_channels"] = int(shapes[0][1])
        notes.append(f"in_channels is an expression in {where.split(' of ')[0]}; the stem reads {shapes[0][1]}")
    return found


def _transforms(config: dict) -> list[dict]:
    """Of the first preprocessing chain that is there, in order, references resolved."""
    places = (
        "preprocessing",
        "preprocessing_transforms",
        "train#preprocessing",
        "validate#preprocessing",
        "transforms",
    )
    for place in places:
        found = _resolve_shallow(f"@{place}", config)
        chain = found.get("transforms") if isinstance(found, dict) else found
        chain = _resolve_shallow(chain, config)
        if isinstance(chain, list) and chain:
            steps = [_resolve_shallow(step, config) for step in chain]
            return [{k: _resolve(v, config) for k, v in step.items()} for step in steps if isinstance(step, dict)]
    return []


def _resolve_shallow(value, config: dict):
    seen = 0
    while isinstance(value, str) and value.startswith("@") and seen < 20:
        seen, found = seen + 1, config
        for part in re.split(r"#|::", value[1:]):
            found = found.get(part) if isinstance(found, dict) else None
        value = found
    return value


def _input(config: dict, channels: int, where: str, stated: Statement, notes: list[str]) -> InputSpec:
    """Spacing, normalisation and window of the configuration."""
    spacing, schemes, turned = None, [], None
    for step in _transforms(config):
        kind = str(step.get("_target_")).rsplit(".", 1)[-1].removesuffix("d").removesuffix("Dict")
        if kind == "Spacing":
            pixdim = step.get("pixdim")
            if pixdim is _UNKNOWN and "spacing" not in stated.input:
                raise InputError(
                    f"{where}: pixdim of Spacing is an expression. State input: {{spacing: ...}} beside the file."
                )
            spacing = pixdim
        elif kind == "Orientation":
            turned = step.get("axcodes")
        elif (scheme := _scheme(kind, step, where)) is not None:
            schemes.append(scheme)
        elif kind not in _HARMLESS:
            notes.append(f"its preprocessing also has {kind[:60]}, which is not done here")
    if turned not in (None, "RAS") or (turned == "RAS" and stated.get("orientation") != "RAS"):
        notes.append(f"images were turned to {short(turned)} in training; here they are read as they lie")
    if not schemes:
        notes.append("no scaling of intensities in its preprocessing: values are read as they are")
    patch = _resolve(
        (config.get("inferer") or {}).get("roi_size") if isinstance(config.get("inferer"), dict) else None, config
    )
    if not isinstance(patch, list) or len(patch) != 3 or not all(type(n) is int and 0 < n <= 512 for n in patch):
        patch = [96, 96, 96]
        notes.append("no window of three edges in its inferer: 96 voxels along each axis")
    return InputSpec(channels, ">".join(_effective(schemes)) or "none", _mm(spacing, where, notes), tuple(patch), 1)


_HARMLESS = {
    "LoadImage", "EnsureChannelFirst", "EnsureType", "CastToType", "ToTensor", "EnsureChannelFirstD", "AsChannelFirst",
    "AddChannel", "Identity", "CropForeground", "ToDevice", "DeleteItems", "CopyItems", "SelectItems",
    "RandCropByPosNegLabel",
    "RandFlip", "RandRotate90", "RandScaleIntensity", "RandShiftIntensity", "SpatialPad", "DivisiblePad",
    "RandSpatialCrop", "ConvertToMultiChannelBasedOnBratsClasses", "Resized", "RandZoom", "RandGaussianNoise",
}  # fmt: skip


def _mm(spacing, where: str, notes: list[str]):
    if spacing is None or spacing is _UNKNOWN:
        notes.append("no Spacing in its preprocessing: the task's own is used")
        return None
    values = [spacing] * 3 if type(spacing) in (int, float) else spacing
    if (
        not isinstance(values, list)
        or len(values) != 3
        or not all(type(mm) in (int, float) and mm > 0 for mm in values)
    ):
        raise InputError(f"{where}: pixdim of Spacing must be three positive mm, got {short(spacing)}.")
    return tuple(float(mm) for mm in values)


def _scheme(kind: str, step: dict, where: str) -> str | None:
    """A scaling of intensities as a scheme of `normalisation`; None for any other transform."""
    numbers = {
        "ScaleIntensityRange": ("a_min", "a_max", "b_min", "b_max"),
        "ScaleIntensityRangePercentiles": ("lower", "upper", "b_min", "b_max"),
    }
    if kind in numbers:
        defaults = {"b_min": 0, "b_max": 1} if kind == "ScaleIntensityRange" else {}
        values = [step.get(key, defaults.get(key)) for key in numbers[kind]]
        if any(type(value) not in (int, float) for value in values):
            raise InputError(f"{where}: {kind} does not state {', '.join(numbers[kind])} as numbers.")
        clipped = step.get("clip", False)
        if kind == "ScaleIntensityRangePercentiles" and (not clipped or step.get("relative")):
            raise InputError(f"{where}: {kind} without clip, or with relative, is not available here.")
        name = "percentiles" if kind != "ScaleIntensityRange" else "window" if clipped else "scale"
        return f"{name}({','.join(f'{value:g}' for value in values)})"
    if kind == "ScaleIntensity":
        low, high = step.get("minv", 0.0), step.get("maxv", 1.0)
        if type(low) not in (int, float) or type(high) not in (int, float) or step.get("factor") is not None:
            raise InputError(
                f"{where}: ScaleIntensity with minv {short(low)}, maxv {short(high)} is not available here."
            )
        return f"minmax({low:g},{high:g})"
    if kind == "NormalizeIntensity":
        if step.get("subtrahend") is not None or step.get("divisor") is not None:
            raise InputError(f"{where}: NormalizeIntensity with subtrahend or divisor is not available here.")
        return "zscore" if str(step.get("nonzero", False)) == "True" else "zscore_image"
    return None


def _effective(schemes: list[str]) -> list[str]:
    """Without steps that the next one undoes: an increasing line over all voxels before a scaling over all voxels."""
    found: list[str] = []
    for scheme in schemes:
        while (
            found
            and found[-1].startswith(("minmax", "zscore_image", "scale("))
            and scheme.startswith(("minmax", "zscore_image", "percentiles"))
        ):
            found.pop()
        found.append(scheme)
    return found
