"""Finished cases of an extraction that is under way, so that a killed one goes on where it stopped."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from tebench import storage
from tebench.errors import CacheError
from tebench.features import tensors

log = logging.getLogger(__name__)


class PartialFeatures:
    """One file a case in a hidden folder beside the feature folder; each is written whole or not at all.

    The rows of a case keep the sample's order. A file of another key, or with a wrong hash, is made again.
    """

    def __init__(self, folder: Path, key: str):
        self.folder = storage.make_folder(_place(folder))
        self.key = key
        for left in self.folder.glob(".*.part*"):  # of a process that was killed while writing
            left.unlink(missing_ok=True)

    def _path(self, case: int) -> Path:
        return self.folder / f"{case:05d}.safetensors"

    def save(self, case: int, matrices: dict[str, np.ndarray], seconds: dict[str, float]) -> None:
        text = storage.canonical_json(seconds)
        note = {"key": self.key, "hash": _hash(matrices, text), "seconds": text}
        streams = {name: tensors.Stream.of(matrix) for name, matrix in matrices.items()}
        with storage.atomic_path(self._path(case), lasting=False) as path:
            tensors.write(path, streams, note, hashed=False)

    def load(self, case: int) -> tuple[dict[str, np.ndarray], dict[str, str]]:
        """Memory-mapped matrices and notes of a finished case, as trusted after `is_done`."""
        return tensors.read(self._path(case))

    def is_done(self, case: int, n_rows: int) -> bool:
        if not self._path(case).exists():
            return False
        try:
            matrices, note = self.load(case)
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
    loaded = {int(index): partial.load(int(index))[0] for index in np.unique(case)}
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
                out[mine] = loaded[int(index)][name][rank[begin : begin + chunk][mine]]
            yield out

    return {
        name: tensors.Stream(np.dtype(np.float32), (len(case), matrix.shape[1]), rows(name, matrix.shape[1]))
        for name, matrix in first.items()
    }


def _hash(matrices: dict[str, np.ndarray], seconds: str | None) -> str:
    return storage.hash_json([seconds, [[name, storage.hash_array(matrix)] for name, matrix in matrices.items()]])
