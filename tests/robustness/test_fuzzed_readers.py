"""Readers of untrusted files take their input or refuse it in words; what fuzzing found stays mended."""

import contextlib
import json
import logging
import random

import fuzz_caches
import fuzz_images_and_weights
import fuzz_readers
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tebench.base import failures, storage
from tebench.base.errors import CacheError, InputError
from tebench.encoders import checkpoints

logging.getLogger("hypothesis").setLevel(logging.ERROR)
# The library of images is slow to start and its C++ to fail; fuzz.py has them all.
QUICK = [name for name in fuzz_readers.READERS if name not in ("image .nrrd", "image .mha", "TorchScript archive")]


@pytest.mark.parametrize("name", QUICK)
def test_a_spoiled_file_is_taken_or_refused(name, tmp_path_factory):
    one = fuzz_readers.READERS[name]
    folder = tmp_path_factory.mktemp("fuzz")
    sound = one.sound(folder / "sound")
    found = [fuzz_readers.attempt(one, data, folder) for data in sound if data]
    assert "taken" in found or name == "checkpoint .safetensors"  # no plan beside it

    @settings(max_examples=15, derandomize=True, deadline=None, database=None,
              suppress_health_check=list(HealthCheck))  # fmt: skip
    @given(st.integers(0, 2**32))
    def spoiled(seed):
        data = fuzz_readers.spoil(random.Random(seed), sound, one.kind)
        assert fuzz_readers.attempt(one, data, folder) in ("taken", "refused")

    spoiled()


@pytest.mark.parametrize("text", ['{"a": NaN}', '{"a": 1e999}', "[" * 100_000])
def test_json_that_cannot_be_hashed_is_damaged(tmp_path, text):
    """Found: a cell holding NaN got past reading, and its checksum raised a bare ValueError."""
    (tmp_path / "x.json").write_text(text)
    with pytest.raises(CacheError, match=r"x\.json is not readable JSON"):
        storage.read_json(tmp_path / "x.json")


def test_a_sealed_record_of_a_failure_without_its_parts_is_not_trusted(tmp_path, caplog):
    """Found: KeyError for a record that has a checksum and nothing else."""
    (tmp_path / "failed-x.json").write_text(json.dumps(storage.seal({})))
    assert failures.standing(tmp_path / "failed-x.json", False) is None
    assert "failed-x.json is damaged" in caplog.text


def _varint_field(number, value):
    return bytes([number << 3]) + fuzz_images_and_weights.varint(value)


@pytest.mark.parametrize(
    "data",
    [
        b"\x0a\x03\x12\x01\x80",  # a name that is no text
        b"\x08\x05",  # a number where a node belongs
        b"\x0a\x08" + b"\x0a\x01a" + b"\x12\x03" + b"Con",
        b"\x0a\x06" + _varint_field(2, 2**34),  # bytes(2**34) would be 16 GB of zeros
        b"\x0a\x07\x12\x05Const",  # a node without a name
    ],
)
def test_a_graph_that_is_none_is_refused(data):
    """Found: bare TypeError, IndexError and UnicodeDecodeError, and memory taken for a number."""
    from tebench.encoders import graphdef

    with contextlib.suppress(InputError):
        assert graphdef.constants(data) == {}


def test_a_graph_that_claims_a_large_tensor_is_refused():
    from tebench.encoders import graphdef

    sound = fuzz_readers.READERS["TensorFlow graph"].sound(None)[0]
    assert set(graphdef.constants(sound)) == {"conv/w"}
    shape = memoryview(b"\x12" + bytes([2 + 6]) + b"\x12\x06" + b"\x08" + fuzz_images_and_weights.varint(2**31))
    with pytest.raises(InputError, match="claims shape"):
        graphdef._tensor("w", shape)


def test_a_small_archive_that_claims_a_large_volume_is_refused(tmp_path):
    import gzip

    import raw_data

    from tebench.tasks.reading import read

    raw_data.write(tmp_path / "x.nii", raw_data.image())
    data = bytearray((tmp_path / "x.nii").read_bytes())
    data[42:48] = (2000).to_bytes(2, "little") * 3  # the shape of a NIfTI header: 32 GB of float32
    (tmp_path / "x.nii.gz").write_bytes(gzip.compress(data))
    with pytest.raises(InputError, match=r"more than \d+ compressed bytes can hold"):
        read(tmp_path / "x.nii.gz")


