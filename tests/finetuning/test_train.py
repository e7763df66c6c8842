import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from finetuning_fakes import SOURCES, build_encoder, load_task, quick

from tebench.base.errors import InputError, TebenchError
from tebench.base.storage import read_json
from tebench.finetuning import checkpoint, train
from tebench.finetuning.runs import plan, run_grid


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def trained(seed=0, encoder="tiny", **changes):
    return train.run(quick(**changes), build_encoder(encoder), load_task("blobs"), seed)


def same(one, two):
    return one.value == two.value and one.weights_hash == two.weights_hash and one.dice == two.dice


def test_training_learns_and_repeats_exactly():
    untrained, one, two = trained(steps=1), trained(), trained()
    assert one.value > 0.4 > untrained.value
    assert not one.floor
    assert same(one, two) and one.train_loss_last == two.train_loss_last
    assert not same(one, trained(seed=1))


def test_frozen_training_learns_and_keeps_the_encoder():
    outcome = trained(frozen=True)
    assert outcome.value > 0.4
    assert outcome.weights_hash != trained().weights_hash
    encoder = build_encoder("tiny")
    network = train.build(quick(frozen=True), encoder, load_task("blobs"), 0)
    state = train._State(network, quick(frozen=True))
    assert not any(name.startswith("encoder.") for name in state.ema)


def test_an_interrupted_run_ends_in_the_same_weights(tmp_path, monkeypatch):
    path, step = tmp_path / "state.safetensors", train._step
    whole = trained()

    def interrupted(*arguments):
        if arguments[6] == 17:
            raise KeyboardInterrupt
        return step(*arguments)

    options = {"key": "k", "checkpoint": path, "every": 5}
    monkeypatch.setattr(train, "_step", interrupted)
    with pytest.raises(KeyboardInterrupt):
        train.run(quick(), build_encoder("tiny"), load_task("blobs"), 0, **options)
    steps = []
    monkeypatch.setattr(train, "_step", lambda *a: steps.append(a[6]) or step(*a))
    resumed = train.run(quick(), build_encoder("tiny"), load_task("blobs"), 0, **options)
    assert steps == list(range(15, 40)), "continues after the last checkpoint"
    assert same(whole, resumed) and whole.train_loss_last == resumed.train_loss_last


def test_testing_on_the_way_changes_nothing_and_survives_a_break(tmp_path, monkeypatch):
    path, step = tmp_path / "state.safetensors", train._step
    whole, watched = trained(), trained(evaluate_from=8)
    assert same(whole, watched) and not whole.curve
    assert list(watched.curve) == ["8", "16", "32"]
    assert all(table.keys() == watched.dice.keys() for table in watched.curve.values())
    # Before the end of the schedule the average is another network.
    assert len({str(table) for table in (*watched.curve.values(), watched.dice)}) == 4

    def interrupted(*arguments):
        if arguments[6] == 27:
            raise KeyboardInterrupt
        return step(*arguments)

    options = {"key": "k", "checkpoint": path, "every": 5}
    monkeypatch.setattr(train, "_step", interrupted)
    with pytest.raises(KeyboardInterrupt):
        train.run(quick(evaluate_from=8), build_encoder("tiny"), load_task("blobs"), 0, **options)
    monkeypatch.setattr(train, "_step", step)
    resumed = train.run(quick(evaluate_from=8), build_encoder("tiny"), load_task("blobs"), 0, **options)
    assert same(watched, resumed) and resumed.curve == watched.curve


@pytest.mark.parametrize("damage", ["truncated", "flipped", "foreign", "empty"])
def test_a_bad_checkpoint_is_not_continued(tmp_path, damage, caplog):
    path = tmp_path / "state.safetensors"
    checkpoint.save(path, {"a": torch.arange(64.0)}, key="k", step=3, losses=[1.0] * 3, seconds=1.0)
    assert checkpoint.restore(path, key="k")[1]["step"] == 3
    data = path.read_bytes()
    bad = {"truncated": data[:-9], "flipped": data[:-3] + bytes([data[-3] ^ 1]) + data[-2:], "empty": b""}
    path.write_bytes(bad.get(damage, data))
    assert checkpoint.restore(path, key="other" if damage == "foreign" else "k") is None
    assert "starts again" in caplog.text


def test_schedule_warms_up_to_one_and_falls_to_zero():
    protocol = quick(steps=100, warmup=0.1)
    rates = [train.learning_rate(step, protocol) for step in range(100)]
    assert rates.index(max(rates)) == 10 and max(rates) == 1.0
    assert rates[:11] == sorted(rates[:11]) and rates[10:] == sorted(rates[10:], reverse=True)
    assert rates[-1] < 0.001 and rates[0] == pytest.approx(1 / 11)


def test_divergence_names_task_step_and_cure():
    with pytest.raises(TebenchError, match=r"blobs.*seed 0 diverged at step .*Lower encoder_lr"):
        trained(encoder_lr=1e30, decoder_lr=1e30)


def test_a_patch_that_the_encoder_cannot_read_is_named():
    with pytest.raises(InputError, match="patch 18 must be a multiple of 4 and at least 1 for encoder 'tiny'"):
        trained(patch=18, decoder_deepest=2)


SCRIPT = """
from finetuning_fakes import SOURCES, quick
from tebench.finetuning.runs import run_grid
if __name__ == "__main__":
    run_grid(quick(steps=80), ["tiny", "other"], ["blobs"], [0], folder={folder!r}, workers=2, every=10,
             progress=False, sources=SOURCES)
"""


def group_ends(pid: int) -> bool:
    """Within ten seconds: multiprocessing's own helper process ends shortly after its parent."""
    for _ in range(200):
        try:
            os.killpg(pid, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.05)
    return False


def test_ctrl_c_in_worker_processes_then_resume_gives_the_same_result(tmp_path):
    (tmp_path / "grid.py").write_text(SCRIPT.format(folder=str(tmp_path / "broken")))
    paths = os.pathsep.join([str(Path(__file__).parent), *filter(None, [os.environ.get("PYTHONPATH")])])
    process = subprocess.Popen(
        [sys.executable, tmp_path / "grid.py"], env={**os.environ, "PYTHONPATH": paths}, start_new_session=True,
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    runs = plan(quick(steps=80), ["tiny", "other"], ["blobs"], [0], folder=tmp_path / "broken", sources=SOURCES)
    deadline = time.monotonic() + 120
    while not any(run.checkpoint.exists() for run in runs):
        assert process.poll() is None and time.monotonic() < deadline, process.stderr.read()
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode != 0 and "KeyboardInterrupt" in errors
    assert group_ends(process.pid), "a worker outlives the grid"
    assert not all(run.path.exists() for run in runs), "it was interrupted in the middle"
    options = {"workers": 1, "progress": False, "sources": SOURCES}
    grid = (quick(steps=80), ["tiny", "other"], ["blobs"], [0])
    run_grid(*grid, folder=tmp_path / "broken", **options)
    run_grid(*grid, folder=tmp_path / "whole", **options)
    whole = plan(*grid, folder=tmp_path / "whole", sources=SOURCES)
    for one, two in zip(runs, whole, strict=True):
        assert read_json(one.path)["digest"] == read_json(two.path)["digest"]
        assert not one.checkpoint.exists()
