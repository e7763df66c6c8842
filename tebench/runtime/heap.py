"""glibc's heap: what it keeps of freed memory, and how much it has given out.

A window's maps are hundreds of megabytes that are freed and needed again at once. glibc returns such memory to the
system by default, and fetching its pages anew costs a tenth to a third of a small network's time. Elsewhere (musl,
macOS) nothing here has an effect.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import os
import sys

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # names of parameters in glibc's malloc.h
_MB = 2**20
_kept = 0  # how many have asked for it and not ended


@contextlib.contextmanager
def freed_memory_kept():
    """Inside, freed memory stays with the process; afterwards it is given back."""
    global _kept
    keep_freed_memory()
    try:
        yield
    finally:
        _kept -= 1
        if not _kept:
            _set(mmap=32 * _MB, trim=64 * _MB)  # where glibc's own adjustment ends
            with contextlib.suppress(OSError, AttributeError):
                _libc().malloc_trim(0)


def keep_freed_memory() -> None:
    """The same for the rest of the process: a worker's."""
    global _kept
    _kept += 1
    _set(mmap=1024 * _MB, trim=2**31 - 1)


def large_pages() -> None:
    """Let torch ask for pages of 2 MB for its large tensors: 3 to 5 % off a small network on a Linux that gives them.

    To be called before torch's first tensor, which reads it (PyTorch 2.2 and newer); who has
    set it already decides.
    """
    os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")


def _set(*, mmap: int, trim: int) -> None:
    with contextlib.suppress(OSError, AttributeError):
        _libc().mallopt(_MMAP_THRESHOLD, mmap)
        _libc().mallopt(_TRIM_THRESHOLD, trim)


class _Info(ctypes.Structure):
    """`struct mallinfo2` of glibc's malloc.h."""

    _names = "arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks", "fsmblks", "uordblks", "fordblks", "keepcost"
    _fields_ = [(name, ctypes.c_size_t) for name in _names]


def given_out() -> int | None:
    """Bytes that the process has allocated and not freed, whatever the heap keeps; None where glibc cannot tell.

    Takes some 10 microseconds, milliseconds on a heap in 100,000 pieces. Needs glibc 2.33 or newer.
    """
    return _given_out() if _is_told() else None


def _given_out() -> int:
    info = _mallinfo2()()
    return info.uordblks + info.hblkhd


@functools.cache
def _is_told() -> bool:
    """Another malloc may stand before glibc's (LD_PRELOAD), whose heap then stays empty: see whether a block counts."""
    if _mallinfo2() is None:
        return False
    before, block = _given_out(), bytearray(4 * _MB)
    return _given_out() - before >= len(block)


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
