"""Which file is what: the dispatcher, refused and damaged files, and files as encoders of the catalogue."""

import os
import pickle
import subprocess
import sys

import pytest
import torch
from checkpoint_files import patch, primus_content, resenc_content, resenc_network, save

from tebench.base.errors import InputError, UnknownNameError
from tebench.encoders import catalogue, checkpoints, plugins
from tebench.encoders.checkpoints import describe, open_checkpoint
from tebench.encoders.files.opened import read
from tebench.encoders.network import Encoder


@pytest.fixture(autouse=True)
def no_added_checkpoints(monkeypatch):
    monkeypatch.setenv(checkpoints.VARIABLE, "{}")


class Malicious:
    def __init__(self, folder):
        self.command = f"touch {folder}/executed"

    def __reduce__(self):
        return os.system, (self.command,)


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
@pytest.mark.parametrize("zipped", [True, False])
def test_a_malicious_pickle_is_refused_and_not_executed(tmp_path, zipped):
    value = {**resenc_content(), "optimizer": Malicious(tmp_path)}
    path = save(tmp_path / "zoo", value, _use_new_zipfile_serialization=zipped)
    with pytest.raises(InputError, match=r"not executed: its pickle names .*system"):
        open_checkpoint(path)
    assert not (tmp_path / "executed").exists()
    (tmp_path / "plain.pth").write_bytes(pickle.dumps({"network_weights": Malicious(tmp_path)}))
    with pytest.raises(InputError, match=r"plain pickle \(protocol \d\).*refused and not executed"):
        open_checkpoint(tmp_path / "plain.pth")
    (tmp_path / "old.pth").write_bytes(pickle.dumps({"network_weights": Malicious(tmp_path)}, protocol=2))
    with pytest.raises(InputError, match="refused and not executed"):
        open_checkpoint(tmp_path / "old.pth")
    assert not (tmp_path / "executed").exists()
    torch.load(path, weights_only=False)  # the file is live: only the reader kept it from running
    assert (tmp_path / "executed").exists()


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_torchscript_is_refused_with_the_reason(tmp_path):
    path = tmp_path / "scripted.pt"
    torch.jit.trace(torch.nn.Conv3d(1, 1, 1), torch.zeros(1, 1, 2, 2, 2)).save(str(path))
    with pytest.raises(InputError, match=r"TorchScript archive: it carries program code.*state_dict"):
        open_checkpoint(path)


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("share", [0.02, 0.5, 0.98])
def test_a_truncated_file_is_named(tmp_path, zipped, share):
    path = save(tmp_path, resenc_content(), _use_new_zipfile_serialization=zipped)
    data = path.read_bytes()
    path.write_bytes(data[: int(share * len(data))])
    with pytest.raises(InputError, match=r"checkpoint_final\.pth is truncated, damaged"):
        open_checkpoint(path)


def test_other_files_are_named(tmp_path):
    for name, data, words in (
        ("empty.pth", b"", "is empty"),
        ("text.pth", b"<!doctype html><html>not found</html>", "no weight file"),
        ("page.safetensors", b"<!doctype html>", "is a web page"),
        ("short.safetensors", b"\x01", "not a safetensors file"),
    ):
        (tmp_path / name).write_bytes(data)
        with pytest.raises(InputError, match=words) as caught:
            open_checkpoint(tmp_path / name)
        assert "weights_only" not in str(caught.value)  # torch's advice to read it as code
    with pytest.raises(InputError, match="does not exist"):
        open_checkpoint(tmp_path / "absent.pth")
    with pytest.raises(InputError, match="holds a list"):
        open_checkpoint(save(tmp_path, [1, 2], "list.pth"))


def test_an_unknown_architecture_says_what_would_make_it_known(tmp_path):
    path = save(tmp_path, {"epoch": 3, "state_dict": {"conv.weight": torch.zeros(1)}}, "mystery.pth")
    with pytest.raises(
        InputError,
        match=r"holds epoch, state_dict; state_dict has 1 weights: conv.*mystery\.json beside.*tebench\.encoders",
    ):
        open_checkpoint(path)


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("ResEncL-OpenMind-MAE/checkpoint_final.pth", "ResEncL-OpenMind-MAE"),
        ("PrimusM/fold_0/checkpoint_best.pth", "PrimusM"),
        ("zoo/swin unetr (v2).pt", "swin_unetr_v2_"),
    ],
)
def test_short_names(file, name):
    assert checkpoints.name_of(f"/data/{file}") == name


def zoo(folder):
    save(folder / "ResEncL-MAE", resenc_content())
    save(folder / "PrimusM-VoCo", primus_content(prefix="encoder."))
    save(folder / "other" / "ResEncL-MAE", resenc_content(resenc_network(seed=1)))
    return folder


def test_a_folder_becomes_encoders_of_the_catalogue(tmp_path):
    names = catalogue.choose([str(zoo(tmp_path)), "deepbrain"])
    assert names == ["PrimusM-VoCo", "ResEncL-MAE", "ResEncL-MAE-ResEncL-MAE", "deepbrain"]
    assert catalogue.choose([str(tmp_path / "ResEncL-MAE")]) == ["ResEncL-MAE"], "the same file keeps its name"
    name = "ResEncL-MAE"
    encoder = catalogue.build(name)
    assert isinstance(encoder, Encoder) and encoder.name == name == catalogue.facts(name).name
    assert encoder.spec == catalogue.spec(name) and encoder.stages == catalogue.stages(name)
    assert len({catalogue.fingerprint(name) for name in names}) == 4
    path = str(tmp_path / "ResEncL-MAE" / "checkpoint_final.pth")
    assert catalogue.fingerprint(path) == catalogue.fingerprint(name)
    assert catalogue.stages(path) == catalogue.stages(name)


