"""Extraction, scoring and fine-tuning of a tiny world, each in a forked child that can be killed at a chosen moment.

A child starts in milliseconds: the parent has imported everything, and trains and extracts nothing itself.
"""

from __future__ import annotations

import contextlib
import io
import json
import logging
import os
import random
import select
import shutil
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

TESTS = Path(__file__).parents[1]
sys.path[:0] = [str(TESTS / "jobs"), str(TESTS / "finetuning")]
import finetuning_fakes as fakes  # noqa: E402
import own_world  # noqa: E402
import tiny_world  # noqa: E402

from tebench.base import storage  # noqa: E402
from tebench.base.errors import TebenchError  # noqa: E402

METRICS = "[spread,logme,gbc,lbtc,grtd]"
MEASURED = {"seconds", "forward_seconds", "peak_mb", "peak_memory_mb", "checksum", "digest"}  # differ from run to run
# Raised before Python does the same: what changes the disk.
DISK_EVENTS = {"os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.chmod", "os.truncate"}
STEPS, EVERY = 6, 2


@dataclass(frozen=True)
class Room:
    """work: the job itself on a cache folder.   before: rooms whose results it starts from."""

    name: str
    work: Callable[[Path], None]
    before: tuple[str, ...] = ()


def _config(job: str, *changes: str) -> tuple:
    small = [a for a in tiny_world.SMALL if a.split("=", 1)[0] not in ("plugins", "encoders")]
    words = own_world.read_by(job, [*small, "encoders=[tiny,other,third]", *changes])
    return own_world.compose(f"job={job}", *words)


_CONFIGS = {
    "extraction": lambda: _config("extract"),
    "scoring": lambda: _config("score", f"metric={METRICS}", "job.tables=false"),
}
_composed: dict = {}


def _job(name: str, folder: Path) -> None:
    from tebench.cli.jobs import extract, score

    verb = {"extraction": extract, "scoring": score}[name]
    settings, options = _composed[name]
    verb.run(replace(settings, cache=str(folder / "cache"), output=str(folder / "out")), options)


def _finetune(folder: Path) -> None:
    from tebench.base.errors import InputError
    from tebench.finetuning import rows
    from tebench.finetuning.runs import run_grid

    report = run_grid(
        fakes.quick(steps=STEPS), ["tiny", "other"], ["blobs"], [0], folder=folder / "cache" / "finetuning",
        every=EVERY, progress=False, sources=fakes.SOURCES, retry=False,
    )  # fmt: skip
    if report.failed:
        raise InputError("; ".join(report.failed.values()))
    rows.write_csvs(folder / "cache" / "finetuning", folder / "cache" / "csv", "quick")


ROOMS = {
    "extraction": Room("extraction", lambda folder: _job("extraction", folder)),
    "scoring": Room("scoring", lambda folder: _job("scoring", folder), ("extraction",)),
    "fine-tuning": Room("fine-tuning", _finetune),
}


def install(setattr) -> None:
    """Make the tiny encoders and tasks known to this process, and read the configuration once."""
    import torch

    from tebench.features import partial
    from tebench.metrics import registry

    torch.set_num_threads(1)
    setattr(partial, "KEEP_AFTER", 0.0)  # cases as small as these would be kept in memory
    registry.load()
    tiny_world.install(setattr)
    for made in (tiny_world.spread, tiny_world.fussy):
        assert made.__name__ in registry._METRICS
    _composed.update({name: make() for name, make in _CONFIGS.items()})


@dataclass(frozen=True)
class Outcome:
    """How a child ended. status: "done", "error" (a tebench error), "crash" or "killed".

    said: log and error.   events: changes of the disk.   seconds: of the processor.
    """

    status: str
    said: str
    events: int
    seconds: float


class Child:
    """A forked process that runs `work(folder)`.

    kill_at: SIGKILL just before the change of the disk of this number.   kill_after: SIGKILL after so many CPU seconds.
    cut_at: the system ends it in the middle of a write that passes this many bytes of a file.
    limit: writing past so many bytes of a file fails with an OSError, as a full disk does.
    """

    def __init__(self, work, folder: Path, *, kill_at=0, kill_after=None, cut_at=0, limit=0, setup=lambda: None):
        self.kill_after = kill_after
        reading, writing = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            os.close(reading)
            _child(work, folder, writing, kill_at, cut_at, limit, setup)
        os.close(writing)
        self.pipe = reading

    def finish(self) -> Outcome:
        with os.fdopen(self.pipe, "rb") as pipe:
            while self.kill_after is not None and not select.select([pipe], [], [], 0.005)[0]:
                if _cpu_seconds(self.pid) >= self.kill_after:
                    os.kill(self.pid, signal.SIGKILL)
                    break
            text = pipe.read()
        _, code, used = os.wait4(self.pid, 0)
        seconds = used.ru_utime + used.ru_stime
        if os.WIFSIGNALED(code):
            return Outcome("killed", "", 0, seconds)
        status, said, events = json.loads(text)
        return Outcome(status, said, events, seconds)


def _cpu_seconds(pid: int) -> float:
    """Of a process that was not waited for yet; on a loaded machine the clock on the wall says little."""
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1e9


