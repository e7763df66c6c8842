"""Constants of a frozen TensorFlow graph, read from the protobuf wire format without TensorFlow.

Messages and field numbers, from tensorflow/core/framework/{graph,node_def,attr_value,tensor}.proto:
GraphDef.node = 1; NodeDef.name = 1, .op = 2, .attr = 5 (a map: key = 1, value = 2); AttrValue.tensor = 8;
TensorProto.dtype = 1 (1 is float32), .tensor_shape = 2, .tensor_content = 4, .float_val = 5;
TensorShapeProto.dim = 2; Dim.size = 1.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from tebench.base.errors import InputError

_FLOAT = 1
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5

_MOST_VALUES = 2**28  # of one node: a repeated tail lets few bytes claim any number


def _varint(data: memoryview, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        if at >= len(data) or shift > 63:
            raise InputError("the graph file is truncated or not a protobuf message.")
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7


def _fields(data: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """(field number, value) of one message in order; value is an int for varints, else bytes."""
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        number, wire = key >> 3, key & 7
        if wire == _VARINT:
            value, at = _varint(data, at)
            yield number, value
            continue
        if wire == _BYTES:
            length, at = _varint(data, at)
        elif wire in (_FIXED32, _FIXED64):
            length = 4 if wire == _FIXED32 else 8
        else:
            raise InputError(f"the graph file has wire type {wire}, which protobuf messages of a graph do not use.")
        if at + length > len(data):
            raise InputError("the graph file is truncated or not a protobuf message.")
        yield number, data[at : at + length]
        at += length


def _pick(data: memoryview, number: int) -> list:
    return [value for field, value in _fields(data) if field == number]


def _bytes(data: memoryview, number: int) -> list[bytes]:
    """As `_pick`, of a field that holds bytes: bytes(n) of a number n would be n zeros."""
    found = _pick(data, number)
    if not all(isinstance(value, memoryview) for value in found):
        raise InputError(f"field {number} of the graph file is a number where bytes belong.")
    return [bytes(value) for value in found]


def constants(data: bytes) -> dict[str, np.ndarray]:
    """All `Const` nodes that hold floats, by name; InputError for bytes that are no such graph."""
    try:
        return _constants(data)
    except InputError:
        raise
    except Exception as error:  # a damaged message fails wherever it is read
        raise InputError(f"not a readable TensorFlow graph ({type(error).__name__}: {error}).") from error


def _constants(data: bytes) -> dict[str, np.ndarray]:
    """Bytes of a GraphDef -> its float32 Const nodes by node name."""
    found = {}
    for node in _pick(memoryview(data), 1):
        if _bytes(node, 2) != [b"Const"]:
            continue
        name = _bytes(node, 1)[0].decode()
        for attribute in _pick(node, 5):
            if _bytes(attribute, 1)[0] == b"value":
                tensor = _pick(_pick(attribute, 2)[0], 8)[0]
                if _pick(tensor, 1) == [_FLOAT]:
                    found[name] = _tensor(name, tensor)
    return found


def _tensor(name: str, message: memoryview) -> np.ndarray:
    dims = [dim for shape in _pick(message, 2) for dim in _pick(shape, 2)]
    shape = tuple(size for dim in dims for size in (_pick(dim, 1) or [0]))
    count = math.prod(shape)
    if count > _MOST_VALUES:
        raise InputError(f"node {name!r} of the graph file claims shape {shape}.")
    # Values lie either in tensor_content or in float_val, packed or one by one.
    raw = b"".join(_bytes(message, 4) or _bytes(message, 5))
    values = np.frombuffer(raw, "<f4") if len(raw) % 4 == 0 else np.empty(0, "<f4")
    if 0 < len(values) < count:  # protobuf keeps a repeated tail once
        values = np.concatenate([values, np.full(count - len(values), values[-1], "<f4")])
    if len(values) != count:
        raise InputError(f"node {name!r} of the graph file has shape {shape} but {len(raw)} bytes of values.")
    return values.reshape(shape).astype(np.float32)
