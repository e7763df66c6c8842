"""Ctrl-C and worker processes: the parent alone answers it."""

from __future__ import annotations

import contextlib
import signal
import threading


@contextlib.contextmanager
def deaf_children():
    """Processes that are started inside ignore Ctrl-C from their first moment, also while they still import.

    A new process inherits an ignored signal. Outside the main thread, where Python lets no one change signals,
    nothing happens: workers then set it themselves once they run.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
