"""Whole command lines, `python -m tebench ...` with worker processes, killed from outside and run again.

One to three real encoders of packages on one real task, tiny sampling, a tiny protocol. Used by `faults.py`.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import fault_rooms as rooms

from tebench.base import storage

MARK = "TEBENCH_FAULT_MARK"
TASK = "lungs"
ENCODERS = "encoders=[deepbrain,deepbrain_random,resenc_s_random]"
SMALL = [
    ENCODERS, "benchmark.window=[32,32,32]", "sampling.foreground=24", "sampling.background=48",
    "sampling.global_voxels=8",
    "sampling.anchors=6", "sampling.patch_voxels=4", "workers=2", "progress=false", "cache=cache", "output=tables",
]  # fmt: skip
TINY = ["protocol.name=tiny", "protocol.patch=32", "protocol.decoder_deepest=16", "protocol.width=4",
        "protocol.steps=250", "job.seeds=[0]", "job.rows=tables"]  # fmt: skip


@dataclass(frozen=True)
class Command:
    """words: of the command line.   before: commands whose results it starts from."""

    words: tuple[str, ...]
    before: tuple[str, ...] = ()


COMMANDS = {
    "extract": Command(("extract",)),
    "score": Command(("score", "metric=[grtd_lbtc,logme,gbc]", "job.tables=false", "job.beside=[]"), ("extract",)),
    "finetune": Command(("finetune", *TINY)),
    "extract, a sweep through joblib": Command(
        ("-m", "extract", "hydra/launcher=joblib", "hydra.launcher.n_jobs=2",
         "encoders=[deepbrain],[deepbrain_random],[resenc_s_random]")
    ),
}  # fmt: skip


def start(command: Command, folder: Path, task: str) -> subprocess.Popen:
    words = [*command.words, f"tasks=[{task}]", f"benchmark.tasks=[{task}]"]
    given = {word.split("=", 1)[0] for word in words}
    words += [word for word in SMALL if word.split("=", 1)[0] not in given]
    return subprocess.Popen(
        [sys.executable, "-m", "tebench", *words], cwd=folder, text=True, start_new_session=True,
        stdout=subprocess.DEVNULL, stderr=(folder / "said.txt").open("w"),
        env={**os.environ, MARK: str(folder), "OMP_NUM_THREADS": "1"},
    )  # fmt: skip


def place(command: Command, folder: Path, calm: dict[str, Path]) -> Path:
    """A folder with what the command starts from. Packages and cases of tasks are links to the user's own."""
    (folder / "cache").mkdir(parents=True)
    for part in ("assets", "tasks"):
        storage.make_folder(storage.cache_root() / part)
        (folder / "cache" / part).symlink_to(storage.cache_root() / part)
    for name in command.before:
        for part in ("features", "samples"):
            shutil.copytree(calm[name] / "cache" / part, folder / "cache" / part)
    return folder


def alive(folder: Path) -> dict[int, float]:
    """Processes that the command started, also through others: pid -> CPU seconds, its dead children's included."""
    found = {}
    for path in Path("/proc").glob("[0-9]*"):
        try:
            if f"{MARK}={folder}".encode() in (path / "environ").read_bytes().split(b"\0"):
                fields = (path / "stat").read_text().rpartition(")")[2].split()
                if fields[0] not in "ZX":
                    found[int(path.name)] = sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")
        except OSError:
            continue
    return found


def changes(folder: Path) -> int:
    """Files and folders below the cache by now: a clock that runs while results are written."""
    return sum(len(dirs) + len(files) for _, dirs, files in os.walk(folder / "cache"))


def calm_run(command: Command, folder: Path, task: str) -> tuple[float, int, int]:
    """(CPU seconds, entries of the cache before, after) of an undisturbed run."""
    before, spent, process = changes(folder), 0.0, start(command, folder, task)
    while process.poll() is None:
        spent = max(spent, sum(alive(folder).values()))
        time.sleep(0.02)
    assert process.returncode == 0, (folder / "said.txt").read_text()[-3000:]
    return spent, before, changes(folder)


def kill_and_rerun(command: Command, folder: Path, task: str, calm: Path, moment, whole_group: bool) -> dict:
    """moment(folder): whether now is the time. whole_group: kill every process of it at once, as a lost node does."""
    process = start(command, folder, task)
    while process.poll() is None and not moment(folder):
        time.sleep(0.002)
    died = process.poll() is None
    if died:
        (os.killpg if whole_group else os.kill)(process.pid, signal.SIGKILL)
    process.wait()
    left = _outlive(folder, 120)
    for pid in left:
        os.kill(pid, signal.SIGKILL)
    kept = rooms.finished(folder)
    again = start(command, folder, task)
    code = again.wait()
    after = rooms.finished(folder)
    here, there = rooms.content(folder), rooms.content(calm)
    return {
        "died": died, "orphans": len(left), "code": code, "said": (folder / "said.txt").read_text()[-1500:],
        "kept": len(kept), "lost": [path for path in kept if after.get(path) != kept[path]],
        "differ": sorted(name for name in {*here, *there} if here.get(name) != there.get(name)),
        "left": rooms.leftovers(folder), "still": len(_outlive(folder, 10)),
    }  # fmt: skip


def _outlive(folder: Path, seconds: float) -> dict[int, float]:
    """Processes of the command that are there for so long after it."""
    begun = time.monotonic()
    while (left := alive(folder)) and time.monotonic() - begun < seconds:
        time.sleep(0.05)
    return left


def campaign(folder: Path, count: int) -> list[dict]:
    """A row of figures for each command: half of the kills by CPU time, half by what has been written."""
    task, calm, table = TASK, {}, []
    for name, command in COMMANDS.items():
        calm[name] = place(command, folder / f"calm-{len(calm)}", calm)
        seconds, before, after = calm_run(command, calm[name], task)
        rng, results = random.Random(f"commands {name}"), []
        for index in range(count):
            if index % 2:
                entries = rng.randint(before + 1, after)
                moment = lambda place, entries=entries: changes(place) >= entries  # noqa: E731
            else:
                share = rng.uniform(0.05, 0.98) * seconds
                moment = lambda place, share=share: sum(alive(place).values()) >= share  # noqa: E731
            own = place(command, folder / f"command-{len(calm)}-{index}", calm)
            results.append(kill_and_rerun(command, own, task, calm[name], moment, whole_group=index % 4 >= 2))
            print(name, index, {key: value for key, value in results[-1].items() if key != "said"}, flush=True)
            shutil.rmtree(own)
        bad = [r for r in results if r["code"] or r["orphans"] or r["lost"] or r["differ"] or r["left"] or r["still"]]
        table.append(
            {
                "command": name, "killed": sum(r["died"] for r in results), "ended before": count - sum(
                    r["died"] for r in results), "workers left behind": sum(r["orphans"] for r in results),
                "reruns that failed": sum(r["code"] != 0 for r in results),
                "results kept": sum(r["kept"] for r in results),
                "kept results written again": sum(len(r["lost"]) for r in results),
                "files that differ": sum(len(r["differ"]) for r in results),
                "left behind": sum(len(r["left"]) for r in results), "problems": bad,
            }
        )  # fmt: skip
    return table
