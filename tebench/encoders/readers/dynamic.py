"""The networks of nnU-Net from the words of a plan: ResidualEncoderUNet and PlainConvUNet, encoders only.

Every argument is used or refused by name: none is passed over. Source: dynamic-network-architectures 0.4 (Isensee et
al. 2024, arXiv 2404.09556), whose parameter names these are.
"""

from __future__ import annotations

from pathlib import Path

import torch

from tebench.base.errors import InputError, unknown_name
from tebench.encoders import plainconv, resenc
from tebench.encoders.dynamic_blocks import Layers
from tebench.encoders.files.opened import Content
from tebench.encoders.files.plain import short
from tebench.encoders.files.stored import FLOATS, Stored
from tebench.encoders.states import Located, dicts_of, held, locate, prefixes, same_place
from tebench.encoders.weights import nearest, tensor

MOST_LAYERS, WIDEST = 1000, 2**16  # of plans, far above any network
_UNREAD = {  # arguments that the encoder does not depend on
    "n_stages", "n_conv_per_stage_decoder", "deep_supervision", "num_classes", "input_channels", "dropout_op",
    "dropout_op_kwargs", "stochastic_depth_p", "_kw_requires_import", "decoder_norm",
}  # fmt: skip
_ONLY = {  # argument: values for which the network is built here
    "conv_op": ("Conv3d",), "pool_type": ("conv", None), "pool": ("conv", None), "squeeze_excitation": (False, None),
    "nonlin_first": (False, None), "bottleneck_channels": (None,), "block": ("BasicBlockD", None),
    "disable_default_stem": (False, None), "squeeze_excitation_reduction_ratio": None,
}  # fmt: skip
_READ = {
    "features_per_stage", "kernel_sizes", "strides", "n_blocks_per_stage", "n_conv_per_stage", "conv_bias", "norm_op",
    "norm_op_kwargs", "nonlin", "nonlin_kwargs", "stem_channels",
}  # fmt: skip


def plan_of(residual: bool, given: dict, preset: resenc.Plan | None = None) -> resenc.Plan | plainconv.Plan:
    """The network's shape from `arch_kwargs`; what they leave open is the preset's.

    Raises
    ------
    InputError
        Arguments that are unknown, missing, or ask for a network that is not built here; without the file's name.
    """
    for key, value in given.items():
        if key not in _UNREAD | set(_ONLY) | _READ:
            raise unknown_name("arch_kwargs", str(key), sorted(_UNREAD | set(_ONLY) | _READ))
        allowed = _ONLY.get(key)
        if allowed and (last_word(value) if isinstance(value, str) else value) not in allowed:
            raise InputError(f"arch_kwargs {key}={short(value)} is not built here (known: {allowed[0]!r})")
    counts_key = "n_blocks_per_stage" if residual else "n_conv_per_stage"
    if not residual and counts_key not in given and "n_blocks_per_stage" in given:
        counts_key = "n_blocks_per_stage"  # nnssl's plans have one name for both
    if preset is None and ("features_per_stage" not in given or counts_key not in given):
        raise InputError(f"arch_kwargs lacks features_per_stage or {counts_key}")
    n_stages = _whole(given.get("n_stages") or _length(given.get("features_per_stage")) or len(preset.features))
    features = _each(given.get("features_per_stage"), n_stages, preset and preset.features)
    counts = _each(given.get(counts_key), n_stages, preset and preset.blocks)
    strides = _steps(given.get("strides"), n_stages, preset.strides if preset else (1, *[2] * (n_stages - 1)))
    kernels = _steps(given.get("kernel_sizes"), n_stages, (3,) * n_stages)
    stem = given.get("stem_channels")
    if stem not in (None, features[0]):
        raise InputError(f"arch_kwargs stem_channels={short(stem)} is not built here (known: {features[0]})")
    sizes = [size for step in (*strides, *kernels) for size in ((step,) if isinstance(step, int) else step)]
    if sum(counts) > MOST_LAYERS or not all(1 <= size <= WIDEST for size in (*features, *counts, *sizes)):
        raise InputError(f"arch_kwargs make no network that is read here ({sum(counts)} blocks, sizes {features})")
    layers = layers_of(given)
    if residual:
        plain = all(kernel == 3 for kernel in kernels)
        return resenc.Plan(features, counts, strides, kernels=() if plain else kernels, layers=layers)
    return plainconv.Plan(features, counts, strides, kernels, layers=layers)


