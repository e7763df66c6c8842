"""The feature cache: one folder for each (task, encoder, sample), verified whenever it is read.

    <cache>/<task>/<encoder>/<first 16 hex digits of the key>/
        features.safetensors   one (N, D) float32 matrix a stage, and `probabilities` of a source head
        sample.safetensors     coordinates, labels, case, role, patch of the same N rows
        manifest.json          the key and what made it, hashes of both files, encoder, versions, seconds

The key is a hash of everything that determines the features. Files are written beside and renamed, the
manifest last, so a folder either has a manifest that fits its files or counts as not there.
"""

from __future__ import annotations

import dataclasses
import json
import logging
import platform
import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from tebench.base import storage
from tebench.base.errors import CacheError, InputError
from tebench.base.version import __version__
from tebench.features import tensors
from tebench.features.sample import FeatureSet, Sample

log = logging.getLogger(__name__)

FORMAT = 1  # raised whenever the layout or the arithmetic of extraction changes
FEATURES, SAMPLE, MANIFEST = "features.safetensors", "sample.safetensors", "manifest.json"
PROBABILITIES = "probabilities"
_ARRAYS = {"coordinates": np.int32, "patch": np.int32, "labels": np.int16, "case": np.int16, "role": np.int8}
_REMEDY = "Run job=extract to have it made again."


def made_from(
    *, task: str, task_fingerprint: str, sample_hash: str, encoder: str, encoder_fingerprint: str,
    decoder_seed: int, interpolation: str, patch, overlap: float,
) -> dict:  # fmt: skip
    """All that determines a feature folder, as plain values. patch None: the encoder's default."""
    return {
        "format": FORMAT, "task": task, "task_fingerprint": task_fingerprint, "sample_hash": sample_hash,
        "encoder": encoder, "encoder_fingerprint": encoder_fingerprint, "decoder_seed": int(decoder_seed),
        "interpolation": interpolation, "patch": None if patch is None else [int(size) for size in patch],
        "overlap": float(overlap), "dtype": "float32",
    }  # fmt: skip


def folder_for(cache: Path, parts: dict) -> Path:
    """Where the features made from `parts` lie."""
    return Path(cache) / file_name(parts["task"]) / file_name(parts["encoder"]) / storage.hash_json(parts)[:16]


def file_name(name: str) -> str:
    """A name fit for a folder; two names that become one are still told apart by the key."""
    return re.sub(r"[^A-Za-z0-9._-]+", "_", name).lstrip(".") or "_"


def write(folder: Path, *, parts: dict, sample: Sample, matrices: Mapping[str, tensors.Stream], facts: dict) -> None:
    """Write a whole folder. matrices: stages in order, then perhaps `probabilities`. facts: more for the manifest.

    facts must hold `encoder` (its facts as plain values) and `stages` (name, kind, channels, stride of each).
    """
    folder = Path(folder)
    try:
        (folder / MANIFEST).unlink(missing_ok=True)
        for left in folder.glob(".*.part*"):  # of a process that was killed while writing
            left.unlink(missing_ok=True)
    except OSError as error:
        raise InputError(f"cannot write feature cache {folder}: {error.strerror}. Choose a writable one.") from error
    # Nothing waits for the disk: all three are verified whenever they are read, and a damaged folder is made again.
    written = {}
    with storage.atomic_path(folder / FEATURES, lasting=False) as path:
        written[FEATURES] = tensors.write(path, matrices)
    with storage.atomic_path(folder / SAMPLE, lasting=False) as path:
        written[SAMPLE] = _write_sample(path, sample)
    manifest = {
        **facts, "made_from": parts, "key": storage.hash_json(parts), "rows": len(sample),
        "files": {name: {"sha256": file.sha256, "bytes": file.n_bytes} for name, file in written.items()},
        "feature_hash": storage.hash_json(sorted(written[FEATURES].tensors.items())),
        "label_hash": sample.label_hash, "versions": _versions(),
    }  # fmt: skip
    storage.write_sealed(folder / MANIFEST, manifest, lasting=False)


def manifest(folder: Path) -> dict:
    """The manifest, checked against itself and its folder, not against the files."""
    path = Path(folder) / MANIFEST
    content = storage.read_json(path)
    if not isinstance(content, dict) or not isinstance(content.get("made_from"), dict):
        raise CacheError(f"{path} is not the manifest of a feature cache. {_REMEDY}")
    form = content["made_from"].get("format")
    if form != FORMAT:
        raise CacheError(f"{path} has format {form!r}, this version reads {FORMAT}. {_REMEDY}")
    content = storage.unseal(content, path)
    try:
        sound = content["key"] == storage.hash_json(content["made_from"]) and _is_whole(content)
    except (KeyError, TypeError, ValueError):
        sound = False
    if not sound:
        raise CacheError(f"{path} was altered after it was written. {_REMEDY}")
    name = Path(folder).resolve().name
    if re.fullmatch("[0-9a-f]{16}", name) and not content["key"].startswith(name):
        raise CacheError(f"{path} is foreign: it belongs to folder {content['key'][:16]}, not {name}. {_REMEDY}")
    return content


