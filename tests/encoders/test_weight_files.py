"""Weight files of unknown origin: bounded in time and memory, never executed, their bytes what they say."""

import contextlib
import copy
import struct
import time
import tracemalloc
import unicodedata
import zipfile

import numpy as np
import pickle_bombs as bombs
import pytest
import torch
from checkpoint_files import patch, resenc_content, resenc_network, save
from hypothesis import given, settings
from hypothesis import strategies as st

from tebench.base.errors import InputError
from tebench.encoders.checkpoints import describe, open_checkpoint
from tebench.encoders.files import archive, opened, pickled
from tebench.encoders.files.beside import load
from tebench.encoders.files.plain import plain, printable
from tebench.encoders.files.stored import Stored

SECONDS, BYTES = 20.0, 2**27  # CPU, of any file below, each under 8 MB; measuring itself takes most of the time


def bounded(read, *arguments):
    tracemalloc.start()
    begin = time.process_time()
    try:
        return read(*arguments)
    finally:
        took, (_, peak) = time.process_time() - begin, tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert took < SECONDS and peak < BYTES, f"{took:.1f} s, {peak / 2**20:.0f} MB"


@pytest.mark.parametrize(
    "body",
    [
        bombs.name("builtins", "bytearray") + b"(" + bombs.integer(2**30) + b"tR",
        bombs.laughs(),
        bombs.colliding(),
        bombs.encoded_often(),
        bombs.ordered_often(),
        b"]" * 200_000 + b"0" * 199_999,
        b"(" * 100_000 + b"1" * 100_000 + b"N",
        b"\x8e" + struct.pack("<Q", 2**62),
        b"r" + struct.pack("<I", 2**32 - 1),
        bombs.name("numpy", "dtype") + b"(" + bombs.text("V8") + b"tR(K\x03" + bombs.text("|") + b"NNNK\x08K\x01K?tb",
    ],
    ids=["bytearray", "laughs", "keys", "texts", "dicts", "lists", "marks", "length", "memo", "dtype"],
)
def test_a_small_file_takes_little(tmp_path, body):
    path = bombs.archive(
        bombs.entry(body, "nnssl_adaptation_plan"), tmp_path / "one.pth", compression=zipfile.ZIP_DEFLATED
    )
    with pytest.raises(InputError, match=r"one\.pth"):
        bounded(describe, path)


def test_a_value_that_holds_itself_many_times_is_no_plan(tmp_path, monkeypatch):
    monkeypatch.setattr("tebench.encoders.files.plain.MOST_VALUES", 20_000)
    content = opened.read(bombs.archive(bombs.entry(bombs.laughs()), tmp_path / "one.pth"))
    with pytest.raises(InputError, match="plain values"):
        bounded(content.plain, "state_dict")
    circle = []
    circle.append(circle)
    with pytest.raises(InputError, match="inside themselves"):
        plain(circle)


def test_endless_pickles_end(tmp_path, monkeypatch):
    monkeypatch.setattr(pickled, "MOST_STEPS", 1000)
    with pytest.raises(InputError, match="more than 1000 steps"):
        opened.read(bombs.archive(bombs.entry(b"]" * 2000), tmp_path / "one.pth"))


@pytest.mark.parametrize(
    ("shape", "stride", "count", "words"),
    [
        ((2**40,), (0,), 1, "outside the 1 that are stored"),
        ((2, 3), (3, 1), 5, "outside the 5 that are stored"),
        ((4,), (1,), 4, "announces 16 bytes, 8 are there"),
        ((2**40,), (1,), 2**40, "bytes, 8 are there"),
        ((1,), (-1,), 2, "outside"),
    ],
)
def test_a_tensor_is_what_the_file_stores(tmp_path, shape, stride, count, words):
    data = bombs.entry(b"}" + bombs.text("w") + bombs.tensor(shape, stride, count) + b"s")
    content = opened.read(bombs.archive(data, tmp_path / "one.pth", {"0": bytes(8)}))
    with pytest.raises(InputError, match=words):
        bounded(content.values["state_dict"]["w"].load)


