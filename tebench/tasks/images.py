"""Image files of users: nibabel's formats, and SimpleITK's where that is installed. Read as they are stored.

Nothing is reoriented or resampled: axes are the file's own x, y, z, and the affine takes a voxel index to mm
(RAS+) so that an image and its label map can be compared, whichever reader opened them.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tebench.base.errors import InputError
from tebench.tasks import metaimage

NIBABEL = (".nii.gz", ".nii", ".mgz", ".mgh", ".hdr", ".img", ".img.gz", ".mnc")
SIMPLEITK = (".nrrd", ".nhdr", ".mha", ".mhd", ".gipl", ".gipl.gz", ".tif", ".tiff", ".vtk")
MOST_PACKED = 1100  # bytes that one byte of gzip can stand for; its format allows 1,032
MOST_VOXELS = 2**33  # a damaged header can claim any size; reading would ask for that much memory


@dataclass(frozen=True)
class Image:
    """data: (X, Y, Z), or (X, Y, Z, C) where the file holds channels.   affine: (4, 4), voxel index to mm."""

    data: np.ndarray
    affine: np.ndarray

    @property
    def spacing(self) -> tuple[float, float, float]:
        return tuple(float(mm) for mm in np.linalg.norm(self.affine[:3, :3], axis=0))


def ending_of(path: Path | str) -> str:
    """The known ending of a file's name, "" for none; .nii.gz before .gz."""
    name = str(path).lower()
    return max((ending for ending in NIBABEL + SIMPLEITK if name.endswith(ending)), key=len, default="")


def read(path: Path) -> Image:
    """One image; InputError with the reason, without the path, where it cannot be read."""
    ending = ending_of(path)
    if not ending:
        raise InputError(f"not a known image file; known endings: {', '.join(NIBABEL + SIMPLEITK)}")
    if not Path(path).is_file():
        raise InputError("the file is missing")
    return _nibabel(path) if ending in NIBABEL else _simpleitk(path)


def _nibabel(path: Path) -> Image:
    import nibabel

    path = Path(path)

    try:
        file = nibabel.load(path)
        if np.prod([float(size) for size in file.shape]) > MOST_VOXELS:
            raise InputError(f"the header claims {file.shape} voxels")
        claimed, size = np.prod([float(n) for n in file.shape]) * file.get_data_dtype().itemsize, path.stat().st_size
        if ending_of(path) in (".nii.gz", ".mgz") and claimed > MOST_PACKED * size:
            raise InputError(f"the header claims {claimed:.0f} bytes, more than {size} compressed bytes can hold")
        data = np.asanyarray(file.dataobj)
        affine = np.asarray(file.affine, dtype=np.float64)
    except InputError:
        raise
    except Exception as error:  # a damaged file fails in the reader, in gzip, or in numpy
        raise InputError(f"corrupt or not readable ({type(error).__name__}: {error})") from error
    return _checked(data, affine)


def _simpleitk(path: Path) -> Image:
    try:
        import SimpleITK as sitk  # noqa: N813 (its own spelling)
    except ImportError as error:
        raise InputError(
            f"{ending_of(path)} files need SimpleITK, which is not installed: python -m pip install SimpleITK, or "
            "convert them to .nii.gz"
        ) from error
    try:
        if ending_of(path) in (".mha", ".mhd"):
            metaimage.check(path)
        reader = sitk.ImageFileReader()
        reader.SetFileName(str(path))
        reader.ReadImageInformation()
        if np.prod([float(size) for size in reader.GetSize()]) > MOST_VOXELS:
            raise InputError(f"the header claims {reader.GetSize()} voxels")
        image = reader.Execute()
        data = sitk.GetArrayFromImage(image)
        channels = image.GetNumberOfComponentsPerPixel() > 1
    except InputError:
        raise
    except Exception as error:
        raise InputError(f"corrupt or not readable ({type(error).__name__}: {str(error).splitlines()[-1]})") from error
    if image.GetDimension() != 3:
        raise InputError(f"has {image.GetDimension()} axes, expected three")
    # SimpleITK gives (z, y, x[, channel]).
    data = data.transpose(2, 1, 0, 3) if channels else data.transpose(2, 1, 0)
    affine = np.eye(4)
    affine[:3, :3] = np.array(image.GetDirection()).reshape(3, 3) * np.array(image.GetSpacing())
    affine[:3, 3] = image.GetOrigin()
    return _checked(data, np.diag([-1.0, -1.0, 1.0, 1.0]) @ affine)  # LPS to RAS


def _checked(data: np.ndarray, affine: np.ndarray) -> Image:
    while data.ndim > 3 and data.shape[-1] == 1:
        data = data[..., 0]
    if data.ndim not in (3, 4) or not data.size:
        raise InputError(f"has shape {data.shape}, expected three axes, or four where the last one is the channels")
    if data.dtype.names or not np.issubdtype(data.dtype, np.number):
        raise InputError(f"holds {data.dtype}, expected numbers")
    if np.iscomplexobj(data):
        raise InputError("holds complex numbers")
    columns = np.linalg.norm(affine[:3, :3], axis=0)
    if not np.isfinite(affine).all() or (columns <= 0).any() or abs(np.linalg.det(affine[:3, :3])) < 1e-12:
        raise InputError(f"its affine gives no voxel size (spacing {columns.tolist()})")
    return Image(data, affine)


def apart(shape: tuple[int, ...], one: np.ndarray, other: np.ndarray) -> float:
    """How far the two affines put the corners of a volume apart, at most, in voxels of `one`'s smallest edge."""
    corners = np.array(np.meshgrid(*[(0, size - 1) for size in shape[:3]], indexing="ij")).reshape(3, -1)
    shift = (one - other)[:3] @ np.vstack([corners, np.ones(corners.shape[1])])
    return float(np.linalg.norm(shift, axis=0).max() / np.linalg.norm(one[:3, :3], axis=0).min())
