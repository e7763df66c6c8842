"""Seconds and peak memory of a block of code."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

from tebench.runtime.heap import given_out

_STATUS = Path("/proc/self/statm")
_PAGE = 4096
_MB = 2**20
_running: list[Meter] = []


def charge(seconds: float) -> None:
    """Count work that the running block was spared because another had done it: a metric's seconds are its own price,
    not that of its place in the row of metrics."""
    if _running:
        _running[-1].charged += seconds


class Meter:
    """`with Meter() as meter: ...` then `meter.seconds` (wall, and what was charged) and `meter.peak_mb`.

    peak_mb: memory above what the process held at the start, sampled by a thread, so peaks shorter than `interval`
    seconds can be missed; None where the system has no /proc.
    allocated: count what is allocated and not freed, where the C library tells, instead of resident memory: it does
    not depend on freed memory that the process kept from work before.
    aside: bytes that are held for later and shall not count.
    """

    seconds: float = 0.0
    charged: float = 0.0
    peak_mb: float | None = None

    def __init__(self, *, allocated: bool = False, interval: float = 0.005, aside: Callable[[], int] = int):
        counted = allocated and given_out() is not None
        self._interval, self._held = interval, lambda: ((given_out() if counted else None) or _resident()) - aside()

    def __enter__(self) -> Meter:
        self._start_bytes = self._peak = self._held()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        _running.append(self)
        self._start = time.perf_counter()
        return self

    def _watch(self) -> None:
        while not self._stop.wait(self._interval):
            self._peak = max(self._peak, self._held())

    def __exit__(self, *_) -> None:
        self.seconds = time.perf_counter() - self._start + self.charged
        _running.remove(self)
        self._stop.set()
        self._thread.join()
        if _STATUS.exists():
            self.peak_mb = max(self._peak, self._held()) / _MB - self._start_bytes / _MB


def _resident() -> int:
    try:
        return int(_STATUS.read_text().split()[1]) * _PAGE
    except OSError:
        return 0
