"""A reader for the plain three-dimensional NRRD files that packages ship; needs numpy only.

Format: https://teem.sourceforge.net/nrrd/format.html (a text header, an empty line, then the array,
first axis fastest). Taken: one attached array, raw or gzip, an LPS or RAS space, axis-parallel voxels.
"""

from __future__ import annotations

import math
import zlib
from pathlib import Path

import numpy as np

MAX_VOXELS = 2**28  # a header is a claim; this is 0.5 GB of 16-bit voxels
_TYPES = {
    "signed char": "i1", "int8": "i1", "unsigned char": "u1", "uint8": "u1", "uchar": "u1",
    "short": "i2", "int16": "i2", "unsigned short": "u2", "ushort": "u2", "uint16": "u2",
    "int": "i4", "int32": "i4", "unsigned int": "u4", "uint": "u4", "uint32": "u4", "float": "f4", "double": "f8",
}  # fmt: skip
_TO_RAS = {"left-posterior-superior": (-1.0, -1.0, 1.0), "right-anterior-superior": (1.0, 1.0, 1.0)}


def read(file: Path) -> tuple[np.ndarray, np.ndarray]:
    """(data, affine) in RAS order: (X, Y, Z) stored values and the (4, 4) map of voxel index to mm.

    Raises ValueError naming what the file has that this reader does not take.
    """
    raw = Path(file).read_bytes()
    head, separator, body = raw.partition(b"\n\n")
    lines = head.decode("ascii", errors="replace").splitlines()
    if not separator or not lines or not lines[0].startswith("NRRD000"):
        raise ValueError("not an NRRD file with its array attached")
    fields = dict(line.split(": ", 1) for line in lines[1:] if ": " in line and not line.startswith("#"))
    try:
        shape = tuple(int(n) for n in fields["sizes"].split())
        kind = np.dtype(_TYPES[fields["type"]]).newbyteorder("<" if fields.get("endian", "little") == "little" else ">")
        signs = np.array(_TO_RAS[fields["space"]])
        directions = np.array([_vector(word) for word in fields["space directions"].split()])
        origin = np.array(_vector(fields["space origin"]))
        encoding = fields["encoding"]
    except KeyError as error:
        raise ValueError(f"NRRD header without, or with an unknown, field {error}") from error
    count = math.prod(shape)
    if len(shape) != 3 or directions.shape != (3, 3) or not 0 < count <= MAX_VOXELS:
        raise ValueError(f"an NRRD of shape {shape} with directions {directions.shape}; expected three axes")
    if encoding in ("gzip", "gz"):
        size = count * kind.itemsize
        try:
            body = zlib.decompressobj(zlib.MAX_WBITS | 16).decompress(body, size + 1)
        except zlib.error as error:
            raise ValueError(f"NRRD data cannot be unpacked ({error})") from error
    elif encoding != "raw":
        raise ValueError(f"NRRD encoding {encoding!r}; expected gzip or raw")
    if len(body) != count * kind.itemsize:
        raise ValueError(f"NRRD holds {len(body)} bytes of data, expected {count * kind.itemsize}")
    data = np.frombuffer(body, dtype=kind).reshape(shape, order="F").astype(kind.newbyteorder("="))
    affine = np.eye(4)
    affine[:3, :3] = (directions * signs).T
    affine[:3, 3] = origin * signs
    return _to_ras(data, affine)


def _vector(word: str) -> list[float]:
    return [float(x) for x in word.strip("()").split(",")]


def _to_ras(data: np.ndarray, affine: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    import nibabel

    image = nibabel.as_closest_canonical(nibabel.Nifti1Image(data, affine))
    return np.ascontiguousarray(image.dataobj), np.asarray(image.affine, dtype=np.float64)
