"""Seconds and peak memory of a block of code."""

from __future__ import annotations

import threading
import time
from pathlib import Path

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

    peak_mb: resident memory above what the process held at the start, sampled every 5 ms by a thread, so
    shorter peaks can be missed; None where the system has no /proc.
    """

    seconds: float = 0.0
    charged: float = 0.0
    peak_mb: float | None = None

    def __enter__(self) -> Meter:
        self._start_bytes = self._peak = _resident()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        _running.append(self)
        self._start = time.perf_counter()
        return self

    def _watch(self) -> None:
        while not self._stop.wait(0.005):
            self._peak = max(self._peak, _resident())

    def __exit__(self, *_) -> None:
        self.seconds = time.perf_counter() - self._start + self.charged
        _running.remove(self)
        self._stop.set()
        self._thread.join()
        if _STATUS.exists():
            self.peak_mb = max(self._peak, _resident()) / _MB - self._start_bytes / _MB


def _resident() -> int:
    try:
        return int(_STATUS.read_text().split()[1]) * _PAGE
    except OSError:
        return 0
