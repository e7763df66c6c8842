"""The tiny world of fault_rooms, installed for one module."""

import fault_rooms as rooms
import pytest


@pytest.fixture(scope="module")
def tiny_rooms():
    """Its encoders, tasks and metrics beside those of tebench; undone afterwards."""
    from tebench.metrics import registry

    patch = pytest.MonkeyPatch()
    registry.load()
    patch.setattr(registry, "_METRICS", dict(registry._METRICS))
    rooms.install(patch.setattr)
    yield
    patch.undo()
