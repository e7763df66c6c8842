"""What stands for an object of an unknown class, and for a key that a file may not choose."""

from __future__ import annotations

from dataclasses import dataclass, field

MOST_KEY = 2**60  # of integers as keys of a dict: larger ones can be chosen to collide


@dataclass(eq=False)
class Stub:
    """What would have been an object. name: its class.   args, state, items: what the file gave it."""

    name: str
    args: tuple = ()
    state: object = field(default=None, repr=False)
    items: dict = field(default_factory=dict, repr=False)
    values: list = field(default_factory=list, repr=False)


def key_of(key):
    """A key that cannot be chosen to collide with many others."""
    if isinstance(key, str | bytes | float | bool) or key is None or (isinstance(key, int) and abs(key) < MOST_KEY):
        return key
    return Stub(type(key).__name__)
