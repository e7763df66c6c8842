"""A pickle that may hold named numpy arrays and nothing else; every other name in it is refused before it is found."""

from __future__ import annotations

import collections
import io
import pickle

import numpy as np

from tebench.base.errors import InputError

try:
    from numpy._core.multiarray import _reconstruct
except ImportError:  # numpy 1
    from numpy.core.multiarray import _reconstruct

_ADMITTED = {
    ("collections", "OrderedDict"): collections.OrderedDict,
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
    ("numpy._core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy.core.multiarray", "_reconstruct"): _reconstruct,
}


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str):
        if (module, name) not in _ADMITTED:
            raise InputError(f"names {module}.{name}, and only numpy arrays are read")
        return _ADMITTED[module, name]

    def persistent_load(self, pid):
        raise InputError("names a persistent object, and only numpy arrays are read")


def arrays(data: bytes, label: str) -> dict[str, np.ndarray]:
    """The named float arrays of a pickled dict.

    label: how messages call the file. Raises InputError for a pickle that names anything but arrays, a damaged one, and
    one that holds other values than finite float arrays by name.
    """
    try:
        found = _Unpickler(io.BytesIO(data)).load()
    except InputError as error:
        raise InputError(f"{label} is refused and was not executed: its pickle {error}.") from error
    except Exception as error:  # a pickle's opcodes fail in many ways
        raise InputError(f"{label} is damaged or no pickle of arrays ({type(error).__name__}: {error}).") from error
    if not isinstance(found, dict):
        raise InputError(f"{label} holds a {type(found).__name__}, expected a dict of arrays.")
    for name, value in found.items():
        good = isinstance(name, str) and isinstance(value, np.ndarray) and value.dtype.kind == "f"
        if not good or not np.isfinite(value).all():
            raise InputError(f"{label}: entry {name!r} is no finite float array.")
    return dict(found)
