"""Readers of untrusted files take their input or refuse it in words; what fuzzing found stays mended."""

import json
import logging
import random

import fuzz_readers
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tebench import failures, storage
from tebench.encoders import checkpoints
from tebench.errors import CacheError, InputError

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


def test_a_signed_record_of_a_failure_without_its_parts_is_not_trusted(tmp_path, caplog):
    """Found: KeyError for a record that has a checksum and nothing else."""
    (tmp_path / "failed-x.json").write_text(json.dumps({"checksum": storage.hash_json({})}))
    assert failures.standing(tmp_path / "failed-x.json", False) is None
    assert "failed-x.json is damaged" in caplog.text


@pytest.mark.parametrize(
    "change, words",
    [
        ({"key_to_encoder": ["eva"]}, "its plan cannot be read"),
        ({"recommended_downstream_patchsize": [1, 2, "x"]}, "its plan cannot be read"),
        ({"pretrain_plan": 3}, "its plan cannot be read"),
        ({"architecture_plans": {"arch_class_name": ["ResEncL"]}}, "not known here"),
        ({"architecture_plans": {"arch_class_name": "ResEncL", "arch_kwargs": {"strides": [1]}}}, "differ in length"),
        ({"architecture_plans": {"arch_class_name": "PrimusM", "arch_kwargs": {"eva_depth": 10**9}}}, "no network"),
        ({"architecture_plans": {"arch_class_name": "PrimusM", "arch_kwargs": {"embed_dim": 0}}}, "no network"),
    ],
)
def test_a_plan_that_makes_no_sense_is_refused(tmp_path, change, words):
    """Found: bare AttributeError, OverflowError and ValueError, and a depth of 10^9 that was built block by block."""
    import checkpoint_files

    content = checkpoint_files.resenc_content()
    content["nnssl_adaptation_plan"].update(change)
    with pytest.raises(InputError, match=words):
        checkpoints._read(checkpoint_files.save(tmp_path, content), "one", None)