def test_a_network_of_repeated_weights_is_refused_before_it_takes_memory(tmp_path):
    """A file of some kilobytes whose weights are one value each, expanded to a network of gigabytes."""
    content = copy.deepcopy(resenc_content())
    arguments = content["nnssl_adaptation_plan"]["architecture_plans"]["arch_kwargs"]
    wide = 2**12
    arguments["features_per_stage"] = [wide] * 4
    with torch.device("meta"):
        from tebench.encoders import resenc

        plan = resenc.Plan(features=(wide,) * 4, blocks=(1, 1, 2, 1), strides=(1, 2, 2, 2))
        shell = resenc.ResEnc(resenc_network().facts, resenc_network().spec, plan)
    spelled = {key.replace("levels.", "encoder.stages."): value for key, value in shell.state_dict().items()}
    one = torch.zeros(1)
    content["network_weights"] = {
        (key if key.startswith("encoder.") else f"encoder.{key}"): one.expand(value.shape)
        for key, value in spelled.items()
    }
    reading = describe(save(tmp_path, content))
    with pytest.raises(InputError, match="out of proportion"):
        bounded(reading.build)


def test_a_deflated_archive_is_unpacked_not_mapped(tmp_path):
    """Found: the compressed bytes were read as weights."""
    path = save(tmp_path / "stored", resenc_content())
    expected = open_checkpoint(path)(patch(16, 16, 16))
    other = tmp_path / "again" / "checkpoint_final.pth"
    other.parent.mkdir()
    with zipfile.ZipFile(path) as file, zipfile.ZipFile(other, "w", zipfile.ZIP_DEFLATED) as packed:
        for part in file.infolist():
            packed.writestr(part.filename, file.read(part))
    for one, same in zip(open_checkpoint(other)(patch(16, 16, 16)), expected, strict=True):
        assert torch.equal(one, same)


def test_deflated_parts_share_a_bound(tmp_path, monkeypatch):
    monkeypatch.setattr(archive, "FREE", 2**16)
    data = bombs.entry(b"}" + bombs.text("w") + bombs.tensor((2**20,), (1,), 2**20) + b"s")
    path = bombs.archive(data, tmp_path / "one.pth", {"0": bytes(2**22)}, zipfile.ZIP_DEFLATED)
    with pytest.raises(InputError, match="times its own size"):
        opened.read(path).values["state_dict"]["w"].load()


def test_parts_that_overlap_or_share_a_name_are_refused(tmp_path):
    path = bombs.archive(bombs.entry(b"}"), tmp_path / "one.pth", {"0": bytes(5000), "1": bytes(5000)})
    data = path.read_bytes()
    first = data.index(b"PK\x01\x02")
    again = data.index(b"PK\x01\x02", data.index(b"a/data/1", first) - 60)
    # The listing's second part begins where its first does, and says it is as long as the file.
    moved = bytearray(data)
    moved[again + 20 : again + 28] = struct.pack("<LL", len(data), len(data))
    path.write_bytes(moved)
    with pytest.raises(InputError, match=r"overlap|damaged"):
        opened.read(path)
    with pytest.warns(UserWarning), zipfile.ZipFile(tmp_path / "two.pth", "w") as file:
        for _ in range(2):
            file.writestr("a/data.pkl", b"\x80\x02}.")
    with pytest.raises(InputError, match="two parts of one name"):
        opened.read(tmp_path / "two.pth")


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (torch.zeros(2, 1, 3, 3, 3, dtype=torch.int8), "stored as int8"),
        (torch.zeros(2, 1, 3, 3, 3, dtype=torch.complex64), "stored as complex64"),
        (torch.zeros(2, 1, 3, 3, 3, dtype=torch.bool), "stored as bool"),
        (torch.zeros(2, 1, 3, 3, 3).to(torch.float8_e4m3fn), "stored as float8_e4m3fn"),
        (torch.zeros(2, 1, 3, 3, 3).to_sparse(), "stored as sparse"),
        (torch.zeros(2, 1, 3, 3, 3, dtype=torch.float8_e5m2), "stored as float8_e5m2"),
    ],
)
def test_weights_that_are_no_floats_are_refused_in_words(tmp_path, value, words):
    content = resenc_content()
    for key in ("encoder.stem.convs.0.conv.weight", "encoder.stem.convs.0.all_modules.0.weight"):
        content["network_weights"][key] = value
    with pytest.raises(InputError, match=words):
        describe(save(tmp_path, content))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("dtype", [torch.float8_e4m3fn, torch.uint16, torch.complex32, torch.quint8])
