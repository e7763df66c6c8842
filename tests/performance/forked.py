"""CPU seconds and peak memory of one call, each in a forked child of its own."""

import ctypes
import json
import os
import resource
import signal
import time
from pathlib import Path

MB = 2**20


def _kilobytes(field: str) -> int:
    status = Path("/proc/self/status").read_text()
    return int(status.split(f"{field}:", 1)[1].split()[0])


def measure(call, *, warm, limit: float) -> dict:
    """{"value", "seconds", "peak_mb"} of `call()`, or {"stopped": why}.

    seconds: CPU of the process. A call under 2 s is made again until 0.5 s are together (at most 100 times) and the
    mean taken: the kernel may count CPU time in ticks of 4 ms.
    peak_mb: the kernel's high-water mark of resident memory during the first call (VmHWM, reset before it), less
    what was resident at its start; nothing is sampled, so no peak is missed.
    warm: the same on little data, called first: it loads modules and pages in library code, so that neither counts.
    The child inherits the arrays. It is stopped after `limit` CPU seconds.
    """
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        os.close(reading)
        resource.setrlimit(resource.RLIMIT_CPU, (int(limit) + 1, int(limit) + 2))
        try:
            answer = _measured(call, warm)
        except BaseException as error:
            answer = {"stopped": f"{type(error).__name__}: {error}"[:300]}
        os.write(writing, json.dumps(answer).encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        text = pipe.read()
    _, status = os.waitpid(child, 0)
    if text:
        return json.loads(text)
    killed = os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
    over = killed in (signal.SIGXCPU, signal.SIGKILL)
    return {"stopped": f"over {limit:g} CPU seconds" if over else f"died with status {status}"}


def _measured(call, warm) -> dict:
    warm()
    # Freed memory that the heap kept would be used again unseen: give it back first.
    ctypes.CDLL(None).malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5")
    before = _kilobytes("VmRSS")
    seconds, value = _timed(call)
    peak = (_kilobytes("VmHWM") - before) / 1024
    if seconds < 2:
        calls, start = 0, time.process_time()
        while calls == 0 or (calls < 100 and time.process_time() - start < 0.5):
            call()
            calls += 1
        seconds = (time.process_time() - start) / calls
    return {"value": None if value is None else float(value), "seconds": seconds, "peak_mb": peak}


def _timed(call):
    start = time.process_time()
    value = call()
    return time.process_time() - start, value
