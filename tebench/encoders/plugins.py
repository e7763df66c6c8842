"""Encoders and readers of files from third parties: entry points, and Python files named with plugins=[file.py].

An entry point of the group `tebench.encoders`, or a function under `@encoder("name")` in such a file, makes one
`tebench.encoders.network.Encoder`. A function under `@reader(...)` makes one from the weights of any file that it
recognises:

    @reader("tiny", title="Tiny autoencoders", recognise=lambda names: "tiny.stem.weight" in names)
    def read_tiny(weights, name):            # weights: tensors by name, without what wrappers put before all names
        ...
        return network                       # an Encoder whose facts.name is `name`

Features are kept under a fingerprint of weights and code: of an entry point's encoder its attribute `fingerprint`, of a
file's the hash of that file. Processes that are started later load the same files.
"""

from __future__ import annotations

import importlib.util
import inspect
import json
import os
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import lru_cache
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING

from tebench.base import storage
from tebench.base.errors import InputError

if TYPE_CHECKING:
    from tebench.encoders.files.opened import Content
    from tebench.encoders.network import Encoder
    from tebench.encoders.readers.statement import Statement
    from tebench.encoders.reading import Reading

GROUP = "tebench.encoders"
VARIABLE = "TEBENCH_ENCODER_PLUGINS"  # files, as JSON: the environment is what spawned workers inherit
_ENCODERS: dict[str, Callable] = {}
_READERS: dict[str, FileReader] = {}
_LOADED: set[str] = set()


@dataclass(frozen=True)
class FileReader:
    """A registered reader; to the dispatcher it is one more family."""

    name: str
    title: str
    fits: Callable[[set[str]], bool]
    make: Callable
    module: str = "plugin"

    def recognise(self, content: Content) -> str | None:
        return "its reader says so" if self._weights(content) is not None else None

    def _weights(self, content: Content):
        from tebench.encoders.states import dicts_of

        for weights in dicts_of(content).values():
            names = _without_common_prefix(weights)
            if self.fits(set(names)):
                return names
        return None

    def read(self, content: Content, name: str, stated: Statement, channels: int | None) -> Reading:
        from tebench.encoders.reading import Reading
        from tebench.encoders.weights import tensor

        if channels is not None:
            raise InputError(f"checkpoint {content.path}: channels= is for nnssl files.")
        content.verify()
        weights = {
            key: tensor(value, key, content.path) if value.dtype.startswith(("float", "bfloat")) else value
            for key, value in self._weights(content).items()
        }
        where = f"checkpoint {content.path}, reader {self.name!r}"
        made = _checked(lambda: self.make(weights, name), where)
        if made.facts.name != name:
            raise InputError(f"{where}: facts.name is {made.facts.name!r}; it must be {name!r}.")
        made.facts = replace(made.facts, source=str(content.path))
        made.spec = stated.apply(made.spec, notes := [])
        version = f"plugin {self.name} {_hash(self.make)}"
        return Reading(made.facts, made.spec, made.stages, version, tuple(notes), (0, 1, 2), made.freeze)

    def sidecars(self, path: Path) -> Iterable[Path]:
        return ()


def _without_common_prefix(weights: dict) -> dict:
    """Names without the parts that all of them begin with (module., model.)."""
    parts = [name.split(".") for name in weights]
    shared = 0
    while parts and all(len(own) > shared + 1 and own[shared] == parts[0][shared] for own in parts):
        shared += 1
    return {".".join(own[shared:]): value for own, value in zip(parts, weights.values(), strict=True)}


def reader(name: str, *, title: str, recognise: Callable[[set[str]], bool]) -> Callable:
    """Register a reader of files. recognise: the names of a file's weights -> whether they are of this kind."""

    def register(function: Callable) -> Callable:
        _remember(function)
        _READERS[name] = FileReader(name, title, recognise, function)
        return function

    return register


def encoder(name: str) -> Callable:
    """Register an encoder of the catalogue; the function below makes it."""

    def register(function: Callable) -> Callable:
        _remember(function)
        _ENCODERS[name] = function
        return function

    return register


def _remember(function: Callable) -> None:
    file = inspect.getsourcefile(function)
    known = json.loads(os.environ.get(VARIABLE) or "[]")
    if file and Path(file).is_file() and str(Path(file).resolve()) not in known:
        os.environ[VARIABLE] = json.dumps([*known, str(Path(file).resolve())])
    _LOADED.add(str(Path(file or "").resolve()))
    build.cache_clear()


def _load_inherited() -> None:
    """Run the files that the process which started this one had loaded."""
    for file in json.loads(os.environ.get(VARIABLE) or "[]"):
        if file not in _LOADED:
            _LOADED.add(file)
            spec = importlib.util.spec_from_file_location(f"tebench_encoders_{Path(file).stem}", file)
            module = importlib.util.module_from_spec(spec)
            sys.modules[spec.name] = module
            spec.loader.exec_module(module)


def readers() -> tuple[FileReader, ...]:
    _load_inherited()
    return tuple(_READERS.values())


def registered() -> set[str]:
    """Names of all readers and encoders that plug-in files registered in this process."""
    return {*_READERS, *_ENCODERS}


def names() -> list[str]:
    _load_inherited()
    return sorted({*_ENCODERS, *(point.name for point in entry_points(group=GROUP))})


def _hash(function: Callable) -> str:
    return storage.sha256_file(Path(inspect.getsourcefile(function)))[:16]


@lru_cache(maxsize=16)
def build(name: str) -> Encoder:
    """The encoder that the entry point or function `name` makes, checked against the contract."""
    if name in _ENCODERS:
        where = f"encoder {name!r} ({inspect.getsourcefile(_ENCODERS[name])})"
        made = _checked(_ENCODERS[name], where)
        made.fingerprint = getattr(made, "fingerprint", None) or f"plugin {_hash(_ENCODERS[name])}"
    else:
        (point, *_) = [point for point in entry_points(group=GROUP) if point.name == name]
        where = f"encoder {name!r} (entry point {point.value})"
        made = _checked(lambda: point.load()(), where)
    if made.facts.name != name:
        raise InputError(f"{where}: facts.name is {made.facts.name!r}; it must be the entry point's name.")
    if not isinstance(getattr(made, "fingerprint", None), str) or not made.fingerprint:
        raise InputError(f"{where} needs a string attribute `fingerprint` that names its weights and code.")
    return made.freeze()


def _checked(make: Callable, where: str) -> Encoder:
    from tebench.encoders.network import Encoder

    try:
        made = make()
    except Exception as error:  # third-party code
        raise InputError(f"{where} cannot be made: {type(error).__name__}: {error}") from error
    if not isinstance(made, Encoder):
        raise InputError(f"{where} must be a tebench.encoders.network.Encoder, got {type(made).__name__}.")
    return made