@pytest.mark.parametrize("head", ["encoder,score", "encoder,task", "encoder,x,x "])
def test_a_table_of_scores_of_neither_form_is_refused(tmp_path, head):
    """Found: a bare ValueError of pandas for a wide table with a column `score`."""
    from tebench.scoring import imported

    (tmp_path / "s.csv").write_text(f"{head}\n" + "\n".join("abc"[k] + ",1" * head.count(",") for k in range(3)))
    with pytest.raises(InputError, match="expected encoder and one column a task, or encoder, task, score"):
        imported.read(tmp_path / "s.csv", "abc", "xy")


@pytest.mark.parametrize("data", [b"\x80", b"PK", b"P", b"\x80\x02"])
def test_a_weight_file_of_a_byte_or_two_is_refused(tmp_path, data):
    """Found by guided fuzzing: IndexError for a file of the one byte 0x80."""
    (tmp_path / "one.pth").write_bytes(data)
    with pytest.raises(InputError, match=r"checkpoint .*one\.pth is truncated, damaged or no weight file"):
        checkpoints._read(tmp_path / "one.pth", "one", None)


@pytest.mark.parametrize("place", [b"one.pth", b"PK\x01\x02"])
def test_a_damaged_listing_of_a_zip_is_refused(tmp_path, place):
    """Found: UnicodeDecodeError for a name that is no text, NotImplementedError for a version."""
    import torch

    torch.save({"a": torch.zeros(2)}, tmp_path / "one.pth")
    data = bytearray((tmp_path / "one.pth").read_bytes())
    at = data.rindex(b"PK\x01\x02")
    data[at + 6 if place[:2] == b"PK" else at + 46] = 0xFF
    (tmp_path / "one.pth").write_bytes(data)
    with pytest.raises(InputError, match="is truncated, damaged or no weight file"):
        checkpoints._read(tmp_path / "one.pth", "one", None)


@pytest.mark.parametrize("change", [{"files": 3}, {"stages": [{}]}, {"encoder": None}, {"feature_hash": []}])
def test_a_sealed_manifest_of_another_form_is_not_trusted(tmp_path, change):
    """Found: KeyError and TypeError for a manifest whose checksum fits and whose parts do not."""
    from tebench.features import cache

    content = json.loads((fuzz_caches.feature_folder(tmp_path) / cache.MANIFEST).read_text()) | change
    content.pop("checksum")
    folder = fuzz_caches.feature_folder(tmp_path)
    storage.write_sealed(folder / cache.MANIFEST, content)
    with pytest.raises(CacheError, match="was altered after it was written"):
        cache.read(folder)


@pytest.mark.parametrize(
    "change, words",
    [
        ({"key_to_encoder": ["eva"]}, "key_to_encoder must be a text"),
        ({"recommended_downstream_patchsize": [1, 2, "x"]}, "three positive integers"),
        ({"pretrain_plan": 3}, "pretrain_plan must hold named values"),
        ({"architecture_plans": {"arch_class_name": ["ResEncL"]}}, "not known here"),
        (
            {"architecture_plans": {"arch_class_name": "ResEncL", "arch_kwargs": {"strides": [1]}}},
            "architecture ResEncL",
        ),
        ({"recommended_downstream_patchsize": [2000, 2000, 2000]}, "at most 134217728 voxels"),
        ({"architecture_plans": {"arch_class_name": "PrimusM", "arch_kwargs": {"eva_depth": 10**9}}}, "no network"),
    ],
)
def test_a_plan_that_makes_no_sense_is_refused(tmp_path, change, words):
    """Found: bare AttributeError, OverflowError and ValueError, and a depth of 10^9 that was built block by block."""
    import checkpoint_files

    content = checkpoint_files.resenc_content()
    content["nnssl_adaptation_plan"].update(change)
    with pytest.raises(InputError, match=words):
        checkpoints._read(checkpoint_files.save(tmp_path, content), "one", None)
