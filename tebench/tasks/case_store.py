"""Cases on disk: one safetensors file a case, with its sha256 beside it."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from pathlib import Path

import numpy as np

from tebench.base import storage
from tebench.base.errors import CacheError
from tebench.tasks.base import Case

logger = logging.getLogger(__name__)


def load_or_make(folder: Path, case_id: str, make: Callable[[], Case]) -> Case:
    """The stored case, or a new one stored; a damaged file is made again, never trusted."""
    path = Path(folder) / f"{case_id}.safetensors"
    case = _read_or_none(path, case_id)
    if case is not None:
        return case
    with storage.locked(path):
        # Another process may have written it while this one waited.
        case = _read_or_none(path, case_id, logging.DEBUG)
        if case is None:
            case = make()
            write(path, case)
    return case


def _read_or_none(path: Path, case_id: str, level: int = logging.WARNING) -> Case | None:
    if not path.exists():
        return None
    try:
        case = read(path)
    except CacheError as error:
        logger.log(level, "%s Making it again.", error)
        return None
    if case.id != case_id:
        logger.log(level, "%s holds case %r, not %r. Making it again.", path, case.id, case_id)
        return None
    return case


def write(path: Path, case: Case) -> None:
    from safetensors.numpy import save

    # One header entry: safetensors does not keep the order of several, and bytes would differ between runs.
    header = {"case": storage.canonical_json({"id": case.id, "origin": case.origin, "spacing": case.spacing})}
    data = save({"image": np.ascontiguousarray(case.image), "labels": np.ascontiguousarray(case.labels)}, header)
    with storage.atomic_path(path) as temporary:
        temporary.write_bytes(data)
    # The hash comes last: a file without its hash counts as unfinished.
    storage.write_text(_hash_path(path), storage.sha256_bytes(data) + "\n")


def read(path: Path) -> Case:
    """The case of a stored file; CacheError when it is missing, damaged or without its hash."""
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        expected = _hash_path(path).read_text(encoding="ascii").strip()
        data = Path(path).read_bytes()
    except (OSError, UnicodeDecodeError) as error:
        raise CacheError(f"{path} or its hash is not readable ({error}).") from error
    if storage.sha256_bytes(data) != expected:
        raise CacheError(f"{path} is damaged: its bytes do not match {_hash_path(path).name}.")
    try:
        arrays = load(data)
        header = json.loads(json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])["__metadata__"]["case"])
        spacing = tuple(float(x) for x in header["spacing"])
        # Copies, because arrays over the file's bytes are read-only and those of a new case are not.
        return Case(header["id"], arrays["image"].copy(), arrays["labels"].copy(), spacing, header["origin"])
    except (SafetensorError, KeyError, TypeError, ValueError) as error:
        raise CacheError(f"{path} is not a stored case ({error}).") from error


def _hash_path(path: Path) -> Path:
    return Path(path).with_suffix(".sha256")
