"""Interrupted, killed and doubled extractions end in the same bytes as an undisturbed one."""

import logging
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import extraction_fakes as fakes
import numpy as np
import pytest

from tebench.features import cache
from tebench.features.extraction import extract
from tebench.features.partial import PartialFeatures

PROGRAM = """
import sys
sys.path.insert(0, {here!r})
import torch
torch.set_num_threads(1)
import extraction_fakes as fakes
from tebench.features.extraction import extract
task = fakes.make_task(4)
encoder = fakes.ConvEncoder(pause={pause})
print(extract(task, encoder, fakes.make_sample(task), cache={cache!r}, progress=False), encoder.passes)
"""


def start(root, pause=0.0):
    program = PROGRAM.format(here=str(Path(__file__).parent), pause=pause, cache=str(root))
    return subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def finish(process):
    out, err = process.communicate(timeout=600)
    assert process.returncode == 0, err
    folder, passes = out.split()
    return Path(folder), int(passes)


def wait_for_parts(root, process, count):
    deadline = time.monotonic() + 300
    while len(list(root.rglob(".*.cases/0*.safetensors"))) < count:
        assert process.poll() is None and time.monotonic() < deadline, process.communicate()
        time.sleep(0.01)


def content(folder):
    return {name: (folder / name).read_bytes() for name in (cache.FEATURES, cache.SAMPLE)}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    folder, passes = finish(start(tmp_path_factory.mktemp("calm")))
    assert passes == 32
    return folder


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL], ids=["ctrl-c", "kill-9"])
def test_a_stopped_run_resumes_to_the_same_bytes(tmp_path, undisturbed, number):
    process = start(tmp_path, pause=0.05)
    wait_for_parts(tmp_path, process, 2)
    process.send_signal(number)
    _, err = process.communicate(timeout=300)
    assert process.returncode != 0
    assert "KeyboardInterrupt" in err if number == signal.SIGINT else process.returncode == -signal.SIGKILL
    assert not list(tmp_path.rglob(cache.MANIFEST))
    folder, passes = finish(start(tmp_path))
    assert passes <= 16  # two of the four cases were kept
    assert content(folder) == content(undisturbed)
    assert cache.manifest(folder)["feature_hash"] == cache.manifest(undisturbed)["feature_hash"]
    assert not list(tmp_path.rglob("*.cases")) and not list(tmp_path.rglob("*.part*"))


def test_two_writers_at_once_share_the_work(tmp_path, undisturbed):
    processes = [start(tmp_path, pause=0.02) for _ in range(2)]
    results = [finish(process) for process in processes]
    assert results[0][0] == results[1][0]
    assert sorted(passes for _, passes in results) == [0, 32]
    assert content(results[0][0]) == content(undisturbed)
    cache.read(results[0][0])


def test_a_damaged_or_foreign_part_is_read_again(tmp_path, undisturbed, caplog):
    process = start(tmp_path, pause=0.05)
    wait_for_parts(tmp_path, process, 3)
    process.kill()
    process.communicate()
    first, second, *_ = sorted(tmp_path.rglob(".*.cases/0*.safetensors"))
    data = bytearray(first.read_bytes())
    data[-1] ^= 1
    first.write_bytes(data)
    second.write_bytes(second.read_bytes()[:100])
    (first.parent / ".00003.safetensors.abc.part.safetensors").write_bytes(b"left by a kill")
    task, encoder = fakes.make_task(4), fakes.ConvEncoder()
    with caplog.at_level(logging.WARNING):
        folder = extract(task, encoder, fakes.make_sample(task), cache=tmp_path, progress=False)
    assert encoder.passes == 24
    assert "00000.safetensors is damaged" in caplog.text and "00001.safetensors is truncated" in caplog.text
    assert content(folder) == content(undisturbed)


@pytest.mark.parametrize(("word", "other"), [(b"forward", b"forwarb"), (b"1.25", b"7.25")])
def test_a_part_with_altered_seconds_is_read_again(tmp_path, word, other):
    """Found: a flipped bit in a part's notes ended every later run with a bare KeyError."""
    part = PartialFeatures(tmp_path / "features", "key")
    part.save(0, {"encoder.0": np.ones((3, 2), np.float32)}, {"total": 1.5, "forward": 1.25})
    assert part.is_done(0, 3)
    path = next(part.folder.glob("*.safetensors"))
    path.write_bytes(path.read_bytes().replace(word, other))
    assert not part.is_done(0, 3)


def test_a_kill_while_the_folder_is_written_leaves_nothing_trusted(tmp_path, undisturbed, monkeypatch):
    """The manifest comes last: files without it, or pieces of files, count as not there."""
    task, encoder = fakes.make_task(4), fakes.ConvEncoder()
    sample = fakes.make_sample(task)

    def die(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(cache.storage, "write_json", die)
        with pytest.raises(KeyboardInterrupt):
            extract(task, encoder, sample, cache=tmp_path, progress=False)
    (folder,) = (path.parent for path in tmp_path.rglob(cache.FEATURES))
    (folder / ".features.safetensors.x.part.safetensors").write_bytes(b"left by a kill")
    assert not cache.is_valid(folder)
    again = fakes.ConvEncoder()
    assert extract(task, again, sample, cache=tmp_path, progress=False) == folder
    assert again.passes == 0 and content(folder) == content(undisturbed)
    assert sorted(os.listdir(folder)) == [cache.FEATURES, cache.MANIFEST, cache.SAMPLE]
