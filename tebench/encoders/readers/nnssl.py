"""Checkpoints in the nnssl / OpenMind format: a dict with `network_weights` and `nnssl_adaptation_plan`.

Wald et al. 2024, arXiv 2412.17041. The plan says which architecture, which keys, and how the images were prepared
(`preprocessing`). What the file says decides, what the user states beside it outranks it, and what is unusual or
guessed is said in `Reading.warnings`.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from tebench.base.errors import InputError
from tebench.encoders import primus, resenc
from tebench.encoders.base import EncoderFacts, InputSpec
from tebench.encoders.dynamic_blocks import divisor_of
from tebench.encoders.files.beside import load
from tebench.encoders.files.opened import Content
from tebench.encoders.files.plain import short
from tebench.encoders.files.stored import Stored
from tebench.encoders.readers import dynamic, preprocessing, primus_shape
from tebench.encoders.readers.assemble import assemble
from tebench.encoders.readers.statement import Statement
from tebench.encoders.reading import Reading
from tebench.encoders.states import dicts_of
from tebench.encoders.weights import nearest, tensor

PLAN = "nnssl_adaptation_plan"
SIDECAR = "adaptation_plan.json"
RESENC = ("ResEncL", "NoSkipResEncL", "ResidualEncoderUNet")
KNOWN = (*RESENC, "PlainConvUNet", *primus_shape.PRESETS)
USUAL = {"network_weights", PLAN, "init_args", "trainer_name", "citations", "state_dict", "metadata"}
_ANY = EncoderFacts("", "", "", "", "", "", "", 0)


def sidecars(path: Path) -> list[Path]:
    """Where nnssl writes the plan: beside the file, or one folder up (beside fold_all)."""
    return [folder / SIDECAR for folder in (path.parent, path.absolute().parent.parent) if (folder / SIDECAR).is_file()]


def recognise(content: Content) -> str | None:
    """What says that this is an nnssl file, or None."""
    if PLAN in content.values:
        return f"{PLAN} inside"
    for file in sidecars(content.path):
        if "architecture_plans" in load(file):
            return f"{SIDECAR} {'beside' if file.parent == content.path.parent else 'one folder up'}"
    return None


def read(content: Content, name: str, stated: Statement, *, channels: int | None = None) -> Reading:
    """The encoder of one file. channels: input channels; more than pre-training had repeats the stem, divided by C."""
    path, notes = content.path, []
    plan = content.plain(PLAN) or load(sidecars(path)[0])
    if not isinstance(plan, dict):
        raise InputError(f"checkpoint {path}: {PLAN} must hold named values, got {short(plan)}.")
    architecture, given = _architecture(plan, path)
    prefer = _prefix(plan, architecture, content)
    pretrain = plan.get("pretrain_plan") or {}
    if not isinstance(pretrain, dict):
        raise InputError(f"checkpoint {path}: pretrain_plan must hold named values, got {short(pretrain)}.")
    configuration = _configuration(pretrain, content, notes)
    preprocessing.check(pretrain, configuration, stated, path, notes)
    axes = preprocessing.axes_of(pretrain, path, notes)
    trainer = str(content.plain("trainer_name") or "trainer not stated")
    if architecture in primus_shape.PRESETS:
        shape, found, spell = primus_shape.find(
            content, architecture, given, configuration, prefer, trainer, stated, notes
        )
        network, version, divisor = primus.Primus, primus.VERSION, shape.patch
        stem = primus.Primus.STEM
    else:
        shape = _convolutional(architecture, given, content, prefer, notes)
        found = dynamic.find(content, shape, _ANY, InputSpec(), prefer, notes)
        network, version, divisor = dynamic.network_class(shape), dynamic.version(shape), divisor_of(shape.stages)
        spell, stem = dynamic.spell, network.STEM
    notes += found.notes
    trained = shape.channels
    _compare_channels(plan, trained, notes)
    weights = _widened(found.weights, stem, trained, channels, path)
    shape = replace(shape, channels=channels or trained)
    spec = InputSpec(
        channels=shape.channels,
        normalisation="none"
        if "normalisation" in stated.input
        else preprocessing.normalisation_of(configuration, None, shape.channels, path),
        spacing=preprocessing.spacing_of(configuration, axes, path, notes, usual=1.0),
        patch=preprocessing.patch_of(_patch(plan, configuration, notes), axes, divisor, path, notes),
        divisor=divisor,
    )
    extra = sorted(str(key) for key in content.values if key not in USUAL)
    if extra:
        notes.append(f"also holds {', '.join(extra[:8])}{' ...' if len(extra) > 8 else ''}; not needed here")
    return assemble(
        content,
        name=name,
        architecture=architecture,
        words=stated.words(
            title=f"{architecture}, {trainer}",
            pretraining=f"self-supervised: {trainer}",
            training_data=str(pretrain.get("dataset_name") or "not stated"),
            licence="not stated in the file",
        ),
        spec=stated.apply(spec, notes),
        make=lambda facts, spec: network(facts, spec, shape, axes),
        weights=weights,
        version=version,
        shape=shape,
        notes=notes,
        axes=axes,
        spell=spell,
    )


def _architecture(plan: dict, path: Path) -> tuple[str, dict]:
    stated = plan.get("architecture_plans")
    name = stated.get("arch_class_name") if isinstance(stated, dict) else plan.get("architecture_name")
    given = (stated.get("arch_kwargs") if isinstance(stated, dict) else None) or {}
    if name not in KNOWN:
        near = ", ".join(nearest(str(name), KNOWN))
        raise InputError(
            f"checkpoint {path} names architecture {short(name)}, which is not known here (nearest: {near}). "
            "Register a reader for it: plugins=[file.py], see docs/own_data.md."
        )
    if not isinstance(given, dict):
        raise InputError(f"checkpoint {path}: arch_kwargs must hold named values, got {short(given)}.")
    return name, given


def _prefix(plan: dict, architecture: str, content: Content) -> str | None:
    """What stands before the encoder's weights, as the plan has it; None where it does not say."""
    own = ("eva", "down_projection") if architecture in primus_shape.PRESETS else ("stages", "stem")
    if architecture == "PlainConvUNet":
        own = ("stages", "stages.0")
    names = [name for weights in dicts_of(content).values() for name in weights]
    plain = architecture == "PlainConvUNet"  # it has no stem; nnssl's plans name one all the same
    for key in ("key_to_encoder",) if plain else ("key_to_encoder", "key_to_stem"):
        there = plan.get(key)
        if there is None:
            continue
        if not isinstance(there, str):
            raise InputError(f"checkpoint {content.path}: {key} must be a text, got {short(there)}.")
        there = there.rstrip(".") + "."
        if not any(name.startswith(there) or f".{there}" in name for name in names):
            near = ", ".join(nearest(f"{there}0", names))
            raise InputError(
                f"checkpoint {content.path}: no weight begins with {there!r}, where the plan says that the "
                f"{'stem' if key == 'key_to_stem' else 'encoder'} is (nearest: {near})."
            )
    stated = plan.get("key_to_encoder")
    return str(stated).rstrip(".").removesuffix(own[0]) if stated and str(stated).rstrip(".").endswith(own[0]) else None