def last_word(value: str) -> str:
    return value.rstrip("'>").rsplit(".", 1)[-1]


def layers_of(given: dict) -> Layers:
    """Norm, activation and bias, each argument used or refused."""
    norm = _choice(given, "norm_op", {"InstanceNorm3d": "instance", "BatchNorm3d": "batch"}, "InstanceNorm3d")
    # Presets have affine norms; arguments that leave it open mean torch's own default.
    words = _words(given, "norm_op_kwargs", ("eps", "affine", "track_running_stats", "momentum"))
    words = words if "norm_op_kwargs" in given else {"affine": True}
    eps, affine = words.get("eps", 1e-5), words.get("affine", norm == "batch")
    if bool(words.get("track_running_stats", norm == "batch")) != (norm == "batch"):
        raise InputError("norm_op_kwargs track_running_stats is not built here")
    if not isinstance(affine, bool) or type(eps) not in (int, float) or not 0 < eps < 1:
        raise InputError(f"norm_op_kwargs {short(given.get('norm_op_kwargs'))} is not built here")
    kinds = {"LeakyReLU": "leaky_relu", "ReLU": "relu", "GELU": "gelu"}
    activation = _choice(given, "nonlin", kinds, "LeakyReLU")
    words = _words(given, "nonlin_kwargs", ("inplace", "negative_slope", "approximate"))
    slope = words.get("negative_slope", 0.01)
    if type(slope) not in (int, float) or not 0 <= slope <= 1 or words.get("approximate", "none") != "none":
        raise InputError(f"nonlin_kwargs {short(given.get('nonlin_kwargs'))} is not built here")
    if activation != "leaky_relu":
        slope = 0.01  # not read: the default keeps equal networks equal
    bias = given.get("conv_bias", True)
    if not isinstance(bias, bool):
        raise InputError(f"arch_kwargs conv_bias={short(bias)} must be true or false")
    return Layers(norm, float(eps), affine, activation, float(slope), bias)


def _choice(given: dict, key: str, known: dict[str, str], default: str) -> str:
    value = given.get(key, default)
    if not isinstance(value, str) or last_word(value) not in known:
        raise InputError(f"arch_kwargs {key}={short(value)} is not built here (known: {', '.join(known)})")
    return known[last_word(value)]


def _words(given: dict, key: str, known: tuple[str, ...]) -> dict:
    found = given.get(key)
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise InputError(f"arch_kwargs {key} must hold named values, got {short(found)}")
    for name in found:
        if name not in known:
            raise unknown_name(f"key of {key}", str(name), sorted(known))
    return found


def _whole(value) -> int:
    if type(value) not in (int, float) or value != int(value) or not 0 < value <= WIDEST:
        raise InputError(f"a size must be a positive integer, got {short(value)}")
    return int(value)


def _length(value) -> int | None:
    return len(value) if isinstance(value, list) and len(value) <= MOST_LAYERS else None


def _each(value, n_stages: int, default) -> tuple[int, ...]:
    if value is None:
        return tuple(default)
    values = value if isinstance(value, list) else [value] * min(n_stages, MOST_LAYERS)
    if len(values) != n_stages:
        raise InputError(f"{short(value)} does not name {n_stages} stages")
    return tuple(_whole(item) for item in values)


