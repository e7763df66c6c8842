"""glibc's heap: what it keeps of freed memory, and how much it has given out.

A window's maps are hundreds of megabytes that are freed and needed again at once. glibc returns such memory to the
system by default, and fetching its pages anew costs a tenth to a third of a small network's time. Elsewhere (musl,
macOS) nothing here has an effect.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import sys

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # names of parameters in glibc's malloc.h
_MB = 2**20


@contextlib.contextmanager
def freed_memory_kept():
    """Inside, freed memory stays with the process; afterwards it is given back."""
    keep_freed_memory()
    try:
        yield
    finally:
        _set(mmap=32 * _MB, trim=64 * _MB)  # where glibc's own adjustment ends
        with contextlib.suppress(OSError, AttributeError):
            _libc().malloc_trim(0)


def keep_freed_memory() -> None:
    """The same for the rest of the process: a worker's."""
    _set(mmap=1024 * _MB, trim=2**31 - 1)


def _set(*, mmap: int, trim: int) -> None:
    with contextlib.suppress(OSError, AttributeError):
        _libc().mallopt(_MMAP_THRESHOLD, mmap)
        _libc().mallopt(_TRIM_THRESHOLD, trim)


class _Info(ctypes.Structure):
    """`struct mallinfo2` of glibc's malloc.h."""

    _names = "arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks", "fsmblks", "uordblks", "fordblks", "keepcost"
    _fields_ = [(name, ctypes.c_size_t) for name in _names]


def given_out() -> int | None:
    """Bytes that the process has allocated and not freed, whatever the heap keeps; None without glibc 2.33 or newer.

    Takes about 10 microseconds.
    """
    function = _mallinfo2()
    if function is None:
        return None
    info = function()
    return info.uordblks + info.hblkhd


@functools.cache
def _mallinfo2():
    if not sys.platform.startswith("linux"):
        return None
    function = getattr(_libc(), "mallinfo2", None)
    if function is not None:
        function.restype = _Info
    return function


@functools.cache
def _libc():
    return ctypes.CDLL(None)
