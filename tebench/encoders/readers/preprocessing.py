"""How nnU-Net and nnssl prepared their images, from a plan's configuration.

Arrays (z, y, x), `transpose_forward`, crop to the non-zero voxels, one normalisation scheme a channel, cubic splines.
What would change the input and is not done here is refused by name, unless the user states the input.
Source: Isensee et al. 2021, doi:10.1038/s41592-020-01008-z; nnunetv2/preprocessing/normalization.
"""

from __future__ import annotations

import math
from pathlib import Path

from tebench.base.errors import InputError
from tebench.encoders.bounded import MOST_VOXELS
from tebench.encoders.files.plain import short
from tebench.encoders.normalisation import Scheme
from tebench.encoders.readers.statement import Statement, raised

PREPROCESSORS = (None, "DefaultPreprocessor")
READERS = (None, "SimpleITKIO", "NibabelIO", "Tiff3DIO", "SimpleITKIOWithReorient", "NibabelIOWithReorient")
RESAMPLING = (None, "resample_data_or_seg_to_shape")
UNSPACED = "no_resampling_data_or_seg_to_shape"


def check(plan: dict, configuration: dict, stated: Statement, path: Path, notes: list[str]) -> None:
    """Refuse a plan whose preparation of images is another one than what is done here."""
    preprocessor, reader = configuration.get("preprocessor_name"), plan.get("image_reader_writer")
    if preprocessor not in PREPROCESSORS and not {"spacing", "normalisation"} <= set(stated.input):
        raise InputError(
            f"checkpoint {path}: images were prepared by {short(preprocessor)}, which is not known here (known: "
            f"{PREPROCESSORS[1]}). State what it does as input: {{spacing: ..., normalisation: ...}} in "
            f"{path.stem}.yaml beside the file."
        )
    if reader not in READERS:
        raise InputError(
            f"checkpoint {path}: images were read by {short(reader)}, which is not known here (known: "
            f"{', '.join(READERS[1:])})."
        )
    if str(reader).endswith("WithReorient") and stated.get("orientation") != "RAS":
        raise InputError(
            f"checkpoint {path}: its reader {reader} turns images to RAS; images here are read as they lie. If yours "
            f"lie in RAS, write orientation: RAS in {path.stem}.yaml beside the file."
        )
    function = configuration.get("resampling_fn_data")
    if function not in (*RESAMPLING, UNSPACED):
        notes.append(f"images were resampled with {short(function)} in training, here with cubic splines")
    order = (configuration.get("resampling_fn_data_kwargs") or {}).get("order", 3)
    if order != 3:
        notes.append(f"images were resampled with order {short(order)} in training, here with order 3")


def axes_of(plan: dict, path: Path, notes: list[str]) -> tuple[int, int, int]:
    """Axis k of the network -> axis of a case: arrays are (z, y, x), then transpose_forward is applied."""
    forward = plan.get("transpose_forward") or [0, 1, 2]
    if not isinstance(forward, list) or sorted(map(str, forward)) != ["0", "1", "2"]:
        raise InputError(
            f"checkpoint {path}: transpose_forward must be a permutation of 0, 1, 2, got {short(forward)}."
        )
    if forward != [0, 1, 2]:
        notes.append(f"transpose_forward {forward}: axes are turned beyond (z, y, x)")
    return tuple(2 - int(axis) for axis in forward)


def in_case_order(values, axes) -> tuple:
    return tuple(values[axes.index(axis)] for axis in range(3))


def spacing_of(configuration: dict, axes, path: Path, notes: list[str], usual=None):
    """mm along a case's axes, or None for the task's own. usual: a spacing that is not worth a note."""
    spacing = configuration.get("spacing")
    if spacing is None or configuration.get("resampling_fn_data") == UNSPACED:
        notes.append("no spacing in the plan: the task's own is used")
        return None
    numbers = isinstance(spacing, list) and all(type(mm) in (int, float) for mm in spacing)
    if not numbers or len(spacing) != 3 or not all(math.isfinite(mm) and mm > 0 for mm in spacing):
        raise InputError(f"checkpoint {path}: spacing must be three positive mm, got {short(spacing)}.")
    if usual is not None and any(mm != usual for mm in spacing):
        notes.append(f"spacing {spacing} mm, not OpenMind's {usual:g} mm")
    return tuple(float(mm) for mm in in_case_order(spacing, axes))


def patch_of(stated, axes, divisor: int, path: Path, notes: list[str]) -> tuple[int, int, int]:
    """Voxels along a case's axes, multiples of the divisor. stated: in the network's axis order."""
    whole = isinstance(stated, list | tuple) and len(stated) == 3 and all(type(n) in (int, float) for n in stated)
    if not whole or any(not 1 <= n < 2**20 or n != int(n) for n in stated) or math.prod(stated) > MOST_VOXELS:
        raise InputError(
            f"checkpoint {path}: the patch size must be three positive integers, at most {MOST_VOXELS} voxels, "
            f"got {short(stated)}."
        )
    return in_case_order(raised([int(size) for size in stated], divisor, notes), axes)


def normalisation_of(configuration: dict, intensities, channels: int, path: Path) -> str:
    """One scheme for all channels, or one a channel. intensities: of plans, a record a channel ("0", "1" ...)."""
    schemes = configuration.get("normalization_schemes") or ["ZScoreNormalization"]
    masks = configuration.get("use_mask_for_norm", False)
    schemes = schemes if isinstance(schemes, list) else [schemes]
    masks = masks if isinstance(masks, list) else [masks] * len(schemes)
    if len(masks) == 1:
        masks = masks * len(schemes)
    if len(schemes) not in (1, channels) or len(masks) != len(schemes):
        raise InputError(
            f"checkpoint {path}: normalisation {short(schemes)} with use_mask_for_norm {short(masks)} does not name "
            f"one scheme for each of {channels} channels."
        )
    found = [
        _scheme(scheme, bool(mask), intensities, channel, path)
        for channel, (scheme, mask) in enumerate(zip(schemes, masks, strict=True))
    ]
    return str(found[0]) if len(set(found)) == 1 else "|".join(map(str, found))


def _scheme(scheme, mask: bool, intensities, channel: int, path: Path) -> Scheme:
    simple = {
        "ZScoreNormalization": Scheme("zscore_mask" if mask else "zscore_all"),
        "NoNormalization": Scheme("none"),
        "RescaleTo01Normalization": Scheme("rescale01"),
        "RGBTo01Normalization": Scheme("scale", (0.0, 255.0, 0.0, 1.0)),
    }
    if scheme in simple:
        return simple[scheme]
    if scheme == "CTNormalization":
        record = intensities.get(str(channel)) if isinstance(intensities, dict) else None
        keys = ("percentile_00_5", "percentile_99_5", "mean", "std")
        numbers = [record.get(key) if isinstance(record, dict) else None for key in keys]
        if (
            all(type(number) in (int, float) and math.isfinite(number) for number in numbers)
            and numbers[0] < numbers[1]
        ):
            low, high, mean, sd = map(float, numbers)
            return Scheme("ct", (low, high, mean, max(sd, 1e-8)))
        raise InputError(
            f"checkpoint {path}: CTNormalization needs {', '.join(keys)} of channel {channel}, which the plan does not "
            f'state. Write input: {{normalisation: "ct(low,high,mean,sd)"}} in {path.stem}.yaml beside the file.'
        )
    raise InputError(
        f"checkpoint {path}: normalisation {short(scheme)} is not available here; known: {', '.join(simple)}, "
        f"CTNormalization. State what it does as input: {{normalisation: ...}} in {path.stem}.yaml beside the file."
    )
