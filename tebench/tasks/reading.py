"""One image file of the user's, by the reader of its format."""

from __future__ import annotations

from pathlib import Path

from tebench.base.errors import InputError
from tebench.tasks import itk, nifti
from tebench.tasks.images import NIBABEL, PICTURES, SIMPLEITK, Image, checked, ending_of


def read(path: Path, geometry: str = "file") -> Image:
    """One image; InputError with the reason, without the path, where it cannot be read.

    geometry: "sform" or "qform" goes by that form of a NIfTI header, where it has one; else by the first of the two.
    """
    path, ending = Path(path), ending_of(path)
    if not ending:
        if path.suffix.lower() in PICTURES:
            raise InputError("a 2-D picture; tebench reads 3-D images only")
        raise InputError(f"not a known image file; known endings: {', '.join(NIBABEL + SIMPLEITK)}")
    if not path.is_file():
        raise InputError("the file is missing")
    return checked(nifti.read(path, geometry) if ending in NIBABEL else itk.read(path))
