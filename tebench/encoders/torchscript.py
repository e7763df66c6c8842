"""Tensors of a TorchScript archive, read as data: neither its code nor its pickle's functions run.

The archive is a zip: `<root>/data.pkl` describes the module tree and names storages, `<root>/data/<key>`
holds their little-endian bytes. The unpickler below knows four harmless names and refuses any other.
"""

from __future__ import annotations

import io
import pickle
import zipfile
from collections import OrderedDict

import numpy as np
import torch

from tebench.base.errors import InputError

_STORAGES = {"FloatStorage": np.dtype("<f4"), "DoubleStorage": np.dtype("<f8"), "LongStorage": np.dtype("<i8")}


class _Module:
    """Stands for every class of the archive: a bag of attributes, no behaviour."""


class _Reader(pickle.Unpickler):
    def __init__(self, file, storage):
        super().__init__(file, encoding="utf-8")
        self._storage = storage

    def find_class(self, module: str, name: str):
        if module == "__torch__" or module.startswith("__torch__."):
            return _Module
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _rebuild
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if module == "torch" and name in _STORAGES:
            return _STORAGES[name]
        raise InputError(f"the TorchScript file names {module}.{name}, which is not plain tensor data; refused.")

    def persistent_load(self, identity):
        kind, dtype, key, _, count = identity
        if kind != "storage" or not isinstance(dtype, np.dtype):
            raise InputError(f"the TorchScript file refers to {identity!r}, which is not a storage; refused.")
        return self._storage(str(key), dtype, int(count))


def _rebuild(storage, offset, size, stride, *_):
    """One tensor as an own copy; numpy checks nothing about strides, so the extent is checked here."""
    last = offset + sum((extent - 1) * step for extent, step in zip(size, stride, strict=True))
    if offset < 0 or min((*size, *stride), default=0) < 0 or (min(size, default=1) and last >= len(storage)):
        raise InputError(f"the TorchScript file describes a tensor outside its storage: {size}, {stride}, {offset}.")
    steps = [step * storage.itemsize for step in stride]
    view = np.lib.stride_tricks.as_strided(storage[offset:], shape=size, strides=steps, writeable=False)
    return torch.from_numpy(np.array(view, dtype=view.dtype.newbyteorder("=")))


def tensors(data: bytes) -> dict[str, torch.Tensor]:
    """Bytes of a TorchScript archive -> its tensors by dotted name, like a state dict."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            roots = [name[: -len("data.pkl")] for name in archive.namelist() if name.endswith("data.pkl")]
            if len(roots) != 1 or roots[0].count("/") != 1:
                raise InputError("not a TorchScript file: it has no single <root>/data.pkl.")

            def storage(key: str, dtype: np.dtype, count: int) -> np.ndarray:
                values = np.frombuffer(archive.read(f"{roots[0]}data/{key}"), dtype)
                if len(values) != count:
                    raise InputError(f"storage {key} holds {len(values)} values, {count} were announced.")
                return values

            tree = _Reader(io.BytesIO(archive.read(f"{roots[0]}data.pkl")), storage).load()
    except InputError:
        raise
    except Exception as error:  # a damaged pickle or zip can fail in any of its opcodes
        raise InputError(f"the TorchScript file is not readable: {error!r}.") from error
    found: dict[str, torch.Tensor] = {}
    _collect(tree, "", found)
    return found


def _collect(node, prefix: str, found: dict) -> None:
    for name, value in vars(node).items():
        if isinstance(value, torch.Tensor):
            found[prefix + name] = value
        elif isinstance(value, _Module):
            _collect(value, f"{prefix}{name}.", found)
