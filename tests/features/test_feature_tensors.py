"""The safetensors reader and writer."""

import hashlib
import json
import mmap

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import load_file, save_file

from tebench.base import storage
from tebench.base.errors import CacheError
from tebench.features import tensors


@pytest.fixture
def arrays():
    rng = np.random.default_rng(0)
    return {
        "long": rng.integers(-9, 9, (3, 2)),
        "a": rng.standard_normal((5, 4)).astype(np.float32),
        "empty": np.empty((0, 3), np.float32),
        "small": rng.integers(-9, 9, 7).astype(np.int16),
        "tiny": rng.integers(0, 9, 3).astype(np.int8),
    }


def assert_same(found, expected):
    assert found.keys() == expected.keys()
    for name in expected:
        assert found[name].dtype == expected[name].dtype
        np.testing.assert_array_equal(found[name], expected[name])


def test_library_reads_what_we_write_and_hashes_are_of_the_bytes(tmp_path, arrays):
    path = tmp_path / "x.safetensors"
    written = tensors.write(path, {name: tensors.Stream.of(array) for name, array in arrays.items()}, {"note": "é"})
    assert_same(load_file(path), arrays)
    assert written.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert written.n_bytes == path.stat().st_size
    assert written.tensors == {name: storage.hash_array(array) for name, array in arrays.items()}
    found, metadata = tensors.read(path)
    assert_same(found, arrays)
    assert metadata == {"note": "é"}


def test_we_read_what_the_library_writes(tmp_path, arrays):
    path = tmp_path / "x.safetensors"
    save_file(arrays, path, {"a": "b"})
    found, metadata = tensors.read(path)
    assert_same(found, arrays)
    assert metadata == {"a": "b"}


def test_chunks_make_the_same_file_and_reading_is_a_read_only_map(tmp_path, arrays):
    whole, pieces = tmp_path / "whole", tmp_path / "pieces"
    array = arrays["a"]
    tensors.write(whole, {"a": tensors.Stream.of(array)})
    tensors.write(pieces, {"a": tensors.Stream(array.dtype, array.shape, (array[i : i + 2] for i in (0, 2, 4)))})
    assert whole.read_bytes() == pieces.read_bytes()
    found = tensors.read(whole)[0]["a"]
    with pytest.raises(ValueError, match="read-only"):
        found[0, 0] = 1
    owner = found
    while isinstance(owner, np.ndarray):
        owner = owner.base
    assert isinstance(owner, mmap.mmap)
    with pytest.raises(ValueError, match="got 64 bytes"):
        tensors.write(pieces, {"a": tensors.Stream(array.dtype, array.shape, (array[:4],))})


def craft(path, header, body=b"\0" * 16):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + body)


GOOD = {"dtype": "F32", "shape": [4], "data_offsets": [0, 16]}


@pytest.mark.parametrize(
    "header",
    [
        b"{",
        b"[]",
        b"[" * 50_000,
        {"a": 3},
        {"a": {**GOOD, "dtype": "F33"}},
        {"a": {**GOOD, "dtype": ["F32"]}},
        {"a": {**GOOD, "shape": [5]}},
        {"a": {**GOOD, "shape": [-1, -4]}},
        {"a": {**GOOD, "shape": [2**62, 4, 4]}},
        {"a": {**GOOD, "shape": [4.0]}},
        {"a": {**GOOD, "data_offsets": [0, 20], "shape": [5]}},
        {"a": {**GOOD, "data_offsets": [4, 16], "shape": [3]}},
        {"a": {**GOOD, "data_offsets": [0, 12], "shape": [3]}},
        {"a": {**GOOD, "data_offsets": [0]}},
        {"a": {**GOOD, "data_offsets": ["0", "16"]}},
        {"a": GOOD, "b": GOOD},
        {"a": GOOD, "__metadata__": {"x": 1}},
        {"a": GOOD, "__metadata__": [1]},
        {},
    ],
)
def test_a_false_header_is_refused_and_the_file_named(tmp_path, header):
    path = tmp_path / "bad.safetensors"
    craft(path, header)
    with pytest.raises(CacheError, match=r"bad\.safetensors"):
        tensors.read(path)


def test_missing_empty_and_truncated_files_are_refused(tmp_path, arrays):
    path = tmp_path / "x.safetensors"
    with pytest.raises(CacheError, match="does not exist"):
        tensors.read(path)
    tensors.write(path, {name: tensors.Stream.of(array) for name, array in arrays.items()})
    data = path.read_bytes()
    for length in (0, 1, 7, 8, 100, len(data) - 1):
        path.write_bytes(data[:length])
        with pytest.raises(CacheError, match=r"x\.safetensors"):
            tensors.read(path)
    path.write_bytes(data + b"\0")
    with pytest.raises(CacheError, match="no tensor"):
        tensors.read(path)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=120), st.booleans())
def test_no_bytes_crash_the_reader(tmp_path_factory, data, framed):
    path = tmp_path_factory.mktemp("fuzz") / "x"
    path.write_bytes(len(data).to_bytes(8, "little") + data if framed else data)
    try:
        tensors.read(path)
    except CacheError:
        return
    assert framed and isinstance(json.loads(data), dict)
