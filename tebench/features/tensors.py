"""safetensors files, written as a stream and read as memory maps.

The format (https://huggingface.co/docs/safetensors, "Format"): 8 bytes, the header's length N as an
unsigned little-endian integer; N bytes of JSON, `{name: {dtype, shape, data_offsets}}` plus an optional
`__metadata__` of strings; then the tensors' bytes, without holes. The safetensors library reads these files
too, but copies; a memory map lets 200 encoders be scored without holding any of them.
"""

from __future__ import annotations

import hashlib
import json
import mmap
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tebench.base.errors import CacheError

DTYPES = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "|i1", "U8": "|u1"}
_CODES = {np.dtype(text): code for code, text in DTYPES.items()}
_MAX_HEADER = 100_000_000  # the format's own limit, in bytes


@dataclass(frozen=True)
class Stream:
    """A tensor to be written piece by piece: `chunks` give its rows in order."""

    dtype: np.dtype
    shape: tuple[int, ...]
    chunks: Iterable[np.ndarray]

    @classmethod
    def of(cls, array: np.ndarray) -> Stream:
        return cls(array.dtype, array.shape, (array,))


@dataclass(frozen=True)
class Written:
    """What was written: hash of the whole file, hash of each tensor (as `storage.hash_array`), size in bytes."""

    sha256: str
    tensors: dict[str, str]
    n_bytes: int


def write(
    path: Path, tensors: Mapping[str, Stream], metadata: Mapping[str, str] | None = None, *, hashed: bool = True
) -> Written | None:
    """Write the tensors in the given order; widest dtype first keeps every one aligned. hashed False: returns None."""
    header: dict = {"__metadata__": dict(metadata)} if metadata else {}
    position = 0
    for name, tensor in tensors.items():
        dtype = np.dtype(tensor.dtype)
        end = position + int(np.prod(tensor.shape, dtype=np.int64)) * dtype.itemsize
        header[name] = {"dtype": _CODES[dtype], "shape": list(tensor.shape), "data_offsets": [position, end]}
        position = end
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    whole, hashes, n_bytes = hashlib.sha256(), {}, 8 + len(text)
    with open(path, "wb") as file:

        def put(data: bytes) -> None:
            file.write(data)
            if hashed:
                whole.update(data)

        put(len(text).to_bytes(8, "little") + text)
        for name, tensor in tensors.items():
            dtype = np.dtype(tensor.dtype)
            own = hashlib.sha256(f"{dtype.str}{tuple(tensor.shape)}".encode())
            begin, end = header[name]["data_offsets"]
            written = 0
            for chunk in tensor.chunks:
                data = np.ascontiguousarray(chunk, dtype=dtype).tobytes()
                put(data)
                if hashed:
                    own.update(data)
                written += len(data)
            if written != end - begin:
                raise ValueError(f"{path}: tensor {name!r} of shape {tensor.shape} got {written} bytes.")
            n_bytes += written
            hashes[name] = own.hexdigest()
    return Written(whole.hexdigest(), hashes, n_bytes) if hashed else None


def read(path: Path) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """Tensors as read-only views of a memory map, and the metadata. CacheError when the layout is not sound."""
    path = Path(path)
    try:
        mapped = np.memmap(path, dtype=np.uint8, mode="r")
    except FileNotFoundError as error:
        raise CacheError(f"{path} does not exist.") from error
    except (ValueError, OSError) as error:
        raise CacheError(f"{path} cannot be read ({error}).") from error
    header, body = _header(path, mapped)
    metadata = header.pop("__metadata__", {})
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        raise CacheError(f"{path} is damaged: its metadata are not strings.")
    tensors, position = {}, 0
    try:
        for name, entry in sorted(header.items(), key=lambda item: item[1]["data_offsets"]):
            begin, end = entry["data_offsets"]
            dtype, shape = np.dtype(DTYPES[entry["dtype"]]), tuple(entry["shape"])
            if any(type(value) is not int or value < 0 for value in (begin, end, *shape)):
                raise ValueError(f"tensor {name!r} has offsets {begin}..{end}, shape {shape}")
            count = 1
            for length in shape:  # Python integers: a hostile shape must not overflow into a plausible size
                count *= length
            if begin != position or end - begin != count * dtype.itemsize or end > len(body):
                raise ValueError(f"tensor {name!r} spans {begin}..{end} of {len(body)} bytes")
            tensors[name] = np.asarray(body[begin:end]).view(dtype).reshape(shape)
            position = end
    except (KeyError, TypeError, ValueError) as error:
        raise CacheError(f"{path} is damaged: {error}.") from error
    if position != len(body):
        raise CacheError(f"{path} is damaged: {len(body) - position} bytes belong to no tensor.")
    return tensors, metadata


def release(array: np.ndarray) -> None:
    """Let go of the resident pages of a file that `read` mapped; they are read again when needed."""
    while array is not None and not isinstance(array, np.memmap):
        array = array.base
    if array is not None and hasattr(mmap, "MADV_DONTNEED"):
        array._mmap.madvise(mmap.MADV_DONTNEED)


def _header(path: Path, mapped: np.ndarray) -> tuple[dict, np.ndarray]:
    length = int.from_bytes(mapped[:8].tobytes(), "little")
    if len(mapped) < 8 or length > min(_MAX_HEADER, len(mapped) - 8):
        raise CacheError(f"{path} is truncated or no safetensors file: {len(mapped)} bytes, header of {length}.")
    try:
        header = json.loads(mapped[8 : 8 + length].tobytes())
    except (ValueError, RecursionError) as error:
        raise CacheError(f"{path} is damaged: its header is not JSON ({error}).") from error
    if not isinstance(header, dict):
        raise CacheError(f"{path} is damaged: its header is not a JSON object.")
    return header, mapped[8 + length :]
