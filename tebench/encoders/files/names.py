"""The names in pickles that stand for values, each with the value that is made in its place; none of them is called."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass, field

from tebench.encoders.files.formats import damaged
from tebench.encoders.files.stored import BYTES, Storage, Stored, contiguous

STORAGES = {
    f"{module}.{name}": dtype
    for module in ("torch", "torch.cuda", "torch.storage")
    for name, dtype in {
        **{"FloatStorage": "float32", "DoubleStorage": "float64", "HalfStorage": "float16", "LongStorage": "int64"},
        **{"BFloat16Storage": "bfloat16", "IntStorage": "int32", "ShortStorage": "int16", "CharStorage": "int8"},
        **{"ByteStorage": "uint8", "BoolStorage": "bool", "ComplexFloatStorage": "complex64"},
        **{"ComplexDoubleStorage": "complex128", "UntypedStorage": "uint8", "QInt8Storage": "quantised"},
        **{"QUInt8Storage": "quantised", "QInt32Storage": "quantised", "QUInt4x2Storage": "quantised"},
    }.items()
}
# What an honest file never names and a harmful one needs. Nothing runs either way; saying so is worth a refusal.
_MODULES = {
    "os", "posix", "nt", "subprocess", "sys", "socket", "shutil", "runpy", "importlib", "ctypes", "pty", "code",
    "webbrowser", "commands", "asyncio", "multiprocessing", "signal", "pip", "urllib", "http", "ftplib", "smtplib",
}  # fmt: skip
MOST_KEY = 2**60  # of integers as keys of a dict: larger ones can be chosen to collide
_BUILTINS = {"eval", "exec", "execfile", "compile", "__import__", "open", "apply", "globals", "breakpoint", "input"}


@dataclass(frozen=True)
class Named:
    """A name that a pickle refers to. Nothing is looked up."""

    path: str


def is_harmful(module: str, name: str) -> bool:
    if module in ("builtins", "__builtin__"):
        return name.split(".")[0] in _BUILTINS
    return module.split(".")[0] in _MODULES


class _Number:
    """numpy.dtype: its kind and size."""

    def __init__(self, reader, code="", *_):
        self.code = code if isinstance(code, str) else ""

    def built(self, reader, state):
        order = state[1] if isinstance(state, tuple) and len(state) > 1 and isinstance(state[1], str) else "<"
        self.code = (order if order in "<>" else "<") + self.code.lstrip("<>|=")
        return self

    @property
    def name(self) -> str:
        kinds = {"f": "float", "i": "int", "u": "uint", "b": "bool", "c": "complex"}
        code = self.code.lstrip("<>|=")
        bits = f"{8 * int(code[1:])}" if code[1:].isdigit() and code[0] != "b" else ""
        return kinds.get(code[:1], "object") + bits


class _Encoded:
    """_codecs.encode(text, "latin1"): how protocol 2 writes bytes. Made only where they are few, or a whole array."""

    def __init__(self, reader, text="", *_):
        self.text = text if isinstance(text, str) else ""


def _raw(data) -> bytes:
    if isinstance(data, _Encoded):
        return data.text.encode("latin-1", "replace")
    return data if isinstance(data, bytes) else b""


def _scalar(reader, kind=None, data=b"", *_):
    """numpy.core.multiarray.scalar(dtype, bytes)"""
    form = {"float64": "d", "float32": "f", "float16": "e", "int64": "q", "int32": "i", "int16": "h", "int8": "b",
            "uint8": "B", "uint16": "H", "uint32": "I", "uint64": "Q", "bool": "?"}  # fmt: skip
    if not isinstance(kind, _Number) or kind.name not in form:
        return None
    held = data.text[:16].encode("latin-1", "replace") if isinstance(data, _Encoded) else _raw(data)
    order = ">" if kind.code.startswith(">") else "<"
    form = order + form[kind.name]
    return struct.unpack(form, held)[0] if len(held) == struct.calcsize(form) else None


class _Array:
    """numpy's array, empty until its state is built."""

    def __init__(self, reader, *_):
        pass

    def built(self, reader, state):
        import numpy as np

        _, shape, kind, fortran, data = state
        held = _raw(data)
        reader.charge(len(held) // 64)  # a text may be encoded many times over
        dtype = kind.name if isinstance(kind, _Number) and not kind.code.startswith(">") else "object"
        whole = isinstance(shape, tuple) and all(isinstance(size, int) and 0 <= size < 2**40 for size in shape)
        if not whole or dtype not in BYTES or fortran:
            return Stored(f"numpy array of {dtype}", ())
        storage = Storage("numpy", dtype, len(held) // BYTES[dtype], lambda: np.frombuffer(held, np.uint8).copy())
        return Stored(dtype, shape, storage, 0, contiguous(shape))


def _tensor(reader, storage=None, offset=0, size=(), stride=(), *_):
    whole = isinstance(offset, int) and all(
        isinstance(part, tuple | list) and all(isinstance(n, int) and abs(n) < 2**48 for n in part)
        for part in (size, stride)
    )
    if not isinstance(storage, Storage) or not whole or len(size) != len(stride) or len(size) > 64:
        raise damaged("its pickle describes a tensor without a storage, shape and stride")
    return Stored(storage.dtype, tuple(size), storage, offset, tuple(stride))


def _retyped(reader, storage=None, offset=0, size=(), stride=(), grad=False, hooks=None, dtype=None, *_):
    """torch._utils._rebuild_tensor_v3: the storage holds bytes, the type is named beside it."""
    found = _tensor(reader, storage, offset, size, stride)
    name = dtype.path.removeprefix("torch.") if isinstance(dtype, Named) else "unknown"
    held = found.storage
    return Stored(name, found.shape, Storage(held.key, name, held.count // BYTES.get(name, 1), held.read),
                  offset, found.stride)  # fmt: skip


def _subclass(reader, function=None, kind=None, args=(), state=None, *_):
    """torch._tensor._rebuild_from_type_v2: MONAI's MetaTensor and others of the kind; the plain tensor is read."""
    return reader.call(function, args)


def _first(reader, value=None, *_):
    return value


def _kind(words: str) -> Callable:
    return lambda reader, *_: Stored(words, ())


@dataclass(eq=False)
class Stub:
    """What would have been an object. name: its class.   args, state, items: what the file gave it."""

    name: str
    args: tuple = ()
    state: object = field(default=None, repr=False)
    items: dict = field(default_factory=dict, repr=False)
    values: list = field(default_factory=list, repr=False)


def key_of(key):
    """A key that cannot be chosen to collide with many others."""
    if isinstance(key, str | bytes | float | bool) or key is None or (isinstance(key, int) and abs(key) < MOST_KEY):
        return key
    return Stub(type(key).__name__)


def _dict(reader, pairs=(), *_):
    if isinstance(pairs, dict):
        pairs = list(pairs.items())
    if not isinstance(pairs, list | tuple):
        return {}  # a defaultdict's factory
    reader.charge(4 * len(pairs))  # a list may be made a dict many times over
    return {key_of(pair[0]): pair[1] for pair in pairs if isinstance(pair, list | tuple) and len(pair) == 2}


def _sequence(reader, values=(), *_):
    return values if isinstance(values, list | tuple) else []


MADE: dict[str, Callable] = {
    "collections.OrderedDict": _dict, "collections.defaultdict": _dict, "collections.Counter": _dict,
    "builtins.dict": _dict, "__builtin__.dict": _dict,
    "torch._utils._rebuild_tensor": _tensor, "torch._utils._rebuild_tensor_v2": _tensor,
    "torch._utils._rebuild_tensor_v3": _retyped,
    "torch._utils._rebuild_parameter": _first, "torch._utils._rebuild_parameter_with_state": _first,
    "torch._tensor._rebuild_from_type_v2": _subclass, "torch._tensor._rebuild_from_type": _subclass,
    "torch._utils._rebuild_qtensor": _kind("quantised"),
    "torch._utils._rebuild_sparse_tensor": _kind("sparse"),
    "torch._utils._rebuild_sparse_csr_tensor": _kind("sparse"),
    "torch._utils._rebuild_nested_tensor": _kind("nested"),
    "torch._utils._rebuild_meta_tensor_no_storage": _kind("meta (no values)"),
    "torch._utils._rebuild_device_tensor_from_numpy": _first,
    "torch.Size": _sequence, "builtins.set": _sequence, "__builtin__.set": _sequence,
    "builtins.frozenset": _sequence, "__builtin__.frozenset": _sequence,
    "numpy.dtype": _Number, "_codecs.encode": _Encoded,
    **{f"numpy.{core}.multiarray.scalar": _scalar for core in ("core", "_core")},
    **{f"numpy.{core}.multiarray._reconstruct": _Array for core in ("core", "_core")},
}  # fmt: skip
