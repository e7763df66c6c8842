"""safetensors: a JSON header of names, types, shapes and places, then the bytes. The header is checked first."""

from __future__ import annotations

import json
import struct
from functools import cached_property
from pathlib import Path

import numpy as np

from tebench.base.errors import InputError
from tebench.encoders.files.stored import BYTES, Storage, Stored, contiguous

MOST_HEADER = 2**22  # bytes: some 40,000 tensors
DTYPES = {
    "F16": "float16", "BF16": "bfloat16", "F32": "float32", "F64": "float64", "I8": "int8", "U8": "uint8",
    "I16": "int16", "U16": "uint16", "I32": "int32", "U32": "uint32", "I64": "int64", "U64": "uint64", "BOOL": "bool",
    "F8_E4M3": "float8_e4m3fn", "F8_E5M2": "float8_e5m2", "C64": "complex64",
}  # fmt: skip


class Safetensors:
    """One file; see `archive.Archive`. Tensors and metadata are its value."""

    def __init__(self, path: Path):
        self.path = path
        self.size = path.stat().st_size

    @cached_property
    def _map(self) -> np.ndarray:
        return np.memmap(self.path, np.uint8, "c")

    def value(self) -> dict:
        with open(self.path, "rb") as file:
            (length,) = struct.unpack("<Q", file.read(8).ljust(8, b"\xff"))
            if length > min(self.size - 8, MOST_HEADER):
                raise InputError("is truncated or not a safetensors file (its header is longer than it)")
            try:
                header = json.loads(file.read(length))
            except (ValueError, RecursionError) as error:
                raise InputError(f"is truncated or not a safetensors file (its header is no JSON: {error})") from error
        if not isinstance(header, dict):
            raise InputError("is not a safetensors file (its header names nothing)")
        metadata = header.pop("__metadata__", None)
        tensors = {name: self._stored(name, entry, 8 + length) for name, entry in header.items()}
        return {"state_dict": tensors, "metadata": metadata if isinstance(metadata, dict) else {}}

    def _stored(self, name: str, entry, base: int) -> Stored:
        try:
            kind, shape, (begin, end) = entry["dtype"], tuple(entry["shape"]), entry["data_offsets"]
            whole = all(type(n) is int and 0 <= n < 2**48 for n in (*shape, begin, end)) and len(shape) <= 64
        except (TypeError, KeyError, ValueError) as error:
            raise InputError(f"is not a safetensors file ({name[:60]!r} is not described)") from error
        dtype = DTYPES.get(kind, str(kind)[:20])
        if not whole or end < begin or base + end > self.size:
            raise InputError(f"is truncated or not a safetensors file ({name[:60]!r} reaches past its end)")
        storage = Storage(
            name, dtype, (end - begin) // BYTES.get(dtype, 1), lambda: self._map[base + begin : base + end]
        )
        return Stored(dtype, shape, storage, 0, contiguous(shape))

    def verify(self) -> None:
        """These files have no checksums."""