def _child(work, folder, writing, kill_at, cut_at, limit, setup) -> None:
    import resource

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    said, status, count = io.StringIO(), "done", [0]
    devnull = os.open(os.devnull, os.O_WRONLY)
    os.dup2(devnull, 1), os.dup2(devnull, 2)
    sys.stdout = sys.stderr = io.StringIO()
    logging.basicConfig(stream=said, level=logging.WARNING, force=True)
    logging.getLogger("tebench").setLevel(logging.WARNING)

    def seen(event, arguments):
        if event in DISK_EVENTS or (event == "open" and isinstance(arguments[2], int) and arguments[2] & 3):
            count[0] += 1
            if count[0] == kill_at:
                os.kill(os.getpid(), signal.SIGKILL)

    try:
        setup()
        sys.addaudithook(seen)
        if cut_at or limit:
            signal.signal(signal.SIGXFSZ, signal.SIG_DFL if cut_at else signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (cut_at or limit, cut_at or limit))
        work(folder)
    except TebenchError as error:
        status = "error"
        said.write(f"{type(error).__name__}: {error}")
    except BaseException as error:
        import traceback

        status = "crash"
        said.write("".join(traceback.format_exception(error)))
    os.write(writing, json.dumps([status, said.getvalue()[-60_000:], count[0]]).encode())
    os._exit(0)


def run(room: Room, folder: Path, **how) -> Outcome:
    return Child(room.work, folder, **how).finish()


def start_of(room: Room, folder: Path, calm: dict[str, Path]) -> Path:
    """A folder that holds what the room starts from. calm: folders of undisturbed runs by room."""
    folder.mkdir(parents=True)
    for name in room.before:
        shutil.copytree(calm[name] / "cache", folder / "cache")
    return folder


def content(folder: Path) -> dict[str, bytes]:
    """Every result below a cache: path -> bytes, JSON without what is measured; locks and stamps left out."""
    found = {}
    for path in sorted((folder / "cache").rglob("*")):
        if path.is_file() and path.suffix != ".lock":
            data = path.read_bytes()
            with contextlib.suppress(ValueError, TebenchError):  # damaged or half written: compared as it is
                if path.suffix == ".json":
                    data = json.dumps(_unmeasured(json.loads(data)), sort_keys=True).encode()
                elif path.suffix == ".csv":
                    data = b"\n".join(sorted(_unmeasured_csv(data)))
                elif path.name.startswith("moments-"):
                    data = _moments(path)
            found[str(path.relative_to(folder))] = data
    return found


def _unmeasured(value):
    if isinstance(value, dict):
        return {name: _unmeasured(part) for name, part in value.items() if name not in MEASURED}
    return [_unmeasured(part) for part in value] if isinstance(value, list) else value


def _unmeasured_csv(data: bytes) -> list[bytes]:
    lines = [line.split(b",") for line in data.splitlines()]
    drop = [index for index, name in enumerate(lines[0]) if name.decode() in MEASURED]
    return [b",".join(cell for index, cell in enumerate(line) if index not in drop) for line in lines]


def _moments(path: Path) -> bytes:
    """The arrays of a file of moments; its header also says how long they took."""
    from tebench.features import tensors

    arrays, _ = tensors.read(path)
    return json.dumps({name: storage.hash_array(array) for name, array in arrays.items()}).encode()


def finished(folder: Path) -> dict[str, tuple]:
    """Results that are whole: path -> what tells whether the file was written again."""
    found = {}
    for path in (folder / "cache").rglob("*"):
        whole = path.name in ("manifest.json", "features.safetensors") or "scores" in path.parts
        whole = whole or ("finetuning" in path.parts and path.suffix == ".json")
        if path.is_file() and whole and path.suffix != ".lock" and ".part" not in path.name:
            if path.name == "features.safetensors" and not (path.parent / "manifest.json").exists():
                continue
            if not path.name.startswith("."):
                stat = path.stat()
                found[str(path)] = (stat.st_ino, stat.st_mtime_ns)
    return found


def leftovers(folder: Path) -> list[str]:
    """What no run should leave behind: half-written files, partial cases, checkpoints, held locks.

    A lock file of a killed process may keep its note; nothing waits for it.
    """
    found = []
    for path in sorted(folder.rglob("*")):
        name = path.name
        if ".part" in name or name.endswith(".cases") or (path.is_file() and path.parent.name == "checkpoints"
                                                          and path.suffix != ".lock"):  # fmt: skip
            found.append(str(path))
        elif path.suffix == ".lock" and path.is_file():
            state = storage.holder(Path(str(path).removesuffix(".lock")))
            if state is None or state.held:
                found.append(f"{path}: {state}")
    return found


def kill_and_rerun(room: Room, folder: Path, calm: dict[str, Path], **how) -> dict:
    """One killed run and its rerun: what was lost, what differs, what was left. Empty lists are good."""
    start_of(room, folder, calm)
    first = run(room, folder, **how)
    kept = finished(folder)
    second = run(room, folder)
    after = finished(folder)
    here, there = content(folder), content(calm[room.name])
    return {
        "first": first.status, "second": second.status, "said": second.said, "seconds": first.seconds,
        "kept": len(kept), "lost": [path for path in kept if after.get(path) != kept[path]],
        "differ": sorted(name for name in {*here, *there} if here.get(name) != there.get(name)),
        "left": leftovers(folder),
    }  # fmt: skip


def moments_of_kill(room: str, count: int, calm: Outcome) -> list[dict]:
    """Seeded moments: half before a random change of the disk, half after a random share of the time."""
    rng = random.Random(f"kills of {room}")
    at = [{"kill_at": rng.randint(1, calm.events)} for _ in range((count + 1) // 2)]
    return at + [{"kill_after": rng.uniform(0.02, 0.98) * calm.seconds} for _ in range(count // 2)]


def calm_runs(folder: Path, rooms=tuple(ROOMS)) -> tuple[dict[str, Path], dict[str, Outcome]]:
    """Undisturbed runs to compare with."""
    calm, outcomes = {}, {}
    for name in rooms:
        calm[name] = start_of(ROOMS[name], folder / f"calm-{name}", calm)
        outcomes[name] = run(ROOMS[name], calm[name])
        assert outcomes[name].status == "done", outcomes[name].said
    return calm, outcomes
