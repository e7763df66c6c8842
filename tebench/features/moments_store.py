"""Moments on disk: one pass over a stage's rows serves every later run, whatever metrics it asks for.

    <folder>/moments-<stage>-<first 16 hex digits of the key>.safetensors

The key is a hash of the features, the sample, the rows, their labels and the version of the moments. A file is
written beside and renamed, checked whole when it is read, and made again where it does not fit its own hashes.
Everything is kept in float64, so a metric gives the same bits from memory and from disk.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable
from functools import cached_property
from pathlib import Path

import numpy as np

from tebench.base import storage
from tebench.base.errors import CacheError
from tebench.features import tensors
from tebench.features.cache import file_name
from tebench.features.sample import FeatureSet
from tebench.metrics.moments import VERSION, Moments, Spectrum
from tebench.runtime import meter

log = logging.getLogger(__name__)

FORMAT = 1  # raised whenever the layout of the file changes
_PLAIN = ("mean", "offsets", "squares", "thirds", "fourths", "counts", "classes")
_SPECTRUM = ("values", "axes", "rest")


class _Later:
    """Rows that are gathered when the first of them is read."""

    def __init__(self, gather: Callable[[], np.ndarray]):
        self._gather = gather

    @cached_property
    def _rows(self) -> np.ndarray:
        return self._gather()

    def __getitem__(self, rows) -> np.ndarray:
        return self._rows[rows]


def path_for(folder: Path, features: FeatureSet, stage: str, rows: np.ndarray, labels: np.ndarray) -> Path:
    """Where the moments of these rows of a stage lie. The sample counts too: parts of a feature set share its hash."""
    made_from = [FORMAT, features.hash, features.sample.hash, stage, storage.hash_array(rows)]
    key = storage.hash_json([*made_from, storage.hash_array(labels), VERSION])
    return Path(folder) / f"moments-{file_name(stage)}-{key[:16]}.safetensors"


def load_or_form(path: Path | None, gather: Callable[[], np.ndarray], labels: np.ndarray) -> tuple[Moments, float]:
    """(moments, seconds that forming them took, now or then). gather gives the rows (N, D); path None: keep nothing."""
    if path is not None and path.exists():
        try:
            moments, seconds = _read(path, gather, labels)
            meter.charge(seconds)
            return moments, seconds
        except CacheError as error:
            log.warning("%s The moments are formed again.", error)
    begin = time.perf_counter()
    moments = Moments.of(gather(), labels)
    moments.spectrum  # noqa: B018 - formed now: it may need the rows a second time
    seconds = time.perf_counter() - begin
    if path is not None:
        _write(path, moments, seconds)
    return moments, seconds


def _write(path: Path, moments: Moments, seconds: float) -> None:
    arrays = {name: getattr(moments, name) for name in _PLAIN}
    arrays |= {name: getattr(moments.spectrum, name) for name in _SPECTRUM}
    lower = np.tril_indices(moments.d)
    for c in range(moments.c):
        factor = moments.factor(c)
        if factor is None:
            arrays[f"scatter.{c}"] = moments.scatter(c)[lower]  # symmetric: half of it is all of it
        else:
            arrays[f"factor.{c}"] = factor
    arrays["constant"] = moments.constant.astype(np.uint8)  # last: wider types stay aligned before it
    facts = {
        "name": path.stem, "seconds": seconds,
        "tensors": {name: storage.hash_array(array) for name, array in arrays.items()},
    }  # fmt: skip
    streams = {name: tensors.Stream.of(np.ascontiguousarray(array)) for name, array in arrays.items()}
    with storage.atomic_path(path) as temporary:
        tensors.write(temporary, streams, {"moments": storage.canonical_json(storage.seal(facts))}, hashed=False)


def _read(path: Path, gather, labels) -> tuple[Moments, float]:
    found, metadata = tensors.read(path)
    try:
        facts = storage.unseal(json.loads(metadata["moments"]), path)
        arrays = {name: np.array(array) for name, array in found.items()}
        hashes = {name: storage.hash_array(array) for name, array in arrays.items()}
        if hashes != facts["tensors"]:
            raise CacheError(f"{path} was altered after it was written.")
        if facts["name"] != path.stem:
            raise CacheError(f"{path} is foreign: it was written as {facts['name']}.")
        return _assembled(arrays, gather, labels), float(facts["seconds"])
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        raise CacheError(f"{path} does not hold moments ({type(error).__name__}: {error}).") from error


def _assembled(arrays: dict, gather, labels) -> Moments:
    d, scatters, factors = len(arrays["mean"]), {}, {}
    rows, columns = np.tril_indices(d)
    for name, array in arrays.items():
        kind, _, c = name.partition(".")
        if kind == "factor":
            factors[int(c)] = array
        elif kind == "scatter":
            scatters[int(c)] = full = np.empty((d, d))
            full[rows, columns] = full[columns, rows] = array
    moments = Moments(
        **{name: arrays[name] for name in _PLAIN},
        constant=arrays["constant"].astype(bool),
        _scatters=scatters,
        _factors=factors,
        _features=_Later(gather),
        codes=np.unique(labels, return_inverse=True)[1].reshape(-1),
    )
    moments.__dict__["spectrum"] = Spectrum(*(arrays[name] for name in _SPECTRUM))
    return moments
