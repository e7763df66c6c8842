"""One pool of worker processes for all that computes: one thread each, and none outlives its parent.

`each` is a map over jobs, whose first error ends all. `Pool` tells what happens job by job, for callers that show
progress or go on after a failure.
"""

from __future__ import annotations

import collections
import contextlib
import multiprocessing
import pickle
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing import connection
from typing import Any

from tebench.base.errors import WorkerKilledError
from tebench.runtime.interrupts import begin_worker, deaf_children
from tebench.runtime.threads import one_thread

_END = b""
_SECONDS = 30.0  # that an idle worker has to end
_to_parent: connection.Connection | None = None  # in a worker


def report(message: object) -> None:
    """Inside a worker's job: an event "report" for the parent."""
    if _to_parent is None:
        raise RuntimeError("report() speaks to the parent of a worker process; this is none.")
    _to_parent.send_bytes(pickle.dumps(("report", message)))


@dataclass(frozen=True)
class Event:
    """What happened to a job.

    kind: "report", content what the job gave to `report`; "done", its result; "failed", the exception that it raised,
    a `WorkerKilledError` where its process ended under it.
    """

    job: int
    kind: str
    content: Any


class Pool:
    """`with Pool(n) as pool: for event in pool.run(function, jobs): ...`; all processes start on entering.

    begin: called first in each process.   kept: what a rerun need not do again, told when a worker is killed.
    fork: the workers begin as copies of this process, and know what it has imported and registered, say from plugins;
    without, they import anew, and may use what does not survive a copy (torch's threads, a GPU).

    When the block raises, or ends with jobs at work, the workers end at once with what they are at: files are written
    beside and renamed, so any moment is right. A worker that was killed fails its job; another takes its place.
    """

    def __init__(self, workers: int, begin: Callable[[], None] | None = None, *, kept: str, fork: bool = False):
        self._context: Any = multiprocessing.get_context("fork" if fork else "spawn")
        self._count, self._begin, self._kept = workers, begin, kept
        self._workers: list[_Worker] = []

    def __enter__(self) -> Pool:
        try:
            for _ in range(self._count):
                self._start()
        except BaseException:
            self._stop(at_once=True)
            raise
        return self

    def __exit__(self, kind, *_) -> None:
        self._stop(at_once=kind is not None)

    def _start(self) -> _Worker:
        # A channel each: a worker killed in the middle of a message spoils nobody else's.
        ours, theirs = self._context.Pipe()
        process = self._context.Process(target=_serve, args=(theirs, self._begin))
        with deaf_children():
            process.start()
        theirs.close()  # so that the worker's end is the end of the channel
        self._workers.append(_Worker(process, ours))
        return self._workers[-1]

    def _stop(self, at_once: bool) -> None:
        for worker in self._workers:
            if at_once or worker.job is not None:
                worker.process.kill()
            else:
                with contextlib.suppress(OSError):  # it is gone
                    worker.channel.send_bytes(_END)
        for worker in self._workers:
            worker.process.join(_SECONDS)
            worker.process.kill()
            worker.process.join()
            worker.channel.close()
        self._workers.clear()

    def run(self, function: Callable, jobs: Sequence, order: Sequence[int] | None = None) -> Iterator[Event]:
        """Events of function(job) for every job, as they come.   order: in which jobs begin; as given by default."""
        waiting = collections.deque(range(len(jobs)) if order is None else order)
        idle = list(self._workers)
        while True:
            while idle and waiting:
                idle.pop().begin(waiting.popleft(), function, jobs)
            busy: dict[Any, _Worker] = {worker.channel: worker for worker in self._workers if worker.job is not None}
            if not busy:
                return
            for channel in connection.wait(list(busy)):
                worker = busy[channel]
                event = worker.receive(self._kept)
                if event.kind != "report":
                    worker.job = None
                    if not isinstance(event.content, WorkerKilledError):
                        idle.append(worker)
                    else:
                        self._workers.remove(worker)
                        idle += [self._start()] if waiting else []
                yield event


class _Worker:
    """A worker as its parent sees it. job: the index of what it is at."""

    def __init__(self, process, channel: connection.Connection):
        self.process, self.channel = process, channel
        self.job: int | None = None

    def begin(self, index: int, function: Callable, jobs: Sequence) -> None:
        data = pickle.dumps((function, jobs[index]))
        self.job = index
        with contextlib.suppress(OSError):  # it has just ended, which `receive` finds
            self.channel.send_bytes(data)

    def receive(self, kept: str) -> Event:
        assert self.job is not None
        try:
            data = self.channel.recv_bytes()
        except (EOFError, OSError):
            self.process.join()
            self.channel.close()
            return Event(self.job, "failed", WorkerKilledError(_how_it_ended(self.process.exitcode, kept)))
        kind, content = pickle.loads(data)
        if kind == "failed":
            error, text = content
            error.__cause__ = WorkerTraceback(text)
            return Event(self.job, kind, error)
        return Event(self.job, kind, content)


class WorkerTraceback(Exception):  # noqa: N818 - the cause of an error, which shows where in the worker it was raised
    """The text of a traceback in a worker."""

    def __str__(self) -> str:
        return f"\n{self.args[0]}"


def _how_it_ended(code: int, kept: str) -> str:
    if code < 0:
        how = f"was killed, perhaps for lack of memory (signal {-code}). Run again with fewer workers"
        return f"a worker process {how}; {kept}"
    return f"a worker process ended by itself, with exit code {code}; what it printed says why. Run again; {kept}"


def _serve(channel: connection.Connection, begin: Callable[[], None] | None) -> None:
    """A worker's life: job after job, until the parent sends the end or is gone."""
    global _to_parent
    begin_worker()
    if begin is not None:
        begin()
    _to_parent = channel
    while True:
        try:
            data = channel.recv_bytes()
        except EOFError:
            return
        if data == _END:
            return
        channel.send_bytes(_answer(data))


def _answer(data: bytes) -> bytes:
    try:
        function, job = pickle.loads(data)
        return pickle.dumps(("done", function(job)))
    except Exception as error:
        text = "".join(traceback.format_exception(error))
        try:
            sent = pickle.dumps(("failed", (error, text)))
            pickle.loads(sent)
        except Exception:  # some exceptions cannot travel
            sent = pickle.dumps(("failed", (RuntimeError(f"{type(error).__name__}: {error}"), text)))
        return sent


def each(
    function: Callable, jobs: Sequence, workers: int, description: str, *, progress: bool, kept: str,
    fork: bool = False, order: Sequence[int] | None = None,
) -> list:  # fmt: skip
    """[function(job) for job in jobs]; with one worker or job in this process. The first error ends all.

    kept, fork: as `Pool` takes them.   order: as `Pool.run` does.
    """
    from tqdm import tqdm

    with tqdm(total=len(jobs), desc=description, unit="pair", disable=not (progress and jobs)) as bar:
        found = {}
        if workers == 1 or len(jobs) < 2:
            with one_thread():
                for index, job in enumerate(jobs):
                    found[index] = function(job)
                    bar.update()
        else:
            with Pool(min(workers, len(jobs)), kept=kept, fork=fork) as pool:
                for event in pool.run(function, jobs, order):
                    if event.kind == "failed":
                        raise event.content
                    if event.kind == "done":
                        found[event.job] = event.content
                        bar.update()
        return [found[index] for index in range(len(jobs))]
