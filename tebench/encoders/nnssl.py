"""Checkpoints in the nnssl / OpenMind format: a dict with `network_weights` and `nnssl_adaptation_plan`.

Wald et al. 2024, arXiv 2412.17041. The plan says which architecture, which keys, and how the images were
prepared: arrays (z, y, x), `transpose_forward`, crop to the non-zero voxels, z-score over the whole crop,
resampling (spacing). What the file says decides; what is unusual is said in `Reading.warnings`.
"""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import torch

from tebench.base.errors import InputError, TebenchError
from tebench.encoders import primus, resenc
from tebench.encoders.base import EncoderFacts, InputSpec
from tebench.encoders.bounded import MOST_VOXELS
from tebench.encoders.initialisation import without_global_draws
from tebench.encoders.reading import Reading, n_parameters
from tebench.encoders.weights import beside, check_finite, compare, fill, nearest, unwrapped

PRIMUS = {"PrimusS": primus.S, "PrimusB": primus.B, "PrimusM": primus.M, "PrimusL": primus.L}
RESENC = ("ResEncL", "NoSkipResEncL", "ResidualEncoderUNet")
SIDECAR = "adaptation_plan.json"
MOST_LAYERS, WIDEST = 1000, 2**16  # of plans, far above any network
NORMALISATION = {("ZScoreNormalization", False): "zscore_all", ("ZScoreNormalization", True): "zscore"}


def is_nnssl(content: dict, path: Path) -> bool:
    if "nnssl_adaptation_plan" in content:
        return True
    found = beside(path, SIDECAR)
    return bool(found) and "architecture_plans" in found


def read(content: dict, path: Path, name: str, *, channels: int | None = None) -> Reading:
    """The encoder of one file. channels: input channels; more than pre-training had repeats the stem, divided by C."""
    try:
        return _read(content, path, name, channels)
    except TebenchError:
        raise
    except Exception as error:  # a plan can hold anything anywhere
        raise InputError(f"checkpoint {path}: its plan cannot be read ({type(error).__name__}: {error}).") from error


@without_global_draws
def _read(content: dict, path: Path, name: str, channels: int | None) -> Reading:
    plan = content.get("nnssl_adaptation_plan") or beside(path, SIDECAR)
    if not isinstance(plan, dict):
        raise InputError(f"checkpoint {path}: nnssl_adaptation_plan must hold named values, got {plan!r}.")
    raw = content.get("network_weights") or content.get("state_dict")
    if not isinstance(raw, dict) or not raw:
        raise InputError(f"checkpoint {path} has an nnssl plan but no network_weights; it holds {sorted(content)}.")
    notes: list[str] = []
    architecture, shape = _shape(plan, path)
    if architecture != "ResidualEncoderUNet" and shape != PRIMUS.get(architecture, resenc.L):
        notes.append(f"arch_kwargs make it another shape than {architecture}'s own")
    configuration = _configuration(plan, content, path, notes)
    weights, ignored = _own_weights(unwrapped(raw), plan, architecture, path, notes)
    trained = _channels(plan, shape, weights, path, notes)
    weights = _widened(weights, shape, trained, channels, path)
    shape = replace(shape, channels=channels or trained)
    trainer = str(content.get("trainer_name") or "trainer not stated")
    if isinstance(shape, primus.Plan):
        shape = replace(shape, grid=_grid(weights, shape, configuration, path, notes), order=_order(trainer, path))
        network_class, version, divisor = primus.Primus, primus.VERSION, shape.patch
    else:
        network_class, version, divisor = resenc.ResEnc, resenc.VERSION, shape.stages[-1].stride
    axes = _axes(plan, path, notes)
    spec = InputSpec(
        channels=shape.channels,
        normalisation=_normalisation(configuration, path),
        spacing=_spacing(configuration, axes, path, notes),
        patch=_patch(plan, configuration, axes, divisor, path, notes),
        divisor=divisor,
    )
    pretrain = plan.get("pretrain_plan") or {}
    facts = EncoderFacts(
        name=name,
        title=f"{architecture}, {trainer}",
        architecture=architecture,
        pretraining=f"self-supervised: {trainer}",
        training_data=str(pretrain.get("dataset_name") or "not stated"),
        licence="not stated in the file",
        source=str(path),
        n_parameters=0,
    )
    with torch.device("meta"):
        shell = network_class(facts, spec, shape)
    facts = replace(facts, n_parameters=n_parameters(shell))
    spell = _spell(network_class)
    compare({spell(key): value for key, value in shell.state_dict().items()}, weights, path)
    check_finite(weights, path)
    extra = sorted(set(content) - {"network_weights", "nnssl_adaptation_plan", "init_args", "trainer_name", "citations",
                                   "state_dict", "metadata"})  # fmt: skip
    if extra:
        notes.append(f"also holds {', '.join(extra)}; not needed here")
    if ignored:
        notes.append(f"not read: {ignored} of the file's weights, outside the encoder (decoder, heads, duplicates)")

    def build():
        network = network_class(facts, spec, shape, axes)
        return fill(network, weights, path, spell).freeze()

    return Reading(facts, spec, shape.stages, version, tuple(notes), axes, build)


