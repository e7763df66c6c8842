"""Worker processes: one thread each, the parent alone answers Ctrl-C, and none outlives it."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import time


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


def begin_worker() -> None:
    """What a process that computes begins with."""
    from multiprocessing import util

    from tebench.runtime.threads import one_thread_for_good

    end_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    one_thread_for_good()
    util.Finalize(None, _end_at_once, exitpriority=-100)  # after all that Python has to do for other processes


def _end_at_once() -> None:
    """Leave out the interpreter's own end: with torch it takes .3 seconds, for which the parent waits."""
    if sys.exc_info()[0] is not None:  # Python has not yet said what went wrong
        return
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


def end_with_parent() -> None:
    """In a worker process: end at once when the process that started it is gone, also by kill -9.

    A worker would otherwise wait for its next job for ever. Files are written beside and renamed, and locks end
    with their process, so any moment is right.
    """
    import multiprocessing
    from multiprocessing import connection

    parent = multiprocessing.parent_process()
    if parent is None:
        raise RuntimeError("end_with_parent() is for a process that multiprocessing has started; this is none.")

    def watch() -> None:
        connection.wait([parent.sentinel])
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def end_with_launcher() -> None:
    """The same for a process of joblib's pool, which knows no parent object: it looks at its parent every second."""
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
