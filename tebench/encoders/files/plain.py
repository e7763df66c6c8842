"""Values of untrusted files made plain: a tree of bounded size, and words that are safe to print."""

from __future__ import annotations

import reprlib
import unicodedata

from tebench.base.errors import InputError

MOST_VALUES = 200_000
_MOST_INTEGER = 2**63
_short = reprlib.Repr()
_short.maxlevel, _short.maxlist, _short.maxtuple, _short.maxdict = 3, 8, 8, 6
_short.maxstring = _short.maxother = 80


def plain(value):
    """Dicts with text keys, lists, text, numbers, None; anything else becomes its short words.

    A few bytes can hold a value many times over, or inside itself; InputError past MOST_VALUES values.
    """
    left = [MOST_VALUES]

    def walk(value, depth):
        left[0] -= 1
        if left[0] < 0 or depth > 60:
            raise InputError(f"holds more than {MOST_VALUES} plain values, or some inside themselves")
        if value is None or isinstance(value, bool | float):
            return value
        if isinstance(value, int):
            return value if abs(value) < _MOST_INTEGER else short(value)
        if isinstance(value, str):
            left[0] -= len(value) // 64
            return value
        if isinstance(value, dict):
            return {str(key)[:200]: walk(held, depth + 1) for key, held in value.items()}
        if isinstance(value, list | tuple):
            return [walk(held, depth + 1) for held in value]
        return named(value)

    return walk(value, 0)


def named(value) -> str:
    """What stands for an object: the name that the file gave it, or its kind."""
    return str(getattr(value, "path", None) or getattr(value, "name", None) or type(value).__name__)[:200]


def short(value) -> str:
    """A few words of any value, whatever its size."""
    return f"an integer of {value.bit_length()} bits" if isinstance(value, int) and abs(value) >= _MOST_INTEGER else (
        _short.repr(value)
    )  # fmt: skip


def printable(text: str) -> str:
    """The text with control, format and direction marks written out, so that a terminal shows and obeys none."""
    return "".join(
        char if char == "\n" or unicodedata.category(char)[0] != "C" else char.encode("unicode_escape").decode()
        for char in text
    )