def test_exotic_tensors_beside_the_weights_are_passed_over(tmp_path, dtype):
    """Found: one of them ended a whole listing with a traceback."""
    content = resenc_content()
    odd = torch.zeros(4)
    content["odd"] = torch.quantize_per_tensor(odd, 0.1, 0, dtype) if dtype is torch.quint8 else odd.to(dtype)
    content["sparse"] = torch.zeros(4).to_sparse()
    open_checkpoint(save(tmp_path, content))


def test_objects_of_other_libraries_are_passed_over_and_never_made(tmp_path):
    """Lightning's files hold such objects beside the weights."""
    import argparse
    import datetime
    import functools
    import pathlib
    from collections import defaultdict

    content = resenc_content()
    content |= {
        "hyper_parameters": argparse.Namespace(lr=1e-3, data=pathlib.PurePosixPath("/data")),
        "optimizer": functools.partial(torch.optim.AdamW, lr=1e-3),
        "log": defaultdict(list, loss=[0.1]), "when": datetime.datetime(2024, 1, 1),
        "dtype": torch.float16, "size": torch.Size([1, 2]), "classes": np.array([0.3, 0.7]), "flag": np.bool_(True),
    }  # fmt: skip
    found = opened.read(save(tmp_path, content))
    assert found.values["hyper_parameters"].name == "argparse.Namespace"
    assert found.values["flag"] is True and found.values["log"] == {"loss": [0.1]}
    np.testing.assert_array_equal(found.values["classes"].load().numpy(), [0.3, 0.7])
    describe(tmp_path / "checkpoint_final.pth")


def test_a_name_that_no_weight_file_needs_is_refused(tmp_path):
    for module, what in (("posix", "system"), ("builtins", "eval"), ("subprocess", "Popen"), ("os", "system")):
        data = bombs.entry(bombs.name(module, what) + b"(" + bombs.text("true") + b"tR")
        with pytest.raises(InputError, match=f"was not executed: its pickle names {module}.{what}"):
            opened.read(bombs.archive(data, tmp_path / "one.pth"))


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=200), st.integers(0, 2**31))
def test_any_bytes_are_read_or_refused(tmp_path_factory, noise, seed):
    """No pickle ends otherwise than in a value or an InputError, whatever is changed in a whole one."""
    base = bombs.entry(b"}" + bombs.text("w") + bombs.tensor((2, 2), (2, 1), 4) + b"s")
    rng = np.random.default_rng(seed)
    data = bytearray(base)
    for _ in range(int(rng.integers(1, 6))):
        data[int(rng.integers(len(data)))] = int(rng.integers(256))
    for value in (bytes(data), noise, base[:20] + noise):
        with contextlib.suppress(InputError):
            pickled.Reader(value, lambda dtype, key, count: None).load()


def test_what_is_read_is_what_torch_reads(tmp_path):
    torch.manual_seed(0)
    whole = torch.randn(6, 4)
    content = {
        "plain": torch.randn(3, 2), "turned": whole.t(), "part": whole[2:5, 1:3], "none": torch.zeros(0, 3),
        "half": torch.randn(3).half(), "brain": torch.randn(3).bfloat16(), "double": torch.randn(3).double(),
        "scalar": torch.tensor(2.5), "parameter": torch.nn.Parameter(torch.randn(2)),
        "numbers": [1, 2.5, None, True, "text", (3, -4), 2**70, {"a": 1}],
    }  # fmt: skip
    for zipped in (True, False):
        path = save(tmp_path, content, f"{zipped}.pt", _use_new_zipfile_serialization=zipped)
        found = opened.read(path).values
        for key, value in content.items():
            if isinstance(value, torch.Tensor):
                assert isinstance(found[key], Stored) and torch.equal(found[key].load(), value.detach()), key
        assert found["numbers"] == content["numbers"]


