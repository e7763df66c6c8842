"""Shared by all tests: one torch thread, a registry that forgets what a test registered."""

import os
import signal

# Before torch or BLAS start: two spinning threads on a shared machine are slower than one.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest

from tebench.metrics import registry

# A suite started in the background ignores Ctrl-C, and so would the processes that tests interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def scratch_registry(monkeypatch):
    """Metrics registered inside the test are gone after it."""
    registry.load()
    monkeypatch.setattr(registry, "_METRICS", dict(registry._METRICS))
    monkeypatch.setattr(registry, "_LOADED_FILES", {})
    return registry


FACTS = {
    "title": "Mine", "paper": "none: a test", "direction": "up", "range": (float("-inf"), float("inf")),
    "reads": "matrix", "cost": "linear",
}  # fmt: skip


@pytest.fixture
def facts():
    """Valid decorator facts without a name."""
    return dict(FACTS)