def _steps(value, n_stages: int, default) -> tuple:
    """One integer a stage, or three where the axes differ."""
    if value is None:
        return tuple(default)
    values = value if isinstance(value, list) else [value] * min(n_stages, MOST_LAYERS)
    if len(values) != n_stages:
        raise InputError(f"{short(value)} does not name {n_stages} stages")
    found = []
    for step in values:
        sizes = tuple(_whole(size) for size in (step if isinstance(step, list) else [step] * 3))
        if len(sizes) != 3:
            raise InputError(f"{short(step)} is not of three axes: two-dimensional networks are not read")
        found.append(sizes[0] if len(set(sizes)) == 1 else sizes)
    return tuple(found)


def network_class(plan):
    return resenc.ResEnc if isinstance(plan, resenc.Plan) else plainconv.PlainConv


def version(plan) -> str:
    return resenc.VERSION if isinstance(plan, resenc.Plan) else plainconv.VERSION


def spell(key: str) -> str:
    """A name of the network as the files have it below `encoder.`"""
    return "stages." + key.removeprefix("levels.") if key.startswith("levels.") else key


def find(content: Content, plan, facts, spec, prefer: str | None, notes: list[str]) -> Located:
    """The encoder's weights under the files' names, without the duplicates of convolution blocks."""
    with torch.device("meta"):
        own = network_class(plan)(facts, spec, plan).state_dict()
    needed = {spell(key): value for key, value in own.items()}
    anchors = [name for name in needed if name.endswith(".conv.weight")][:1]
    choices = {place: _without_twins(weights, notes, content.path) for place, weights in dicts_of(content).items()}
    return locate(content, needed, anchors, ("stages.", "stem."), choices=choices, prefer=prefer)


def stem_shape(content: Content, residual: bool, prefer: str | None = None) -> tuple[int, ...]:
    """The shape of the weight that reads the input, wherever it is in the file."""
    anchors = [f"{part}.{block}.weight" for part in (("stem.convs.0",) if residual else ("stages.0.0.convs.0",))
               for block in ("conv", "all_modules.0")]  # fmt: skip
    found = [
        (before + anchor, weights[before + anchor])
        for weights in dicts_of(content).values()
        for anchor in anchors
        for before in prefixes(weights, anchor)
        if prefer is None or before.endswith(prefer)
    ]
    if not found:
        names = {name: None for weights in dicts_of(content).values() for name in weights}
        wanted = (prefer or "") + anchors[0]
        near = ", ".join(nearest(wanted, names))
        raise InputError(
            f"checkpoint {content.path}: no weight ends with {wanted!r} (nearest: {near}). {held(content)}"
        )
    name, stem = found[0]
    if stem.ndim != 5:
        raise InputError(
            f"checkpoint {content.path}: weight {name!r} has shape {stem.shape} and is stored as {stem.dtype}; "
            "expected a kernel of five axes."
        )
    return stem.shape


def _without_twins(weights: dict[str, Stored], notes: list[str], path: Path) -> dict[str, Stored]:
    """`x.all_modules.0` is the same tensor as `x.conv`, `.1` as `x.norm`; one of the two is enough."""
    found = {key: value for key, value in weights.items() if ".all_modules." not in key}
    differ = 0
    for key, value in weights.items():
        head, middle, tail = key.partition(".all_modules.")
        if middle:
            index, _, leaf = tail.partition(".")
            kept = found.setdefault(
                f"{head}.{ {'0': 'conv', '1': 'norm'}.get(index, 'all_modules.' + index) }.{leaf}", value
            )
            differ += not (kept is value or same_place(kept, value)) and not _equal(kept, value, key, path)
    if differ:
        notes.append(f"{differ} duplicated weights (all_modules) differ from conv / norm; the latter are used")
    return found


def _equal(one: Stored, other: Stored, key: str, path: Path) -> bool:
    if one.dtype not in FLOATS or one.dtype != other.dtype or one.shape != other.shape:
        return (one.dtype, one.shape) == (other.dtype, other.shape)  # counters: their values are not read
    return torch.equal(tensor(one, key, path), tensor(other, key, path))
