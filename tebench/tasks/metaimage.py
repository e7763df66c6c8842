"""Headers of MetaImage files (.mha, .mhd), checked before ITK's reader sees them: malformed ones crash the process.

https://itk.org/Wiki/ITK/MetaIO/Documentation: lines `Key = value`, the last one ElementDataFile, then the data.
"""

from __future__ import annotations

import math
import re
from pathlib import Path

from tebench.base.errors import InputError

_BYTES = {
    "CHAR": 1, "UCHAR": 1, "SHORT": 2, "USHORT": 2, "INT": 4, "UINT": 4, "LONG": 4, "ULONG": 4, "LONG_LONG": 8,
    "ULONG_LONG": 8, "FLOAT": 4, "DOUBLE": 8,
}  # fmt: skip
_LONGEST, _LARGEST = 1000, 2**16  # characters of a line, bytes of a header


def check(path: Path) -> None:
    """InputError unless the header is one that writers of images write."""
    path = Path(path)
    with open(path, "rb") as file:
        start = file.read(_LARGEST)
    fields, begin = _fields(start)
    axes = _whole(fields, "NDims", 3, 4)
    sizes = _numbers(fields, "DimSize", axes, whole=True)
    if min(sizes) < 1:
        raise InputError(f"its header claims size {sizes}")
    kind = fields.get("ElementType", "").removeprefix("MET_").removesuffix("_ARRAY")
    if kind not in _BYTES:
        raise InputError(f"its header names ElementType {fields.get('ElementType', '')[:40]!r}")
    channels = _whole(fields, "ElementNumberOfChannels", 1, 2**16, default=1)
    for key in ("ElementSpacing", "ElementSize", "Offset", "Position", "Origin", "CenterOfRotation"):
        if key in fields:
            _numbers(fields, key, axes)
    for key in ("TransformMatrix", "Rotation", "Orientation"):
        if key in fields:
            _numbers(fields, key, axes**2)
    if "HeaderSize" in fields:
        _whole(fields, "HeaderSize", -1, 2**31)
    _check_data(path, fields, begin, math.prod(sizes) * channels * _BYTES[kind])


def _fields(start: bytes) -> tuple[dict[str, str], int]:
    """(key -> value, where the data begin)."""
    fields, at = {}, 0
    while "ElementDataFile" not in fields:
        end = start.find(b"\n", at)
        line = start[at : end if end >= 0 else len(start)].rstrip(b"\r")
        match = re.fullmatch(rb"\s*([A-Za-z]\w*)\s*[=:]\s*([\x20-\x7e\t]*)", line)
        if end < 0 or len(line) > _LONGEST or match is None or match[1].decode() in fields:
            raise InputError(f"its header has a malformed line: {line[:60]!a}")
        fields[match[1].decode()] = match[2].decode().strip()
        at = end + 1
    return fields, at


def _whole(fields: dict, key: str, low: int, high: int, default: int | None = None) -> int:
    text = fields.get(key, "" if default is None else str(default))
    if not re.fullmatch(r"-?\d{1,12}", text) or not low <= int(text) <= high:
        raise InputError(f"its header says {key} = {text[:40]!r}, expected a whole number {low}..{high}")
    return int(text)


def _numbers(fields: dict, key: str, count: int, whole: bool = False) -> list:
    words = fields.get(key, "").split()
    try:
        values = [(int if whole else float)(word) for word in words]
    except ValueError:
        values = []
    if len(values) != count or not all(math.isfinite(value) for value in values):
        raise InputError(f"its header says {key} = {fields.get(key, '')[:60]!r}, expected {count} numbers")
    return values


def _check_data(path: Path, fields: dict, begin: int, expected: int) -> None:
    """The data lie in this file, or in one beside it, and are as many as the header says."""
    name = fields["ElementDataFile"]
    compressed = fields.get("CompressedData", "False").lower() == "true"
    if name.upper() == "LOCAL":
        data, offset = path, begin
    else:
        if not re.fullmatch(r"[\w][\w. -]{0,254}", name) or name.upper().startswith("LIST"):
            raise InputError(f"its header names the data file {name[:60]!r}, expected LOCAL or a file beside it")
        data, offset = path.parent / name, 0
        if not data.is_file():
            raise InputError(f"its data file {name} is missing")
    if not compressed and data.stat().st_size - offset < expected:
        raise InputError(f"its header claims {expected} bytes of data, {data.name} has {data.stat().st_size - offset}")