def _is_whole(content: dict) -> bool:
    """Whether all that is read of a manifest is there and of its kind."""
    files = [content["files"][name] for name in (FEATURES, SAMPLE)]
    return (
        isinstance(content["made_from"]["encoder"], str)
        and isinstance(content["encoder"], dict)
        and isinstance(content["feature_hash"], str)
        and isinstance(content["label_hash"], str)
        and all(isinstance(file["sha256"], str) and isinstance(file["bytes"], int) for file in files)
        and all(isinstance(stage["name"], str) and isinstance(stage["channels"], int) for stage in content["stages"])
    )


def header(folder: Path) -> dict:
    """feature_hash, label_hash and the encoder's facts, without reading features."""
    return header_of(manifest(folder))


def header_of(manifest: dict) -> dict:
    """What a cell's address takes from the manifest; facts as the catalogue declares them today."""
    from tebench.encoders.catalogue import declared

    facts = declared(manifest["encoder"])
    return {name: manifest[name] for name in ("feature_hash", "label_hash")} | {"facts": facts}


def check(folder: Path, key: str | None = None, *, verify: bool = True) -> dict:
    """The manifest of a sound folder; CacheError names the file that is missing, damaged or foreign."""
    folder = Path(folder)
    if not folder.is_dir():
        raise CacheError(f"feature cache {folder} does not exist. {_REMEDY}")
    content = manifest(folder)
    if key is not None and content["key"] != key:
        raise CacheError(f"{folder / MANIFEST} is foreign: made from something else than asked for. {_REMEDY}")
    for name in (FEATURES, SAMPLE):
        path, expected = folder / name, content["files"][name]
        if not path.is_file():
            raise CacheError(f"{path} is missing. {_REMEDY}")
        if path.stat().st_size != expected["bytes"]:
            raise CacheError(f"{path} is truncated: {path.stat().st_size} bytes of {expected['bytes']}. {_REMEDY}")
        if verify and storage.sha256_file(path) != expected["sha256"]:
            raise CacheError(f"{path} is damaged: its sha256 is not the manifest's. {_REMEDY}")
    return content


def is_valid(folder: Path, key: str | None = None, *, warn: bool = True) -> bool:
    """Whether the folder can be trusted; one that is there and damaged is logged as a warning."""
    try:
        try:
            check(folder, key)
            return True
        except CacheError as error:
            if warn and Path(folder).is_dir() and any(Path(folder).iterdir()):
                log.warning("feature cache not trusted, made again: %s", error)
            return False
    except OSError as error:
        raise InputError(f"feature cache {folder} cannot be read: {error.strerror}.") from error


def read(folder: Path, *, verify: bool = True) -> FeatureSet:
    """The features of one folder, memory-mapped and read-only. verify=False skips hashing the files."""
    folder = Path(folder)
    try:
        content = check(folder, verify=verify)
    except OSError as error:
        raise CacheError(f"feature cache {folder} cannot be read: {error.strerror}.") from error
    matrices, _ = tensors.read(folder / FEATURES)
    sample = _read_sample(folder / SAMPLE)
    stages = {stage["name"]: stage["channels"] for stage in content["stages"]}
    for name, channels in stages.items():
        found = matrices.get(name)
        if found is None or found.shape != (len(sample), channels) or found.dtype != np.float32:
            shape = "nothing" if found is None else f"{found.shape} {found.dtype}"
            expected = f"{(len(sample), channels)} float32"
            raise CacheError(f"{folder / FEATURES}: stage {name!r} should be {expected}, is {shape}. {_REMEDY}")
    return FeatureSet(
        encoder=content["made_from"]["encoder"],
        sample=sample,
        stages={name: matrices[name] for name in stages},
        facts=content["encoder"],
        hash=content["feature_hash"],
        probabilities=matrices.get(PROBABILITIES),
    )


def _write_sample(path: Path, sample: Sample) -> tensors.Written:
    arrays = {name: tensors.Stream.of(np.asarray(getattr(sample, name), dtype)) for name, dtype in _ARRAYS.items()}
    fields = {f.name: getattr(sample, f.name) for f in dataclasses.fields(sample) if f.name not in _ARRAYS}
    return tensors.write(path, arrays, {"sample": storage.canonical_json(fields)})


def _read_sample(path: Path) -> Sample:
    arrays, metadata = tensors.read(path)
    try:
        fields = json.loads(metadata["sample"])
        for name in ("classes", "case_ids"):
            fields[name] = tuple(fields[name])
        return Sample(**fields, **arrays)
    except (KeyError, TypeError, ValueError) as error:
        raise CacheError(f"{path} does not hold a sample ({error}). {_REMEDY}") from error


def _versions() -> dict[str, str]:
    from importlib.metadata import version

    found = {name: version(name) for name in ("numpy", "torch")}
    return {"tebench": __version__, "python": platform.python_version(), **found}
