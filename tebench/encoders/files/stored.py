"""A tensor as a file describes it: name of its type, shape, where its bytes are. Nothing is read before `load`."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from tebench.base.errors import InputError

FLOATS = {"float16": torch.float16, "bfloat16": torch.bfloat16, "float32": torch.float32, "float64": torch.float64}
BYTES = {
    **{"float16": 2, "bfloat16": 2, "float32": 4, "float64": 8, "int8": 1, "uint8": 1, "int16": 2, "uint16": 2},
    **{"int32": 4, "uint32": 4, "int64": 8, "uint64": 8, "bool": 1, "complex32": 4, "complex64": 8, "complex128": 16},
    **{"float8_e4m3fn": 1, "float8_e5m2": 1, "float8_e4m3fnuz": 1, "float8_e5m2fnuz": 1},
}


@dataclass(frozen=True)
class Storage:
    """A run of bytes in a file. key: its name there.   count: elements.   read: gives the bytes as (n,) uint8."""

    key: str
    dtype: str
    count: int
    read: Callable[[], np.ndarray] = field(repr=False, compare=False)


@dataclass(frozen=True)
class Stored:
    """dtype: "float32" ..., or words such as "sparse" that say why it cannot be loaded.

    offset and stride count elements of the storage.
    """

    dtype: str
    shape: tuple[int, ...]
    storage: Storage | None = None
    offset: int = 0
    stride: tuple[int, ...] = ()

    @property
    def ndim(self) -> int:
        return len(self.shape)

    def numel(self) -> int:
        return math.prod(self.shape)

    def load(self) -> Tensor:
        """The tensor, its bytes shared with the file's map where they can be; InputError where it is no float weight.

        A tensor that repeats stored values (stride 0) is refused: its size would be anyone's word.
        """
        if self.dtype not in FLOATS or self.storage is None:
            raise InputError(
                f"is stored as {self.dtype}; weights are read as {', '.join(FLOATS)}. Convert it with .float() and "
                "save it again"
            )
        size = BYTES[self.dtype]
        last = self.offset + sum((n - 1) * step for n, step in zip(self.shape, self.stride, strict=True))
        wrong = self.offset < 0 or min((*self.shape, *self.stride), default=0) < 0
        if wrong or self.numel() > self.storage.count or (self.numel() and last >= self.storage.count):
            raise InputError(f"describes {self.shape} values outside the {self.storage.count} that are stored")
        raw = self.storage.read()
        if len(raw) < self.storage.count * size:
            raise InputError(f"announces {self.storage.count * size} bytes, {len(raw)} are there")
        flat = raw[: self.storage.count * size]
        if flat.ctypes.data % size:
            flat = flat.copy()  # archives that were packed again do not align their parts
        values = torch.from_numpy(flat).view(FLOATS[self.dtype])
        return values.as_strided(self.shape, self.stride, self.offset)


def contiguous(shape) -> tuple[int, ...]:
    """Strides of an array of this shape whose last axis runs fastest."""
    steps, step = [], 1
    for size in reversed(shape):
        steps.append(step)
        step *= max(size, 1)
    return tuple(reversed(steps))
