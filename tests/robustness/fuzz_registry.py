"""What a fuzzed reader is: a function of bytes, with sound examples, and how to spoil them."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tebench.base.errors import TebenchError

TESTS = Path(__file__).parents[1]
sys.path[:0] = [str(TESTS / name) for name in ("tasks", "encoders", "features", "reporting")]
import raw_data  # noqa: E402, F401


@dataclass(frozen=True)
class Reader:
    """read: of these bytes, with a folder of its own for files.   sound: bytes that it takes.   kind: how to spoil."""

    name: str
    read: Callable[[bytes, Path], object]
    sound: Callable[[Path], list[bytes]]
    kind: str = "bytes"


READERS: dict[str, Reader] = {}


def add(name: str, pair, kind: str = "bytes") -> None:
    READERS[name] = Reader(name, *pair, kind)


def reader(name: str, kind: str = "bytes"):
    """Register `read(data, folder)`, whose `sound(folder)` gives examples."""

    def register(pair):
        add(name, pair(), kind)
        return pair

    return register


def put(folder: Path, name: str, data: bytes) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def attempt(one: Reader, data: bytes, folder: Path) -> str:
    """ "taken", or "refused" with an error of tebench; anything else is raised on."""
    try:
        one.read(data, folder)
        return "taken"
    except TebenchError as error:
        assert str(error).strip(), "an error without words"
        return "refused"
