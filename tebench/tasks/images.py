"""Image files of users: nibabel's formats, and SimpleITK's where that is installed. Read as they are stored.

Nothing is resampled: axes are the file's own x, y, z, and the affine takes a voxel index to mm (RAS+) so that an
image and its label map can be compared, whichever reader opened them.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tebench.base.errors import InputError

NIBABEL = (".nii.gz", ".nii", ".mgz", ".mgh", ".hdr", ".img", ".img.gz", ".mnc")
SIMPLEITK = (".nrrd", ".nhdr", ".mha", ".mhd", ".gipl", ".gipl.gz", ".tif", ".tiff", ".vtk")
PICTURES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp")
MOST_PACKED = 1100  # bytes that one byte of gzip can stand for; its format allows 1,032
MOST_VOXELS = 2**33  # a damaged header can claim any size; reading would ask for that much memory
GEOMETRIES = ("file", "sform", "qform", "voxels")


@dataclass(frozen=True)
class Image:
    """data: (X, Y, Z), or (X, Y, Z, C) where the file holds channels.   affine: (4, 4), voxel index to mm.

    placed: whether the file says where in space it lies; of one that does not, only the voxel size counts.
    other: the affine of the NIfTI header's other form where the two disagree.   form: whose the affine is.
    notes: what is unusual in the header, one phrase each.
    """

    data: np.ndarray
    affine: np.ndarray
    placed: bool = True
    other: np.ndarray | None = None
    form: str = ""
    notes: tuple[str, ...] = ()

    @property
    def spacing(self) -> tuple[float, float, float]:
        return tuple(float(mm) for mm in np.linalg.norm(self.affine[:3, :3], axis=0))

    @property
    def channels(self) -> int:
        return 1 if self.data.ndim == 3 else self.data.shape[3]


def ending_of(path: Path | str) -> str:
    """The known ending of a file's name, "" for none; .nii.gz before .gz."""
    name = str(path).lower()
    return max((ending for ending in NIBABEL + SIMPLEITK if name.endswith(ending)), key=len, default="")


def companions(path: Path) -> list[Path]:
    """Other files that reading this one needs: the other half of a header and data pair, a TIFF's voxel size."""
    path, ending = Path(path), ending_of(path)
    found: list[Path] = []
    if ending in (".hdr", ".img", ".img.gz"):
        stem = path.name[: -len(ending)]
        found = [path.parent / f"{stem}{other}" for other in (".hdr", ".img", ".img.gz") if other != ending]
    elif ending in (".mhd", ".nhdr"):
        try:
            start = path.read_bytes()[: 2**16]
        except OSError:
            return []
        named = re.findall(rb"(?im)^\s*(?:ElementDataFile\s*=|data ?file:)\s*([\w][\w. -]{0,254}?)\s*$", start)
        found = [path.parent / name.decode("ascii", "replace") for name in named]
    elif ending in (".tif", ".tiff"):
        found = spacing_files(path)
    return [other for other in found if other.is_file()]


def spacing_files(path: Path) -> list[Path]:
    """Where nnU-Net keeps a TIFF's voxel size: CASE.json beside CASE_0000.tif and CASE.tif."""
    stem = path.name[: -len(ending_of(path))]
    return [path.parent / f"{name}.json" for name in dict.fromkeys((re.sub(r"_\d{4}$", "", stem), stem))]


def stated_spacing(path: Path) -> tuple[float, float, float]:
    """(x, y, z) mm of a TIFF from the JSON beside it, whose `spacing` is in the order z, y, x of nnU-Net's reader."""
    wanted = spacing_files(path)
    file = next((other for other in wanted if other.is_file()), None)
    if file is None:
        raise InputError(
            f'a TIFF states no voxel size; write {{"spacing": [z, y, x]}} in mm to {wanted[0].name} beside it, as '
            "nnU-Net reads it, or convert the images to .nii.gz"
        )
    try:
        if file.stat().st_size > 2**20:
            raise ValueError("too long")
        values = [float(mm) for mm in json.loads(file.read_bytes())["spacing"]]
        if len(values) != 3 or not all(np.isfinite(values)) or min(values) <= 0:
            raise ValueError(f"spacing {values}")
    except (OSError, ValueError, TypeError, KeyError, IndexError, RecursionError) as error:
        raise InputError(f'{file.name} must hold {{"spacing": [z, y, x]}}, three numbers above 0 ({error})') from error
    return values[2], values[1], values[0]


def checked(image: Image) -> Image:
    """The image with three axes, or four where the last are channels; InputError where it is none."""
    data, affine = image.data, image.affine
    if data.dtype.names:
        fields = "".join(data.dtype.names)
        raise InputError(
            "holds RGB colours; split them into one file a channel (_0000, _0001, _0002)"
            if fields.startswith(("RGB", "rgb")) else f"holds {data.dtype}, expected numbers"
        )  # fmt: skip
    if data.ndim == 5 and data.shape[3] == 1:  # how NIfTI writes vectors: x, y, z, one time, components
        data = data[:, :, :, 0, :]
    while data.ndim > 3 and data.shape[-1] == 1:
        data = data[..., 0]
    if data.ndim == 2 or (data.ndim in (3, 4) and min(data.shape[:3], default=0) == 1):
        raise InputError(f"is 2-D (shape {data.shape}); tebench reads 3-D images only")
    if data.ndim not in (3, 4) or not data.size:
        raise InputError(f"has shape {data.shape}, expected three axes, or four where the last one is the channels")
    if not np.issubdtype(data.dtype, np.number):
        raise InputError(f"holds {data.dtype}, expected numbers")
    if np.iscomplexobj(data):
        raise InputError("holds complex numbers")
    if not sound(affine):
        columns = np.linalg.norm(affine[:3, :3], axis=0)
        raise InputError(f"its header gives no voxel size (spacing {columns.tolist()})")
    return Image(data, affine, image.placed, image.other, image.form, image.notes)


def sound(affine: np.ndarray) -> bool:
    """Whether an affine is finite and spans three directions, whatever the unit."""
    if not np.isfinite(affine).all():
        return False
    columns = np.linalg.norm(affine[:3, :3], axis=0)
    return bool((columns > 0).all() and abs(np.linalg.det(affine[:3, :3] / columns)) > 1e-6)


def claims(shape, n_bytes: int) -> None:
    """Refuse what a header claims beyond any image, before memory is asked for."""
    if np.prod([float(size) for size in shape]) > MOST_VOXELS or n_bytes < 0:
        raise InputError(f"the header claims {tuple(shape)} voxels")
