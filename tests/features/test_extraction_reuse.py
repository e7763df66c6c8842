"""What extraction keeps: cases in memory for seconds, volumes for the next encoder, folders that are there."""

import dataclasses
import functools
import subprocess
import sys
import time
from pathlib import Path

import extraction_fakes as fakes
import numpy as np
import pytest

from tebench.features import cache, grid, parallel, partial, tensors
from tebench.features.extraction import extract
from tebench.features.partial import PartialFeatures
from tebench.features.volumes import Kept
from tebench.runtime.meter import Meter

SECONDS = {"total": 2.0, "forward": 1.0}


def matrix(value, rows=3):
    return {"encoder.0": np.full((rows, 2), value, np.float32)}


def written(part):
    return sorted(int(path.stem) for path in part.folder.glob("0*.safetensors"))


def test_cases_stay_in_memory_until_seconds_or_bytes_are_at_stake(tmp_path, monkeypatch):
    monkeypatch.setattr(partial, "KEEP_AFTER", 1000.0)
    monkeypatch.setattr(partial, "MOST_HELD", 3 * 24)
    with PartialFeatures(tmp_path / "features", "key") as part:
        for case in range(3):
            part.save(case, matrix(case), SECONDS)
        assert written(part) == [] and part.seconds(1) == SECONDS
        part.save(3, matrix(3), SECONDS)
        assert written(part) == [0, 1, 2, 3] and part.seconds(1) == SECONDS
        part.save(4, matrix(4), SECONDS)
        assert [part.load(case)["encoder.0"][0, 0] for case in range(5)] == [0, 1, 2, 3, 4]
        monkeypatch.setattr(partial, "KEEP_AFTER", 0.0)
        part.save(5, matrix(5), SECONDS)
        assert written(part) == [0, 1, 2, 3, 4, 5]


def test_an_error_writes_what_is_held(tmp_path, monkeypatch):
    monkeypatch.setattr(partial, "KEEP_AFTER", 1000.0)
    with pytest.raises(KeyboardInterrupt), PartialFeatures(tmp_path / "features", "key") as part:
        part.save(0, matrix(7), SECONDS)
        raise KeyboardInterrupt
    assert PartialFeatures(tmp_path / "features", "key").is_done(0, 3)


def test_held_and_written_cases_give_the_same_bytes(tmp_path, monkeypatch):
    task = fakes.make_task(3)
    sample = fakes.make_sample(task)
    files = []
    for seconds in (0.0, 1000.0):
        monkeypatch.setattr(partial, "KEEP_AFTER", seconds)
        folder = extract(task, fakes.ConvEncoder(), sample, cache=tmp_path / str(seconds), progress=False)
        files.append([(folder / name).read_bytes() for name in (cache.FEATURES, cache.SAMPLE)])
        assert not list(folder.parent.glob(".*.cases"))
    assert files[0] == files[1]


def test_volumes_are_prepared_once_for_encoders_that_read_alike(monkeypatch):
    task, spec = fakes.make_task(3), fakes.ConvEncoder().spec
    sample = fakes.make_sample(task)
    rows = np.flatnonzero(sample.case == 1)
    kept = Kept()
    first = kept.prepare(task, "case1", sample, rows, spec)
    assert kept.prepare(task, "case1", sample, rows, dataclasses.replace(spec, patch=(8, 8, 8))) is first
    other = dataclasses.replace(spec, normalisation="unit")
    assert not np.array_equal(kept.prepare(task, "case1", sample, rows, other).image, first.image)
    again = fakes.make_sample(task, seed=1)
    volume = kept.prepare(task, "case1", again, np.flatnonzero(again.case == 1), spec)
    assert not np.array_equal(volume.positions, first.positions)
    monkeypatch.setattr(Kept, "MOST", 2 * first.n_bytes)
    for _ in range(2):
        for case in range(3):
            kept.prepare(task, f"case{case}", sample, np.flatnonzero(sample.case == case), spec)
    assert len(kept._volumes) == 2 and kept.n_bytes_held() == sum(v.n_bytes for v in kept._volumes.values())
    monkeypatch.setattr(Kept, "MOST", first.n_bytes - 1)
    assert Kept().prepare(task, "case1", sample, rows, spec).n_bytes == first.n_bytes


def pairs(sizes=(1, 3, 2)):
    tasks = {size: fakes.make_task(size, name=f"task{size}") for size in sizes}
    return [(task, fakes.ConvEncoder(f"conv{size}", size), fakes.make_sample(task)) for size, task in tasks.items()]


