"""nnU-Net v2 checkpoints as its trainer saves them, TotalSegmentator's and others' releases among them.

`DatasetXXX_Name/trainer__plans__configuration/fold_N/checkpoint_final.pth` holds `network_weights` and
`init_args.plans`, which say all: both generations of plans are read. Where the plans are not inside, plans.json is
looked for in the folders above. Source: Isensee et al. 2021, doi:10.1038/s41592-020-01008-z; nnunetv2 2.8.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from tebench.base.errors import InputError
from tebench.encoders.base import EncoderFacts, InputSpec
from tebench.encoders.dynamic_blocks import divisor_of
from tebench.encoders.files.beside import load
from tebench.encoders.files.opened import Content
from tebench.encoders.files.plain import plain, short
from tebench.encoders.readers import dynamic, preprocessing
from tebench.encoders.readers.assemble import assemble
from tebench.encoders.readers.statement import Statement
from tebench.encoders.reading import Reading
from tebench.encoders.states import dicts_of

NETWORKS = {"PlainConvUNet": False, "ResidualEncoderUNet": True}
USUAL = {
    "network_weights", "optimizer_state", "grad_scaler_state", "logging", "_best_ema", "current_epoch", "init_args",
    "trainer_name", "inference_allowed_mirroring_axes",
}  # fmt: skip
_ANY = EncoderFacts("", "", "", "", "", "", "", 0)


def _inside(content: Content) -> dict | None:
    init = content.values.get("init_args")
    plans = init.get("plans") if isinstance(init, dict) else None
    return plans if isinstance(plans, dict) and "configurations" in plans else None


def _above(path: Path) -> Path | None:
    places = [folder / "plans.json" for folder in list(path.absolute().parents)[:2]]
    return next((file for file in places if file.is_file()), None)


def recognise(content: Content) -> str | None:
    """What says that this is an nnU-Net v2 file, or None."""
    if not any("encoder.stages." in name for weights in dicts_of(content).values() for name in weights):
        return None
    if _inside(content) is not None:
        return "init_args.plans inside"
    file = _above(content.path)
    return f"plans.json in {file.parent.name}" if file else None


def sidecars(path: Path) -> list[Path]:
    file = _above(path)
    return [file] if file else []


def read(content: Content, name: str, stated: Statement, *, channels: int | None = None) -> Reading:
    """The encoder of one file."""
    path, notes = content.path, []
    if channels is not None:
        raise InputError(f"checkpoint {path}: channels= is for nnssl files.")
    plans = plain(_inside(content)) if _inside(content) is not None else load(_above(path))
    configuration, words = _configuration(plans, content)
    architecture, given = _architecture(configuration, path)
    residual = NETWORKS[architecture]
    try:
        shape = dynamic.plan_of(residual, given)
    except (InputError, TypeError, ValueError) as error:
        raise InputError(f"checkpoint {path}: {architecture}: {error}") from error
    shape = replace(shape, channels=dynamic.stem_shape(content, residual, "encoder.")[1])
    preprocessing.check(plans, configuration, stated, path, notes)
    axes = preprocessing.axes_of(plans, path, notes)
    divisor = divisor_of(shape.stages)
    found = dynamic.find(content, shape, _ANY, InputSpec(), "encoder.", notes)
    notes += found.notes
    intensities = plans.get("foreground_intensity_properties_per_channel")
    spec = InputSpec(
        channels=shape.channels,
        normalisation="none"
        if "normalisation" in stated.input
        else preprocessing.normalisation_of(configuration, intensities, shape.channels, path),
        spacing=preprocessing.spacing_of(configuration, axes, path, notes),
        patch=preprocessing.patch_of(configuration.get("patch_size"), axes, divisor, path, notes),
        divisor=divisor,
    )
    trainer = str(content.plain("trainer_name") or "trainer not stated")
    data = str(plans.get("dataset_name") or "not stated")
    extra = sorted(str(key) for key in content.values if key not in USUAL and content.values is not None)
    if extra and _inside(content) is not None:
        notes.append(f"also holds {', '.join(extra[:8])}{' ...' if len(extra) > 8 else ''}; not needed here")
    network = dynamic.network_class(shape)
    return assemble(
        content,
        name=name,
        architecture=architecture,
        words=stated.words(
            title=f"{architecture}, {data}",
            pretraining=f"supervised: segmentation, {trainer}, {words}",
            training_data=data,
            licence="not stated in the file",
        ),
        spec=stated.apply(spec, notes),
        make=lambda facts, spec: network(facts, spec, shape, axes),
        weights=found.weights,
        version=dynamic.version(shape),
        shape=shape,
        notes=notes,
        axes=axes,
        spell=dynamic.spell,
    )


def _configuration(plans: dict, content: Content) -> tuple[dict, str]:
    """(the configuration that was trained on, with what it inherits; its name)"""
    known = plans.get("configurations")
    known = known if isinstance(known, dict) else {}
    init = content.values.get("init_args")
    wanted = init.get("configuration") if isinstance(init, dict) else None
    if wanted is None:
        parts = [part.split("__")[-1] for part in content.path.absolute().parts if part.count("__") == 2]
        wanted = parts[-1] if parts else "3d_fullres"
    if not isinstance(wanted, str) or not isinstance(known.get(wanted), dict):
        raise InputError(
            f"checkpoint {content.path} was trained on configuration {short(wanted)}; its plans have "
            f"{', '.join(map(short, known))}."
        )
    if wanted.startswith("2d") or wanted == "3d_cascade_fullres":
        why = (
            "a two-dimensional network"
            if wanted.startswith("2d")
            else "the second of a cascade: it reads the first's result"
        )
        raise InputError(
            f"checkpoint {content.path}: configuration {wanted} is {why}, which is not read. Take 3d_fullres or "
            "3d_lowres."
        )
    found, here, seen = {}, wanted, []
    while isinstance(here, str) and isinstance(known.get(here), dict):
        if here in seen:
            raise InputError(f"checkpoint {content.path}: configuration {here} inherits from itself.")
        seen.append(here)
        found = {**known[here], **found}
        here = known[here].get("inherits_from")
    return found, wanted


def _architecture(configuration: dict, path: Path) -> tuple[str, dict]:
    """(class, arch_kwargs) of plans of either generation."""
    stated = configuration.get("architecture")
    if isinstance(stated, dict):
        name, given = str(stated.get("network_class_name")), stated.get("arch_kwargs")
    else:
        name, given = str(configuration.get("UNet_class_name")), _first_generation(configuration, path)
    name = name.rsplit(".", 1)[-1]
    if name not in NETWORKS or not isinstance(given, dict):
        raise InputError(
            f"checkpoint {path}: its plans name the network {name[:80]!r}; read are {', '.join(NETWORKS)}. Register a "
            "reader for it: plugins=[file.py], see docs/own_data.md."
        )
    return name, given


def _first_generation(configuration: dict, path: Path) -> dict:
    """Plans before nnunetv2 2.5 -> arch_kwargs, as its plan handler converts them."""
    strides, kernels = configuration.get("pool_op_kernel_sizes"), configuration.get("conv_kernel_sizes")
    counts, base = configuration.get("n_conv_per_stage_encoder"), configuration.get("UNet_base_num_features")
    most = configuration.get("unet_max_num_features")
    if not isinstance(strides, list) or len(strides) > 100 or type(base) is not int or type(most) is not int:
        raise InputError(f"checkpoint {path}: its plans hold neither `architecture` nor those of nnunetv2 before 2.5.")
    return {
        "n_stages": len(strides),
        "features_per_stage": [min(base * 2**stage, most) for stage in range(len(strides))],
        "kernel_sizes": kernels,
        "strides": strides,
        "n_conv_per_stage" if configuration.get("UNet_class_name") == "PlainConvUNet" else "n_blocks_per_stage": counts,
        "conv_bias": True,
        "norm_op": "torch.nn.InstanceNorm3d",
        "norm_op_kwargs": {"eps": 1e-5, "affine": True},
        "nonlin": "torch.nn.LeakyReLU",
        "nonlin_kwargs": {"inplace": True},
    }