def test_small_files_beside_are_bounded(tmp_path):
    laughs = "a: &a [x, x]\n" + "".join(
        f"{chr(98 + n)}: &{chr(98 + n)} [*{chr(97 + n)}, *{chr(97 + n)}]\n" for n in range(24)
    )
    (tmp_path / "one.yaml").write_text(laughs)
    with pytest.raises(InputError, match=r"one\.yaml uses YAML anchors"):
        bounded(load, tmp_path / "one.yaml")
    (tmp_path / "two.yaml").write_text("a: 1\n" * 100_000)
    (tmp_path / "three.json").write_text("{" + " " * 2**23 + "}")
    for name in ("two.yaml", "three.json"):
        with pytest.raises(InputError, match="bytes; at most"):
            bounded(load, tmp_path / name)
    (tmp_path / "deep.json").write_text("[" * 100_000)
    with pytest.raises(InputError, match="not readable JSON"):
        bounded(load, tmp_path / "deep.json")
    header = b'{"a":{"dtype":"F32","shape":[4],"data_offsets":[0,16]}}'
    (tmp_path / "one.safetensors").write_bytes(struct.pack("<Q", 2**40) + header)
    with pytest.raises(InputError, match="header is longer"):
        bounded(opened.read, tmp_path / "one.safetensors")
    (tmp_path / "one.safetensors").write_bytes(struct.pack("<Q", len(header)) + header + bytes(8))
    with pytest.raises(InputError, match="reaches past its end"):
        bounded(opened.read, tmp_path / "one.safetensors")


def test_words_of_a_file_do_not_steer_the_terminal(tmp_path):
    evil = "\x1b]0;owned\x07\x1b[31mred\u202e\u200f\r"
    content = resenc_content()
    content["trainer_name"] = content["nnssl_adaptation_plan"]["pretrain_plan"]["dataset_name"] = evil
    content[evil] = 1
    reading = describe(save(tmp_path / "facts", content))
    content["network_weights"] = {f"{evil}{key}": value for key, value in content["network_weights"].items()}
    with pytest.raises(InputError) as caught:
        describe(save(tmp_path / "message", {evil: 1, "state_dict": content["network_weights"]}))
    for words in (str(caught.value), *map(str, vars(reading.facts).values()), *reading.warnings):
        assert "owned" in words or "\\x1b" not in words
        assert not any(mark in words for mark in "\x1b\x07\u202e\u200f\r")


@settings(max_examples=50, deadline=None)
@given(st.text(max_size=30))
def test_printable_text_keeps_what_is_harmless(text):
    shown = printable(text)
    assert all(char == "\n" or unicodedata.category(char)[0] != "C" for char in shown)
    assert printable("Swin UNETR, β=2") == "Swin UNETR, β=2"


@pytest.mark.parametrize(
    ("name", "data", "words"),
    [
        ("a.pt", b"\x1f\x8b\x08", "compressed with gzip"),
        ("a.pt", b"x" * 257 + b"ustar" + b"y" * 300, "tar archive"),
        ("a.pt", b"version https://git-lfs.github.com/spec/v1\n", "pointer of Git LFS"),
        ("a.safetensors", b"version https://git-lfs.github.com/spec/v1\n", "pointer of Git LFS"),
        ("a.pt", b"<!DOCTYPE html><html>", "web page"),
        ("a.onnx", b"\x08\x07\x12\x07pytorch", "ONNX"),
        ("a.pt", b"\x93NUMPY\x01", "numpy array"),
    ],
)
def test_other_formats_are_called_what_they_are(tmp_path, name, data, words):
    (tmp_path / name).write_bytes(data)
    with pytest.raises(InputError, match=words) as caught:
        opened.read(tmp_path / name)
    assert "weights_only" not in str(caught.value)