def test_files_that_share_a_name_are_told_apart_by_their_folders(tmp_path):
    for folder in ("swin", "unet"):
        save(tmp_path / folder, resenc_content(), "mine.pth")
    assert checkpoints.add(str(tmp_path)) == ["swin-mine", "unet-mine"]


def test_the_fingerprint_follows_weights_plan_and_code(tmp_path, monkeypatch):
    from tebench.encoders import resenc

    path = save(tmp_path, resenc_content())
    first = checkpoints.fingerprint(path)
    assert checkpoints.fingerprint(path) == first
    copy = save(tmp_path / "elsewhere", {})
    copy.write_bytes(path.read_bytes())
    assert checkpoints.fingerprint(copy) == first
    changed = save(tmp_path / "seed", resenc_content(resenc_network(seed=1)))
    patch_size = save(tmp_path / "patch", resenc_content(patch=(32, 32, 32)))
    assert len({first, checkpoints.fingerprint(changed), checkpoints.fingerprint(patch_size)}) == 3
    monkeypatch.setattr(resenc, "VERSION", "resenc/next")
    checkpoints._described.cache_clear()
    assert checkpoints.fingerprint(path) != first
    checkpoints._described.cache_clear()


def test_processes_started_later_know_the_added_files(tmp_path):
    path = save(tmp_path / "mine", resenc_content())
    assert catalogue.choose([path]) == ["mine"]
    code = "from tebench.encoders import checkpoints; print(checkpoints.path_of('mine'))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == str(path)


def test_unknown_names_and_empty_folders(tmp_path):
    with pytest.raises(UnknownNameError, match="Did you mean 'deepbrain'"):
        catalogue.choose(["deepbrian"])
    with pytest.raises(InputError, match="does not exist"):
        catalogue.choose([str(tmp_path / "absent.pth")])
    with pytest.raises(InputError, match="holds no checkpoint"):
        catalogue.choose([str(tmp_path)])


class _Point:
    def __init__(self, name, made):
        self.name, self.value, self.load = name, "package:mine", lambda: made


@pytest.fixture
def entry_point(monkeypatch):
    def install(made, name="mine"):
        plugins.build.cache_clear()
        monkeypatch.setattr(plugins, "entry_points", lambda group: [_Point(name, made)])

    yield install
    plugins.build.cache_clear()


def mine(name="mine", fingerprint="mine/1"):
    import dataclasses

    encoder = resenc_network()
    encoder.facts = dataclasses.replace(encoder.facts, name=name)
    encoder.fingerprint = fingerprint
    return encoder


def test_a_class_joins_by_entry_point(entry_point):
    entry_point(mine)
    assert catalogue.choose(["mine"]) == ["mine"] and catalogue.facts("mine").name == "mine"
    assert catalogue.fingerprint("mine") == "mine/1" and catalogue.spec("mine").divisor == 8
    first, second = catalogue.build("mine"), catalogue.build("mine")
    assert first is not second
    torch.testing.assert_close(first(patch(16, 16, 16))[0], resenc_network()(patch(16, 16, 16))[0])


@pytest.mark.parametrize(
    ("made", "words"),
    [
        (lambda: mine(fingerprint=""), "string attribute `fingerprint`"),
        (lambda: mine(name="yours"), "facts.name is 'yours'"),
        (lambda: torch.nn.Conv3d(1, 1, 1), "must be a tebench.encoders.network.Encoder, got Conv3d"),
        (lambda: 1 / 0, "cannot be made: ZeroDivisionError"),
    ],
)
def test_an_entry_point_that_breaks_the_contract_is_named(entry_point, made, words):
    entry_point(made)
    with pytest.raises(InputError, match=words):
        catalogue.build("mine")


def test_describe_sees_a_file_that_was_replaced(tmp_path):
    path = save(tmp_path, resenc_content())
    assert describe(path).facts.architecture == "ResEncL"
    save(tmp_path, primus_content())
    assert describe(path).facts.architecture == "PrimusM"


def test_a_changed_byte_in_an_archive_is_refused(tmp_path):
    """Found: torch reads past the checksums of its own files, and one flipped bit of a weight went unseen."""
    weights = torch.arange(1000.0)
    torch.save({"a": weights, "b": torch.zeros(3)}, tmp_path / "one.pth")
    data = bytearray((tmp_path / "one.pth").read_bytes())
    data[data.index(weights[500:502].numpy().tobytes()) + 2] ^= 1
    (tmp_path / "one.pth").write_bytes(data)
    with pytest.raises(InputError, match=r"one\.pth is truncated, damaged .*data/0 does not fit its checksum"):
        read(tmp_path / "one.pth").verify()


def test_an_archive_saved_without_checksums_is_read_and_said(tmp_path, caplog):
    if not hasattr(torch.serialization, "set_crc32_options"):  # torch 2.4 and 2.5 write them always
        return
    torch.serialization.set_crc32_options(False)
    try:
        torch.save({"a": torch.ones(3)}, tmp_path / "one.pth")
    finally:
        torch.serialization.set_crc32_options(True)
    content = read(tmp_path / "one.pth")
    content.verify()
    assert torch.equal(content.values["a"].load(), torch.ones(3))
    assert "was saved without checksums" in caplog.text
