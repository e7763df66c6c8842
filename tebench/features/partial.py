"""Finished cases of an extraction that is under way, so that a killed one goes on where it stopped."""

from __future__ import annotations

import contextlib
import json
import logging
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from tebench.base import storage
from tebench.base.errors import CacheError, InputError
from tebench.features import tensors

log = logging.getLogger(__name__)

KEEP_AFTER = 5.0  # seconds of work that a killed process may lose
MOST_HELD = 2**27  # bytes of rows held in memory meanwhile


class PartialFeatures:
    """One file a case in a hidden folder beside the feature folder; each is written whole or not at all.

    The rows of a case keep the sample's order. A file of another key, or with a wrong hash, is made again.
    Cases stay in memory until a few seconds of work are at stake: a small extraction that nothing interrupts writes
    its rows once. Leaving the block by an error or Ctrl-C writes what is held.
    """

    def __init__(self, folder: Path, key: str):
        self.folder = storage.make_folder(_place(folder))
        self.key = key
        self._held: dict[int, tuple[dict[str, np.ndarray], str]] = {}
        self._since, self._n_bytes = time.monotonic(), 0
        for left in self.folder.glob(".*.part*"):  # of a process that was killed while writing
            left.unlink(missing_ok=True)

    def __enter__(self) -> PartialFeatures:
        self._since = time.monotonic()
        return self

    def __exit__(self, kind, *_) -> None:
        if kind is not None:
            with contextlib.suppress(InputError):  # the disk is full, say: the error under way says more
                self._write()

    def _path(self, case: int) -> Path:
        return self.folder / f"{case:05d}.safetensors"

    def save(self, case: int, matrices: dict[str, np.ndarray], seconds: dict[str, float]) -> None:
        self._held[case] = matrices, storage.canonical_json(seconds)
        self._n_bytes += sum(matrix.nbytes for matrix in matrices.values())
        if time.monotonic() - self._since >= KEEP_AFTER or self._n_bytes > MOST_HELD:
            self._write()

    def n_bytes_held(self) -> int:
        """Of rows in memory that no file holds yet."""
        return self._n_bytes

    def _write(self) -> None:
        for case, (matrices, text) in list(self._held.items()):
            note = {"key": self.key, "hash": _hash(matrices, text), "seconds": text}
            streams = {name: tensors.Stream.of(matrix) for name, matrix in matrices.items()}
            with storage.atomic_path(self._path(case), lasting=False) as path:
                tensors.write(path, streams, note, hashed=False)
            del self._held[case]
        self._since, self._n_bytes = time.monotonic(), 0

    def load(self, case: int) -> dict[str, np.ndarray]:
        """Matrices of a finished case, memory-mapped where they are written; as trusted after `is_done`."""
        return self._held[case][0] if case in self._held else self._read(case)[0]

    def seconds(self, case: int) -> dict[str, float]:
        """What `save` was given."""
        return json.loads(self._held[case][1] if case in self._held else self._read(case)[1]["seconds"])

    def _read(self, case: int) -> tuple[dict[str, np.ndarray], dict[str, str]]:
        return tensors.read(self._path(case))

    def is_done(self, case: int, n_rows: int) -> bool:
        if not self._path(case).exists():
            return False
        try:
            matrices, note = self._read(case)
            if note.get("key") != self.key or note.get("hash") != _hash(matrices, note.get("seconds")):
                raise CacheError(f"{self._path(case)} is damaged.")
            return all(len(matrix) == n_rows for matrix in matrices.values())
        except CacheError as error:
            log.warning("%s The case is read again.", error)
            return False

    def clear(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)


def _place(folder: Path) -> Path:
    return folder.parent / f".{folder.name}.cases"


def clear_left(folder: Path) -> None:
    """Cases kept beside a finished folder: its process was killed before it could remove them."""
    shutil.rmtree(_place(folder), ignore_errors=True)


def assemble(partial: PartialFeatures, case: np.ndarray, chunk: int = 8192) -> dict[str, tensors.Stream]:
    """Each stage's rows in the sample's order, as streams that hold one chunk of rows at a time.

    case: (N,) which case each row of the sample belongs to.
    """
    loaded = {int(index): partial.load(int(index)) for index in np.unique(case)}
    # Row of the sample -> row of its case's file, which keeps the order.
    rank = np.empty(len(case), dtype=np.int64)
    for index in loaded:
        mine = np.flatnonzero(case == index)
        rank[mine] = np.arange(len(mine))
    first = next(iter(loaded.values()))

    def rows(name: str, width: int) -> Iterator[np.ndarray]:
        for begin in range(0, len(case), chunk):
            part = case[begin : begin + chunk]
            out = np.empty((len(part), width), dtype=np.float32)
            for index in np.unique(part):
                mine = part == index
                matrix = loaded[int(index)][name]
                out[mine] = matrix[rank[begin : begin + chunk][mine]]
                tensors.release(matrix)  # else all rows end up in memory
            yield out

    return {
        name: tensors.Stream(np.dtype(np.float32), (len(case), matrix.shape[1]), rows(name, matrix.shape[1]))
        for name, matrix in first.items()
    }


def _hash(matrices: dict[str, np.ndarray], seconds: str | None) -> str:
    return storage.hash_json([seconds, [[name, storage.hash_array(matrix)] for name, matrix in matrices.items()]])
