"""Images that SimpleITK reads: NRRD, MetaImage, GIPL, VTK, and TIFF stacks with nnU-Net's spacing file."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tebench.base.errors import InputError
from tebench.tasks import metaimage
from tebench.tasks.images import Image, claims, ending_of, stated_spacing


def read(path: Path) -> Image:
    """The image as it is stored; a fourth axis or components of a voxel become channels."""
    try:
        import SimpleITK as sitk  # noqa: N813 (its own spelling)
    except ImportError as error:
        raise InputError(
            f"{ending_of(path)} files need SimpleITK, which is not installed: python -m pip install SimpleITK, or "
            "convert them to .nii.gz"
        ) from error
    tiff = ending_of(path) in (".tif", ".tiff")
    spacing = stated_spacing(path) if tiff else None
    try:
        if ending_of(path) in (".mha", ".mhd"):
            metaimage.check(path)
        reader = sitk.ImageFileReader()
        reader.SetFileName(str(path))
        reader.ReadImageInformation()
        claims(reader.GetSize(), 0)
        axes, components = reader.GetDimension(), reader.GetNumberOfComponents()
        if axes == 2:
            raise InputError(f"is 2-D (shape {reader.GetSize()}); tebench reads 3-D images only")
        if axes not in (3, 4) or (axes == 4 and components > 1):
            raise InputError(f"has {axes} axes and {components} values a voxel, expected three axes and channels")
        if tiff and components in (3, 4):
            raise InputError("holds RGB colours; split them into one file a channel (_0000, _0001, _0002)")
        image = reader.Execute()
        data = sitk.GetArrayFromImage(image)
    except InputError:
        raise
    except Exception as error:
        raise InputError(f"corrupt or not readable ({type(error).__name__}: {str(error).splitlines()[-1]})") from error
    # SimpleITK gives ([time,] z, y, x [, component]).
    if axes == 4:
        data = data.transpose(3, 2, 1, 0)
    else:
        data = data.transpose(2, 1, 0, 3) if components > 1 else data.transpose(2, 1, 0)
    affine = np.eye(4)
    if tiff:
        affine[:3, :3] = np.diag(spacing)
        return Image(data, affine, placed=False)
    direction = np.array(image.GetDirection()).reshape(axes, axes)[:3, :3]
    affine[:3, :3] = direction * np.array(image.GetSpacing()[:3])
    affine[:3, 3] = image.GetOrigin()[:3]
    return Image(data, np.diag([-1.0, -1.0, 1.0, 1.0]) @ affine)  # LPS to RAS