def test_large_jobs_begin_first_and_results_keep_the_order(tmp_path):
    jobs = pairs()
    assert parallel._sizes([sample for *_, sample in jobs]) == [1, 3, 2]
    folders = grid.extract_all(jobs, cache=tmp_path, workers=2, progress=False)
    assert [cache.manifest(folder)["made_from"]["task"] for folder in folders] == ["task1", "task3", "task2"]


def test_folders_that_are_there_need_no_worker(tmp_path, monkeypatch):
    jobs = pairs()
    folders = grid.extract_all(jobs, cache=tmp_path, workers=1, progress=False)
    calls = []

    def drawn(number):
        calls.append(number)
        return jobs[number][2]

    def begun(*_):
        raise AssertionError("a pool was started")

    monkeypatch.setattr(parallel, "pool", begun)
    lazy = [(task, encoder, functools.partial(drawn, number)) for number, (task, encoder, _) in enumerate(jobs)]
    assert grid.extract_all(lazy, cache=tmp_path, workers=2, progress=False) == folders
    assert calls == [0, 1, 2]
    # One damaged folder is made again, in this process; of a whole one nothing is read anew.
    path = folders[1] / cache.FEATURES
    good = path.read_bytes()
    path.write_bytes(good[:-1] + bytes([good[-1] ^ 1]))
    assert grid.extract_all(jobs, cache=tmp_path, workers=2, progress=False) == folders
    assert path.read_bytes() == good
    assert [encoder.passes for _, encoder, _ in jobs] == [8, 2 * 24, 16]


def test_two_damaged_folders_are_made_again_by_workers(tmp_path):
    jobs = pairs()
    folders = grid.extract_all(jobs, cache=tmp_path, workers=1, progress=False)
    good = [(folder / cache.FEATURES).read_bytes() for folder in folders]
    for folder in folders[1:]:
        (folder / cache.FEATURES).write_bytes(b"damaged")
    assert grid.extract_all(jobs, cache=tmp_path, workers=2, progress=False) == folders
    assert [(folder / cache.FEATURES).read_bytes() for folder in folders] == good


def test_released_pages_are_read_again(tmp_path):
    path, values = tmp_path / "a.safetensors", np.arange(6.0).reshape(3, 2)
    tensors.write(path, {"a": tensors.Stream.of(values)})
    found = tensors.read(path)[0]["a"]
    tensors.release(found)
    tensors.release(values)  # of no file: nothing happens
    np.testing.assert_array_equal(found, values)


def test_an_unknown_option_is_refused_though_all_folders_are_there(tmp_path):
    jobs = pairs()
    grid.extract_all(jobs, cache=tmp_path, workers=1, progress=False)
    with pytest.raises(TypeError, match="overlapp"):
        grid.extract_all(jobs, cache=tmp_path, workers=2, progress=False, overlapp=0.5)


def test_a_spacing_given_as_a_list_is_read(tmp_path):
    task, encoder = fakes.make_task(1), fakes.ConvEncoder()
    encoder.spec = dataclasses.replace(encoder.spec, spacing=[2.0, 2.0, 2.0])
    folder = extract(task, encoder, fakes.make_sample(task), cache=tmp_path, progress=False)
    assert cache.manifest(folder)["rows"] == 50


PROGRAM = """
import sys
sys.path.insert(0, {here!r})
import extraction_fakes as fakes
from tebench.features.grid import extract_all
if __name__ == "__main__":
    class Mine(fakes.ConvEncoder):
        pass
    task = fakes.make_task(1)
    jobs = [(task, Mine(f"mine{{seed}}", seed), fakes.make_sample(task)) for seed in (0, 1)]
    extract_all(jobs, cache={cache!r}, workers=2, progress=False)
"""


def test_what_a_worker_cannot_unpickle_is_said(tmp_path):
    """Found: leaving out the interpreter's end left out the traceback too."""
    program = tmp_path / "run.py"
    program.write_text(PROGRAM.format(here=str(Path(__file__).parent), cache=str(tmp_path / "cache")))
    done = subprocess.run([sys.executable, str(program)], capture_output=True, text=True, timeout=300)
    assert done.returncode != 0 and "Can't get attribute 'Mine'" in done.stderr


def test_the_peak_does_not_count_what_is_held_for_later():
    """Found: of two equal networks the second needed less, since its volumes were there."""
    held = []
    with Meter() as counted, Meter(aside=lambda: sum(map(len, held))) as meter:
        held.append(np.zeros(2**27, np.uint8))
        held[0][:] = 1  # only now resident
        time.sleep(0.05)
    assert meter.peak_mb < 64 < 120 < counted.peak_mb
