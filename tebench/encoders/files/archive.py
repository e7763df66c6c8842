"""The zip archive of torch.save: `data.pkl` says what is there, `data/<key>` holds the bytes of each storage."""

from __future__ import annotations

import logging
import mmap
import struct
import zipfile
from functools import cached_property
from pathlib import Path

import numpy as np

from tebench.base.errors import InputError
from tebench.encoders.files.formats import damaged
from tebench.encoders.files.pickled import Reader
from tebench.encoders.files.stored import BYTES, Storage

log = logging.getLogger(__name__)

MOST_LISTING = 2**23  # bytes of the archive's listing: some 80,000 parts
MOST_PICKLE = 2**26  # bytes of data.pkl; a large network with optimiser state has 2 MB
FREE, TIMES = 2**28, 4  # deflated parts unpack to at most FREE + TIMES x the file: weights hardly shrink


class Archive:
    """One file. `value` is what its pickle says; tensors are read when they are loaded."""

    def __init__(self, path: Path):
        self.path = path
        self.size = path.stat().st_size
        _check_listing(path, self.size)
        try:
            with zipfile.ZipFile(path) as archive:
                self.parts = {part.filename: part for part in archive.infolist()}
                count = len(archive.infolist())
        except Exception as error:  # a damaged listing fails as BadZipFile, or in decoding names, or in its versions
            raise damaged(error) from error
        if count != len(self.parts):
            raise InputError("is refused: its archive holds two parts of one name")
        if sum(part.file_size for part in self.parts.values() if part.compress_type == zipfile.ZIP_STORED) > self.size:
            raise damaged("its parts overlap: together they are longer than the file")
        self._refuse_others()
        roots = [name.removesuffix("data.pkl") for name in self.parts if name.endswith("data.pkl")]
        if len(roots) != 1:
            raise InputError(
                f"is a zip archive without a weight file's data.pkl; it holds {', '.join(sorted(self.parts)[:4])}. If "
                "a checkpoint is packed in it, unpack it"
            )
        self.root = roots[0]
        self.unpacked, self.counted = 0, set()
        self.swapped = self._small("byteorder") == b"big"

    def _refuse_others(self) -> None:
        names = list(self.parts)
        if any(name.endswith("constants.pkl") or "/code/" in name for name in names):
            raise InputError(
                "is a TorchScript archive: it carries program code beside its weights, and a traced "
                "graph does not give encoder stages by name. Save the network's state_dict() instead"
            )
        for ending, words in (
            ("model.weights.h5", "a Keras model"),
            ("models/model.json", "a program of torch.export"),
            ("serialized_exported_program.json", "a program of torch.export"),
        ):
            if any(name.endswith(ending) for name in names):
                raise InputError(f"is {words}, not a weight file. Save the network's state_dict() with torch.save")

    def value(self):
        """The pickle's value, tensors as `Stored`."""
        part = self.parts[f"{self.root}data.pkl"]
        if part.file_size > MOST_PICKLE:
            raise InputError(f"announces a pickle of {part.file_size} bytes; at most {MOST_PICKLE} are read")
        return Reader(self._part(part).tobytes(), self._storage).load()

    def _small(self, name: str) -> bytes:
        part = self.parts.get(self.root + name)
        return b"" if part is None or part.file_size > 64 else self._part(part).tobytes().strip()

    def _storage(self, dtype: str, key: str, count: int) -> Storage:
        return Storage(key, dtype, count, lambda: self._bytes(key, dtype))

    def _bytes(self, key: str, dtype: str) -> np.ndarray:
        part = self.parts.get(f"{self.root}data/{key}")
        if part is None:
            raise InputError(f"names storage {key[:40]!r}, which its archive does not hold")
        found = self._part(part)
        if self.swapped and BYTES.get(dtype, 1) > 1:
            found = found.reshape(-1, BYTES[dtype])[:, ::-1].reshape(-1).copy()
        return found

    def _part(self, part: zipfile.ZipInfo) -> np.ndarray:
        return self._mapped(part) if part.compress_type == zipfile.ZIP_STORED else self._unpack(part)

    @cached_property
    def _map(self) -> np.ndarray:
        return np.memmap(self.path, np.uint8, "c")

    def _mapped(self, part: zipfile.ZipInfo) -> np.ndarray:
        """A stored part's own bytes in the file. A deflated part's would be its compressed bytes."""
        head = bytes(self._map[part.header_offset : part.header_offset + 30])
        if len(head) < 30 or head[:4] != b"PK\x03\x04":
            raise damaged(f"no part begins where {part.filename[:60]!r} should")
        begin = part.header_offset + 30 + sum(struct.unpack("<HH", head[26:30]))
        if begin + part.file_size > self.size:
            raise damaged(f"{part.filename[:60]!r} reaches past its end")
        return self._map[begin : begin + part.file_size]

    def _unpack(self, part: zipfile.ZipInfo) -> np.ndarray:
        """A part's bytes, read through zipfile, which looks at its checksum; all deflated parts share one bound."""
        if part.compress_type != zipfile.ZIP_STORED and part.filename not in self.counted:
            self.counted.add(part.filename)
            self.unpacked += part.file_size
            if self.unpacked > FREE + TIMES * self.size:
                raise InputError(
                    f"unpacks to more than {FREE // 2**20} MB and {TIMES} times its own size, which weights never do"
                )
        try:
            with zipfile.ZipFile(self.path) as archive, archive.open(part) as file:
                data = file.read(part.file_size + 1)
        except Exception as error:
            raise damaged(f"{part.filename[:60]}: {error}") from error
        return np.frombuffer(bytearray(data), np.uint8)

    def verify(self) -> None:
        """Refuse an archive of which a part does not fit its CRC-32; reads all of it once."""
        wrong = [name for name in self.parts if not self._is_whole(name)]
        if wrong and len(wrong) == len(self.parts):
            log.warning("checkpoint %s was saved without checksums: a changed byte in it would not be seen.", self.path)
        elif wrong:
            raise damaged(f"{wrong[0][:60]} does not fit its checksum")

    def _is_whole(self, name: str) -> bool:
        import zlib

        part = self.parts[name]
        if part.compress_type != zipfile.ZIP_STORED:
            self._unpack(part)
            return True
        data, found = self._mapped(part), 0
        for begin in range(0, len(data), 2**22):
            found = zlib.crc32(data[begin : begin + 2**22], found)
        return found == part.CRC


def _check_listing(path: Path, size: int) -> None:
    """Refuse a listing that would take more memory than any weight file's, before it is read."""
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        end = data.rfind(b"PK\x05\x06", max(0, size - 2**16 - 22))
        if end < 0 or end + 22 > size:
            raise damaged("an archive without its listing")
        (listing,) = struct.unpack("<L", data[end + 12 : end + 16])
        large = data.rfind(b"PK\x06\x06", max(0, end - 2**16), end)
        if large >= 0 and large + 48 <= size:
            listing = max(
                listing if listing != 2**32 - 1 else 0, *struct.unpack("<Q", data[large + 40 : large + 48]), 0
            )
        if listing > MOST_LISTING:
            raise InputError(f"announces a listing of {listing} bytes; at most {MOST_LISTING} are read")