def _convolutional(architecture: str, given: dict, content: Content, prefer: str | None, notes: list[str]):
    residual = architecture != "PlainConvUNet"
    try:
        preset = resenc.L if architecture in ("ResEncL", "NoSkipResEncL") else None
        shape = dynamic.plan_of(residual, given, preset)
    except (InputError, TypeError, ValueError) as error:
        raise InputError(f"checkpoint {content.path}: architecture {architecture}: {error}") from error
    if preset is not None and shape != preset:
        notes.append(f"arch_kwargs make it another shape than {architecture}'s own")
    return replace(shape, channels=dynamic.stem_shape(content, residual, prefer)[1])


def _compare_channels(plan: dict, found: int, notes: list[str]) -> None:
    stated = plan.get("pretrain_num_input_channels")
    if stated is not None and stated != found:
        notes.append(f"the plan says {short(stated)} input channels, the stem reads {found}; the stem decides")


def _widened(weights: dict, stem: str, trained: int, channels: int | None, path: Path) -> dict:
    if channels is None or channels == trained:
        return weights
    if trained != 1 or not 1 <= channels <= 1024:
        raise InputError(
            f"checkpoint {path} reads {trained} channels; only one-channel checkpoints can be widened, "
            f"asked: {channels}."
        )
    kept: Stored = weights[stem]
    return {**weights, stem: tensor(kept, stem, path).repeat(1, channels, 1, 1, 1) / channels}


def _configuration(pretrain: dict, content: Content, notes: list[str]) -> dict:
    """The preprocessing configuration that was trained on: the one of init_args, the only one, or onemmiso."""
    found = pretrain.get("configurations")
    if not isinstance(found, dict) or not found:
        notes.append("no preprocessing plan in the file: 1 mm and z-score over the crop are assumed (OpenMind's)")
        return {"spacing": [1.0, 1.0, 1.0]}
    init = content.values.get("init_args")
    wanted = init.get("configuration_name") if isinstance(init, dict) else None
    chosen = wanted if isinstance(wanted, str) and wanted in found else next(iter(found)) if len(found) == 1 else None
    if chosen is None and "onemmiso" in found:
        notes.append(f"of the configurations {', '.join(found)}, onemmiso is taken: the file does not say which")
        chosen = "onemmiso"
    if chosen is None or not isinstance(found[chosen], dict):
        raise InputError(
            f"checkpoint {content.path} has configurations {short(list(found))} and does not say which was trained on."
        )
    return found[chosen]


def _patch(plan: dict, configuration: dict, notes: list[str]):
    stated = plan.get("recommended_downstream_patchsize") or configuration.get("patch_size")
    if stated is None:
        notes.append("no patch size in the plan: 160 voxels along each axis")
        return [160, 160, 160]
    return stated
