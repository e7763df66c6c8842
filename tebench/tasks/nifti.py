"""NIfTI, Analyze, MGH and MINC files by nibabel: units, the two forms of a NIfTI header, and misnamed compression."""

from __future__ import annotations

import contextlib
import gzip
from pathlib import Path

import numpy as np

from tebench.base.errors import InputError
from tebench.tasks.geometry import FARTHEST, apart
from tebench.tasks.images import MOST_PACKED, Image, claims, ending_of, sound

# xyzt_units of the NIfTI-1 standard: 1 metre, 2 mm, 3 micron. ITK takes any other value for mm, and so does this.
IN_MM = {1: 1000.0, 3: 0.001}
UNITS = {1: "metres", 3: "microns"}


def read(path: Path, geometry: str = "file") -> Image:
    """The image as it is stored, its affine in mm; InputError where it cannot be read."""
    with contextlib.ExitStack() as held:
        try:
            file, packed, notes = _open(path, held)
            claims(file.shape, 0)
            claimed = np.prod([float(n) for n in file.shape]) * file.get_data_dtype().itemsize
            size = path.stat().st_size
            if packed and claimed > MOST_PACKED * size:
                raise InputError(f"the header claims {claimed:.0f} bytes, more than {size} compressed bytes can hold")
            data = np.asanyarray(file.dataobj)
            if not _is_nifti(file):
                return Image(data, np.asarray(file.affine, dtype=np.float64), notes=tuple(notes))
            affine, placed, other, form, more = _affine(file, geometry)
        except InputError:
            raise
        except Exception as error:  # a damaged file fails in the reader, in gzip, or in numpy
            raise InputError(f"corrupt or not readable ({type(error).__name__}: {error})") from error
    return Image(data, affine, placed, other, form, (*notes, *more))


def _is_nifti(file) -> bool:
    import nibabel

    return isinstance(file, nibabel.Nifti1Pair)  # NIfTI-2 derives from it


def _open(path: Path, held: contextlib.ExitStack):
    """(nibabel image, whether it is compressed, notes); compression goes by the content, not by the name."""
    import nibabel

    ending = ending_of(path)
    if ending not in (".nii", ".nii.gz"):
        return nibabel.load(path), ending in (".mgz", ".img.gz"), []
    with path.open("rb") as file:
        packed = file.read(2) == b"\x1f\x8b"
    if packed == (ending == ".nii.gz"):
        return nibabel.load(path), packed, []
    stream = held.enter_context(gzip.open(path) if packed else path.open("rb"))  # noqa: SIM115
    head = stream.read(4)
    sizes = {int.from_bytes(head, "little"), int.from_bytes(head, "big")}
    kind = nibabel.Nifti1Image if 348 in sizes else nibabel.Nifti2Image if 540 in sizes else None
    if kind is None:
        raise InputError("corrupt or not readable (no NIfTI header)")
    stream.seek(0)
    note = "gzip-compressed, though named .nii" if packed else "not compressed, though named .nii.gz"
    return kind.from_stream(stream), packed, [note]


def _affine(file, geometry: str) -> tuple[np.ndarray, bool, np.ndarray | None, str, list[str]]:
    """(affine in mm, placed, the other form's, which form, notes)."""
    header = file.header
    unit = int(header["xyzt_units"]) & 7
    scale = np.diag([*[IN_MM.get(unit, 1.0)] * 3, 1.0])
    notes = [f"in {UNITS[unit]}, read as mm"] if unit in UNITS else []
    forms: dict[str, np.ndarray] = {}
    for name, get in (("sform", header.get_sform), ("qform", header.get_qform)):
        if int(header[f"{name}_code"]) > 0:
            try:
                found = scale @ np.asarray(get(), dtype=np.float64)
            except Exception:  # a quaternion that is none
                found = np.full((4, 4), np.nan)
            if sound(found):
                forms[name] = found
            else:
                notes.append(f"its {name} is no placement and is not used")
    if not forms:
        # Neither form: the standard's method 1, voxel sizes alone. nibabel and ITK then invent different origins.
        affine = scale @ np.asarray(header.get_base_affine(), dtype=np.float64)
        return affine, False, None, "", [*notes, "states no place (sform_code = qform_code = 0)"]
    form = geometry if geometry in forms else next(iter(forms))
    affine, other = forms[form], next((forms[name] for name in forms if name != form), None)
    if other is not None and apart(file.shape, affine, other) <= FARTHEST:
        other = None
    if other is not None:
        notes.append(f"its sform and qform disagree, the {form} is used")
    sizes = np.asarray(header["pixdim"][1:4], dtype=np.float64) * scale[0, 0]
    own = np.linalg.norm(affine[:3, :3], axis=0)
    if other is None and (sizes > 0).all() and not np.allclose(sizes, own, rtol=0.01):
        said, used = ("x".join(f"{mm:.4g}" for mm in mms) for mms in (sizes, own))
        notes.append(f"pixdim says {said} mm, its {form} {used} mm, which is used")
    return affine, True, other, form, notes