def _spell(network_class):
    if network_class is resenc.ResEnc:
        return lambda key: "stages." + key.removeprefix("levels.") if key.startswith("levels.") else key
    return lambda key: key


def _shape(plan: dict, path: Path):
    """(architecture's name, plan of the network): the preset, overlaid with `arch_kwargs` where there are any."""
    stated = plan.get("architecture_plans")
    name = stated.get("arch_class_name") if isinstance(stated, dict) else plan.get("architecture_name")
    given = (stated.get("arch_kwargs") if isinstance(stated, dict) else None) or {}
    known = [*RESENC, *PRIMUS]
    if name not in known:
        near = ", ".join(nearest(str(name), known))
        raise InputError(
            f"checkpoint {path} names architecture {name!r}, which is not known here (nearest: {near}). "
            "Wrap it as a class of the entry point group `tebench.encoders`."
        )
    try:
        if name in PRIMUS:
            shape = PRIMUS[name]
            patch = given.get("patch_embed_size", shape.patch)
            patch = _one(patch, "patch_embed_size") if isinstance(patch, list | tuple) else int(patch)
            shape = replace(
                shape,
                width=int(given.get("embed_dim", shape.width)),
                depth=int(given.get("eva_depth", shape.depth)),
                heads=int(given.get("eva_numheads", shape.heads)),
                patch=patch,
            )
            return name, _buildable(shape, shape.depth, shape.width, shape.heads, shape.patch)
        _only_known_residual(given)
        if name == "ResidualEncoderUNet" and "features_per_stage" not in given:
            raise InputError("arch_kwargs lacks features_per_stage")
        features = tuple(int(n) for n in given.get("features_per_stage", resenc.L.features))
        strides = given.get("strides", resenc.L.strides)
        shape = resenc.Plan(
            features=features,
            blocks=tuple(int(n) for n in given.get("n_blocks_per_stage", resenc.L.blocks)),
            strides=tuple(_one(s, "strides") if isinstance(s, list | tuple) else int(s) for s in strides),
        )
        return name, _buildable(shape, sum(shape.blocks), *shape.features, *shape.blocks, *shape.strides)
    except (InputError, TypeError, ValueError) as error:
        raise InputError(f"checkpoint {path}: architecture {name}: {error}") from error


def _buildable(shape, layers: int, *sizes: int):
    """The shape, unless its numbers would keep the machine busy before any weight is compared."""
    if layers > MOST_LAYERS or not all(1 <= size <= WIDEST for size in sizes):
        raise InputError(f"arch_kwargs make no network that is read here ({layers} blocks, sizes {sizes})")
    return shape


def _one(sizes, what: str) -> int:
    if len(set(sizes)) != 1:
        raise InputError(f"{what} {list(sizes)} differ along the axes; only equal ones are read.")
    return int(sizes[0])


def _only_known_residual(given: dict) -> None:
    """Arguments that would change the network beyond what is built here are refused, not passed over."""
    expected = {
        "conv_op": ("Conv3d",), "norm_op": ("InstanceNorm3d",), "nonlin": ("LeakyReLU",), "conv_bias": (True,),
        "dropout_op": (None,), "stem_channels": (None,), "squeeze_excitation": (False,), "pool_type": ("conv", None),
    }  # fmt: skip
    for key, allowed in expected.items():
        value = given.get(key, allowed[0])
        value = value.rsplit(".", 1)[-1] if isinstance(value, str) else value
        if value not in allowed:
            raise InputError(f"arch_kwargs {key}={given[key]!r} is not built here (known: {allowed[0]!r})")
    kernels = given.get("kernel_sizes") or [3]
    flat = [size for kernel in kernels for size in (kernel if isinstance(kernel, list | tuple) else [kernel])]
    if set(flat) != {3}:
        raise InputError(f"arch_kwargs kernel_sizes={kernels!r}: only 3x3x3 is built here")
    block = str(given.get("block", "BasicBlockD"))
    if not block.endswith(("BasicBlockD", "None")) or given.get("bottleneck_channels"):
        raise InputError(f"arch_kwargs block={block!r}: only BasicBlockD is built here")


