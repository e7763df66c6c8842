"""No worker process outlives the command that started it, whatever ended that command."""

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tebench.runtime import interrupts

PLUGIN = """
import time
from pathlib import Path
from tebench import metric

@metric(name="sleepy", title="Sleepy", paper="none: a test", direction="up", range=(0.0, 1.0), reads="matrix",
        cost="linear")
def sleepy(features, labels) -> float:
    \"\"\"Sleeps.\"\"\"
    Path({begun!r}).touch()
    time.sleep(600)
    return 1.0
"""
PROGRAM = """
import sys
sys.path.insert(0, {features!r})
if __name__ == "__main__":
    from pathlib import Path
    import extraction_fakes as fakes
    from tebench.metrics import registry
    from tebench.scoring.request import Request
    from tebench.features.extraction import extract
    from tebench.features.sampling import Recipe, draw
    from tebench.scoring.engine import score_all
    registry.load_plugins([{plugin!r}])
    task, root = fakes.make_task(1), Path({root!r})
    sample = draw(task, Recipe(foreground=8, background=8, global_voxels=4, anchors=2, patch_voxels=4), seed=0)
    folders = {{
        (task.name, name): extract(task, fakes.ConvEncoder(name), sample, cache=root, progress=False)
        for name in ("a", "b")
    }}
    requests = [Request.make(registry.load()["sleepy"], {{}}, None, 0)]
    score_all(requests, folders, root / "scores", workers=2, plugins=[{plugin!r}], progress=False)
"""


def processes_of(mark: str) -> list[int]:
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            if f"TEBENCH_TEST_MARK={mark}".encode() in path.read_bytes().split(b"\0"):
                found.append(int(path.parent.name))
        except OSError:
            continue
    return found


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT], ids=["kill-9", "ctrl-c"])
def test_workers_of_a_stopped_scoring_end(tmp_path, number):
    """Found: they waited for their next cell for ever, each with torch in memory; after Ctrl-C they went on."""
    begun, plugin = tmp_path / "begun", tmp_path / "sleepy.py"
    plugin.write_text(PLUGIN.format(begun=str(begun)))
    features = str(Path(__file__).parents[1] / "features")
    program = tmp_path / "run.py"
    program.write_text(PROGRAM.format(features=features, plugin=str(plugin), root=str(tmp_path / "root")))
    process = subprocess.Popen(
        [sys.executable, str(program)], stderr=subprocess.PIPE, text=True,
        env={**os.environ, "TEBENCH_TEST_MARK": str(tmp_path)}, start_new_session=True,
    )  # fmt: skip
    deadline = time.monotonic() + 300
    while not begun.exists():
        assert process.poll() is None and time.monotonic() < deadline, process.communicate()
        time.sleep(0.02)
    assert len(processes_of(str(tmp_path))) >= 3
    if number == signal.SIGINT:
        os.killpg(process.pid, number)  # as a terminal does
    else:
        process.kill()
    process.wait(timeout=300)
    while left := processes_of(str(tmp_path)):
        assert time.monotonic() < deadline, left
        time.sleep(0.02)


def test_a_killed_scoring_worker_is_said_in_words(tmp_path):
    """Found: a bare BrokenProcessPool."""
    plugin, program = tmp_path / "sleepy.py", tmp_path / "run.py"
    text = PLUGIN.replace("time.sleep(600)", "__import__('os').kill(__import__('os').getpid(), 9)")
    plugin.write_text(text.format(begun=str(tmp_path / "begun")))
    features = str(Path(__file__).parents[1] / "features")
    program.write_text(PROGRAM.format(features=features, plugin=str(plugin), root=str(tmp_path / "root")))
    done = subprocess.run([sys.executable, str(program)], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "WorkerKilledError: a worker process was killed, perhaps for lack of memory" in done.stderr


def test_a_process_of_joblib_ends_with_its_launcher(tmp_path):
    """Found: members of a sweep stayed when the launching process was killed."""
    ready = tmp_path / "ready"
    member = (
        "import time; from pathlib import Path; from tebench.runtime import interrupts; "
        "interrupts.end_with_launcher(); "
        f"Path({str(ready)!r}).touch(); time.sleep(600)"
    )
    launcher = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {member!r}])"
    process = subprocess.Popen([sys.executable, "-c", launcher], env={**os.environ, "TEBENCH_TEST_MARK": str(tmp_path)})
    deadline = time.monotonic() + 120
    while not ready.exists():
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.02)
    time.sleep(1.5)
    assert len(processes_of(str(tmp_path))) == 2, "it stays while its launcher lives"
    process.kill()
    process.wait()
    while processes_of(str(tmp_path)):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_forked_worker_ends_with_its_parent():
    """As the leaderboard's pools are: each holds its elder brothers' ends of their pipes."""
    reading, writing = os.pipe()
    parent = os.fork()
    if parent == 0:
        context = multiprocessing.get_context("fork")
        brothers = [context.Process(target=_sleep) for _ in range(3)]
        for one in brothers:
            one.start()
        os.write(writing, b"".join(one.pid.to_bytes(8, "little") for one in brothers))
        time.sleep(600)
    pids = [int.from_bytes(os.read(reading, 8), "little") for _ in range(3)]
    os.kill(parent, signal.SIGKILL)
    os.waitpid(parent, 0)
    deadline = time.monotonic() + 60
    while any(_runs(pid) for pid in pids):
        assert time.monotonic() < deadline, pids
        time.sleep(0.02)
    os.close(reading), os.close(writing)


def _sleep() -> None:
    interrupts.end_with_parent()
    time.sleep(600)


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False
