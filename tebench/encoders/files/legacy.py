"""Files of torch.save before 1.6: three small pickles, the content, the storages' keys, then their bytes."""

from __future__ import annotations

import mmap
from functools import cached_property
from pathlib import Path

import numpy as np

from tebench.base.errors import InputError
from tebench.encoders.files.formats import damaged
from tebench.encoders.files.pickled import Reader
from tebench.encoders.files.stored import BYTES, Storage

MAGIC = 0x1950A86A20F9469CFC6C
HEAD = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19."  # what its first pickle is, byte for byte


class Legacy:
    """One file; see `archive.Archive`."""

    def __init__(self, path: Path):
        self.path = path
        self._where: dict[str, tuple[int, int]] = {}
        self._sizes: dict[str, int] = {}

    @cached_property
    def _map(self) -> np.ndarray:
        return np.memmap(self.path, np.uint8, "c")

    def value(self):
        with open(self.path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            reader = Reader(data, self._storage)
            if reader.load() != MAGIC:
                raise InputError("is no file of torch.save")
            reader.load(), reader.load()  # protocol, sizes of the machine
            found, keys = reader.load(), reader.load()
            if not isinstance(keys, list):
                raise damaged("no list of storages")
            at = reader.at
            for key in map(str, keys):
                count = int.from_bytes(data[at : at + 8], "little")
                begin, at = at + 8, at + 8 + count * self._sizes.get(key, 1)
                if at > len(data):
                    raise damaged(f"storage {key[:40]} reaches past its end")
                self._where[key] = begin, at
        return found

    def _storage(self, dtype: str, key: str, count: int) -> Storage:
        self._sizes[key] = BYTES.get(dtype, 1)
        return Storage(key, dtype, count, lambda: self._bytes(key))

    def _bytes(self, key: str) -> np.ndarray:
        if key not in self._where:
            raise InputError(f"names storage {key[:40]!r}, which it does not hold")
        begin, end = self._where[key]
        return self._map[begin:end]

    def verify(self) -> None:
        """These files have no checksums."""