def _prefixes(plan: dict, architecture: str) -> tuple[tuple[str, str], ...]:
    """(prefix in the file, prefix in the network) of encoder and stem."""
    own = ("eva", "down_projection") if architecture in PRIMUS else ("stages", "stem")
    default = own if architecture in PRIMUS else tuple(f"encoder.{part}" for part in own)
    stated = (plan.get("key_to_encoder") or default[0], plan.get("key_to_stem") or default[1])
    return tuple((theirs.rstrip(".") + ".", ours + ".") for theirs, ours in zip(stated, own, strict=True))


def _own_weights(weights: dict, plan: dict, architecture: str, path: Path, notes: list[str]):
    """The encoder's tensors under the network's names, and how many others the file holds."""
    found: dict = {}
    prefixes = _prefixes(plan, architecture)
    for theirs, ours in prefixes:
        mine = {ours + key.removeprefix(theirs): value for key, value in weights.items() if key.startswith(theirs)}
        if not mine:
            near = ", ".join(nearest(theirs + "0", weights))
            raise InputError(
                f"checkpoint {path}: no weight begins with {theirs!r}, where the plan says that the "
                f"{'stem' if ours in ('stem.', 'down_projection.') else 'encoder'} lies (nearest: {near})."
            )
        found |= mine
    ignored = len(weights) - len(found)
    if architecture in PRIMUS:
        empty = [key for key in found if key.split(".")[1].startswith("cls_token") or ".rope." in f".{key}."]
        stem_less = {key: value for key, value in found.items() if key not in empty}
        return stem_less, ignored + len(empty)
    return _without_duplicates(found, path, notes), ignored


def _without_duplicates(weights: dict, path: Path, notes: list[str]) -> dict:
    """`x.all_modules.0` is the same tensor as `x.conv`, `.1` as `x.norm`; one of the two is enough."""
    found = {key: value for key, value in weights.items() if ".all_modules." not in key}
    differ = 0
    for key, value in weights.items():
        head, middle, tail = key.partition(".all_modules.")
        if middle:
            index, _, leaf = tail.partition(".")
            name = f"{head}.{ {'0': 'conv', '1': 'norm'}.get(index, 'all_modules.' + index) }.{leaf}"
            kept = found.setdefault(name, value)
            differ += kept is not value and (kept.shape != value.shape or not torch.equal(kept, value))
    if differ:
        notes.append(f"{differ} duplicated weights (all_modules) differ from conv / norm; the latter are used")
    return found


def _channels(plan: dict, shape, weights: dict, path: Path, notes: list[str]) -> int:
    stem = primus.Primus.STEM if isinstance(shape, primus.Plan) else resenc.ResEnc.STEM
    stated = plan.get("pretrain_num_input_channels")
    if stem not in weights or weights[stem].ndim != 5:
        return int(stated or 1)  # `fill` names the missing or misshapen stem
    found = weights[stem].shape[1]
    if stated is not None and int(stated) != found:
        notes.append(f"the plan says {stated} input channels, the stem reads {found}; the stem decides")
    return int(found)


def _widened(weights: dict, shape, trained: int, channels: int | None, path: Path) -> dict:
    if channels is None or channels == trained:
        return weights
    if trained != 1 or channels < 1:
        raise InputError(
            f"checkpoint {path} reads {trained} channels; only one-channel checkpoints can be widened, "
            f"asked: {channels}."
        )
    stem = primus.Primus.STEM if isinstance(shape, primus.Plan) else resenc.ResEnc.STEM
    return {**weights, stem: weights[stem].repeat(1, channels, 1, 1, 1) / channels}


def _configuration(plan: dict, content: dict, path: Path, notes: list[str]) -> dict:
    """The preprocessing configuration that was trained on: the one of init_args, the only one, or onemmiso."""
    found = (plan.get("pretrain_plan") or {}).get("configurations") or {}
    if not found:
        notes.append("no preprocessing plan in the file: 1 mm and z-score over the crop are assumed (OpenMind's)")
        return {"spacing": [1.0, 1.0, 1.0]}
    wanted = (content.get("init_args") or {}).get("configuration_name")
    if wanted in found:
        return found[wanted]
    if len(found) == 1:
        return next(iter(found.values()))
    if "onemmiso" in found:
        notes.append(f"of the configurations {', '.join(found)}, onemmiso is taken: the file does not say which")
        return found["onemmiso"]
    raise InputError(f"checkpoint {path} has configurations {', '.join(found)} and does not say which was trained on.")


