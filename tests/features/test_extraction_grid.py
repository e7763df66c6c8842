"""Many extractions in worker processes."""

import dataclasses
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import extraction_fakes as fakes
import pytest
import torch

from tebench.base.errors import InputError, TebenchError
from tebench.features import cache
from tebench.features.extraction import extract
from tebench.features.grid import extract_all


def pairs(**options):
    tasks = [fakes.make_task(2), fakes.make_task(2, name="more")]
    return [
        (task, fakes.ConvEncoder(f"conv{seed}", seed, **options), fakes.make_sample(task))
        for task in tasks
        for seed in (0, 1)
    ]


def test_workers_give_the_bytes_of_single_extractions_in_order(tmp_path, capsys):
    folders = extract_all(pairs(), cache=tmp_path / "pool", workers=2)
    assert "window" in capsys.readouterr().err
    for folder, pair in zip(folders, pairs(), strict=True):
        alone = extract(*pair, cache=tmp_path / "alone", progress=False)
        assert (folder / cache.FEATURES).read_bytes() == (alone / cache.FEATURES).read_bytes()
        assert folder.relative_to(tmp_path / "pool") == alone.relative_to(tmp_path / "alone")
    assert extract_all(pairs(), cache=tmp_path / "pool", workers=1, progress=False) == folders


def test_one_failure_leaves_the_others_and_is_raised(tmp_path):
    jobs = pairs()
    jobs[1] = (jobs[1][0], fakes.ConvEncoder("bad", broken=2), jobs[1][2])
    with pytest.raises(InputError, match=r"'bad', stage encoder.2"):
        extract_all(jobs, cache=tmp_path, workers=2, progress=False)
    assert len(list(tmp_path.rglob(cache.MANIFEST))) == 3


def test_what_cannot_travel_and_no_workers_are_refused(tmp_path):
    jobs = pairs()
    task = dataclasses.replace(jobs[0][0], loader=lambda case_id: None)
    with pytest.raises(InputError, match="'balls' or its encoder cannot be sent to a worker"):
        extract_all([(task, *jobs[0][1:]), jobs[1]], cache=tmp_path, workers=2)
    with pytest.raises(InputError, match="workers must be at least 1, got 0"):
        extract_all(jobs, cache=tmp_path, workers=0)
    assert extract_all([], cache=tmp_path) == []


PROGRAM = """
import sys
sys.path.insert(0, {here!r})
if __name__ == "__main__":
    import test_extraction_grid as grid
    from tebench.features.grid import extract_all
    extract_all(grid.pairs(pause=0.2), cache={cache!r}, workers=2, progress=False)
"""


def processes_of(marker):
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            if marker.encode() in path.read_bytes():
                found.append(int(path.parent.name))
        except OSError:
            continue
    return found


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL], ids=["ctrl-c", "kill-9"])
def test_workers_end_with_their_parent_and_a_rerun_completes(tmp_path, number):
    program = tmp_path / "run.py"
    program.write_text(PROGRAM.format(here=str(Path(__file__).parent), cache=str(tmp_path / "cache")))
    marker = f"TEBENCH_TEST_MARKER={tmp_path}"
    process = subprocess.Popen(
        [sys.executable, str(program)], stderr=subprocess.PIPE, text=True,
        env={**os.environ, "TEBENCH_TEST_MARKER": str(tmp_path)},
    )  # fmt: skip
    deadline = time.monotonic() + 300
    while not list((tmp_path / "cache").rglob(".*.cases/0*.safetensors")):
        assert process.poll() is None and time.monotonic() < deadline, process.communicate()
        time.sleep(0.02)
    process.send_signal(number)
    process.communicate(timeout=300)
    assert process.returncode != 0
    while processes_of(marker):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    folders = extract_all(pairs(), cache=tmp_path / "cache", workers=1, progress=False)
    for folder, pair in zip(folders, pairs(), strict=True):
        alone = extract(*pair, cache=tmp_path / "alone", progress=False)
        assert (folder / cache.FEATURES).read_bytes() == (alone / cache.FEATURES).read_bytes()


def test_a_worker_that_dies_is_reported(tmp_path):
    jobs = pairs()
    jobs[0] = (jobs[0][0], _Dying(), jobs[0][2])
    with pytest.raises(TebenchError, match="worker process was killed"):
        extract_all(jobs, cache=tmp_path, workers=2, progress=False)


class _Dying(fakes.ConvEncoder):
    def forward(self, x):
        os.kill(os.getpid(), signal.SIGKILL)


def test_one_extraction_in_this_process_uses_one_thread_too(monkeypatch, tmp_path):
    """Some convolutions of several threads differ in their last bits."""
    threads = []

    class Counting(fakes.ConvEncoder):
        def forward(self, x):
            threads.append(torch.get_num_threads())
            return super().forward(x)

    before, task = torch.get_num_threads(), fakes.make_task(1)
    torch.set_num_threads(2)
    try:
        extract(task, Counting("counting", 0), fakes.make_sample(task), cache=tmp_path, progress=False)
        assert set(threads) == {1} and torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