def _axes(plan: dict, path: Path, notes: list[str]) -> tuple[int, int, int]:
    """Axis k of the network -> axis of a case: nnssl reads (z, y, x), then applies transpose_forward."""
    forward = (plan.get("pretrain_plan") or {}).get("transpose_forward") or [0, 1, 2]
    if sorted(forward) != [0, 1, 2]:
        raise InputError(f"checkpoint {path}: transpose_forward must be a permutation of 0, 1, 2, got {forward!r}.")
    if list(forward) != [0, 1, 2]:
        notes.append(f"transpose_forward {list(forward)}: axes are turned beyond (z, y, x)")
    return tuple(2 - axis for axis in forward)


def _in_case_order(values, axes) -> tuple:
    return tuple(values[axes.index(axis)] for axis in range(3))


def _spacing(configuration: dict, axes, path: Path, notes: list[str]):
    spacing = configuration.get("spacing")
    if spacing is None:
        notes.append("no spacing in the plan: the task's own is used")
        return None
    if len(spacing) != 3 or not all(math.isfinite(mm) and mm > 0 for mm in spacing):
        raise InputError(f"checkpoint {path}: spacing must be three positive mm, got {spacing!r}.")
    if any(mm != 1 for mm in spacing):
        notes.append(f"spacing {list(spacing)} mm, not OpenMind's 1 mm")
    order = configuration.get("resampling_fn_data_kwargs", {}).get("order", 3)
    if order != 3:
        notes.append(f"images were resampled with order {order} in pre-training, here with order 3")
    return tuple(float(mm) for mm in _in_case_order(spacing, axes))


def _normalisation(configuration: dict, path: Path) -> str:
    schemes = set(configuration.get("normalization_schemes") or ["ZScoreNormalization"])
    masks = set(configuration.get("use_mask_for_norm") or [False])
    if len(schemes) != 1 or len(masks) != 1 or (next(iter(schemes)), bool(next(iter(masks)))) not in NORMALISATION:
        raise InputError(
            f"checkpoint {path}: normalisation {sorted(schemes)} with use_mask_for_norm {sorted(map(str, masks))} is "
            "not available here; ZScoreNormalization is, equal for all channels."
        )
    return NORMALISATION[next(iter(schemes)), bool(next(iter(masks)))]


def _patch(plan: dict, configuration: dict, axes, divisor: int, path: Path, notes: list[str]) -> tuple[int, int, int]:
    stated = plan.get("recommended_downstream_patchsize") or configuration.get("patch_size")
    if stated is None:
        notes.append("no patch size in the plan: 160 voxels along each axis")
        stated = [160, 160, 160]
    if len(stated) != 3 or any(int(size) < 1 for size in stated) or math.prod(map(int, stated)) > MOST_VOXELS:
        raise InputError(
            f"checkpoint {path}: the patch size must be three positive integers, at most {MOST_VOXELS} voxels, "
            f"got {stated!r}."
        )
    patch = tuple(-(-int(size) // divisor) * divisor for size in stated)
    if patch != tuple(stated):
        notes.append(f"patch size {list(stated)} raised to {list(patch)}, multiples of {divisor}")
    return _in_case_order(patch, axes)


def _grid(weights: dict, shape, configuration: dict, path: Path, notes: list[str]) -> tuple[int, int, int]:
    """The token grid of the position embedding, from its length; the plan only where that is no cube."""
    embedding = weights.get("eva.pos_embed")
    stated = tuple(int(size) // shape.patch for size in configuration.get("patch_size") or ())
    if embedding is None or embedding.ndim != 3:
        return stated or shape.grid  # `fill` names what is wrong
    tokens = embedding.shape[1]
    side = round(tokens ** (1 / 3))
    if side**3 == tokens:
        if stated and stated != (side,) * 3:
            notes.append(f"position embedding of {side}^3 tokens, the plan's patch would give {stated}; weights decide")
        return (side,) * 3
    if len(stated) == 3 and math.prod(stated) == tokens:
        notes.append(f"position embedding of {stated} tokens, no cube")
        return stated
    raise InputError(
        f"checkpoint {path}: the position embedding holds {tokens} tokens, neither a cube nor the plan's grid {stated}."
    )


def _order(trainer: str, path: Path) -> str:
    """SimMIM was trained after the public package had switched to (w h d); all others before it."""
    words = f"{trainer} {path.parent.name} {path.stem}".lower()
    return "w h d" if "simmim" in words else "h w d"
