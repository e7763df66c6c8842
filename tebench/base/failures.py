"""Failed cells on disk: which one, why, and whether any rerun tries it again or only `retry=true`.

Beside the place of a result lies `failed-NAME.json` once computing it failed, whichever job or launcher did it. A
failure that the machine may have caused (disk, memory, download) is tried again by any rerun. One that comes from data
or code would fail again, perhaps after hours: it stands, with its reason, until a run with `retry=true`.
"""

from __future__ import annotations

import builtins
import contextlib
import logging
import os
import socket
import traceback
from datetime import UTC, datetime
from pathlib import Path

from tebench.base import storage
from tebench.base.errors import CacheError, TebenchError

log = logging.getLogger(__name__)

PREFIX = "failed-"
# By name: importing torch to recognise its error would cost more than all else here.
_TRANSIENT_NAMES = {"OSError", "MemoryError", "AssetError", "CacheError", "OutOfMemoryError", "WorkerKilledError"}


class FailedBeforeError(TebenchError):
    """A cell with a recorded failure that this run was not asked to try again."""


def path_for(result: Path) -> Path:
    """Where the failure of a result file or folder is recorded.

    >>> path_for(Path("a/b.json")).name, path_for(Path("a/0123")).name
    ('failed-b.json', 'failed-0123.json')
    """
    result = Path(result)
    return result.with_name(f"{PREFIX}{result.name.removesuffix('.json')}.json")


def transient(error: BaseException | None) -> bool:
    """Whether the machine may have caused the error: it, or what it was raised from, is about files or memory."""
    while error is not None:
        if {kind.__name__ for kind in type(error).__mro__} & _TRANSIENT_NAMES:
            return True
        error = error.__cause__
    return False


def kind(error: BaseException) -> str:
    """Name of the error's type; of the file or memory error that it was raised from, where there is one.

    >>> try:
    ...     raise ValueError("cannot write x") from OSError("disk full")
    ... except ValueError as error:
    ...     kind(error), kind(KeyError("x"))
    ('OSError', 'KeyError')
    """
    name = type(error).__name__
    cause: BaseException | None = error
    while transient(error) and cause is not None:
        name, cause = type(cause).__name__, cause.__cause__
    return name


def transient_name(kind: str) -> bool:
    """The same of the name of an error's type, for failures that are kept as text."""
    known = getattr(builtins, kind, None)
    return kind in _TRANSIENT_NAMES or (isinstance(known, type) and issubclass(known, OSError | MemoryError))


def place(error: BaseException) -> str:
    """Where the error came from, as file and line: in the last file outside installed packages, else where raised.

    >>> try:
    ...     raise ValueError
    ... except ValueError as error:
    ...     place(error).endswith(":2")
    True
    """
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if "site-packages" not in frame.filename] or frames
    return f"{Path(own[-1].filename).name}:{own[-1].lineno}" if own else ""


def record(
    path: Path, cell: dict, error: BaseException | str, *, again: bool | None = None, trace: str = ""
) -> None:  # fmt: skip
    """Write the failure down. cell: what failed.   again: any rerun tries it again; None: as `transient` says.

    trace: the traceback of an error that is given as text.

    A disk that refuses the record (it may be why the cell failed) is logged; the failure itself is the caller's to say.
    """
    if isinstance(error, BaseException):
        again = transient(error) if again is None else again
        text, whole = f"{type(error).__name__}: {error}", "".join(traceback.format_exception(error))
    else:
        text, whole = error.strip().splitlines()[-1], trace or error
    content = {
        "cell": cell,
        "error": text,
        "traceback": whole,
        "transient": bool(again),
        "when": datetime.now(UTC).isoformat(timespec="seconds"),
        "host": socket.gethostname(),
        "pid": os.getpid(),
    }
    try:
        storage.write_sealed(path, content)
    except (TebenchError, ValueError) as problem:
        log.warning("the failure of %s could not be recorded: %s", cell, problem)


def read(path: Path) -> dict | None:
    """The record; None where there is none, or one that is damaged (said; the cell is then tried again)."""
    if not Path(path).exists():
        return None
    try:
        content = storage.read_sealed(path)
        if not {"cell", "error", "transient", "when", "host"} <= set(content) or not isinstance(content["cell"], dict):
            raise CacheError(f"{path} does not hold the record of a failure.")
        return content
    except CacheError as error:
        log.warning("record of a failure not trusted: %s is damaged (%s).", path, error)
        return None


def standing(path: Path, retry: bool) -> dict | None:
    """The record that stops this run from computing the cell, or None when it is to be computed."""
    found = None if retry else read(path)
    return found if found and not found["transient"] else None


def refuse(path: Path, name: str, retry: bool) -> None:
    """FailedBeforeError when the cell's failure stands."""
    if found := standing(path, retry):
        raise FailedBeforeError(f"{name} failed on {found['when']}: {found['error']} retry=true tries it again.")


def clear(path: Path) -> None:
    with contextlib.suppress(OSError):
        Path(path).unlink(missing_ok=True)


@contextlib.contextmanager
def recorded(path: Path, cell: dict):
    """What the block raises is recorded and raised on; once it succeeds an older record goes."""
    try:
        yield
    except Exception as error:
        record(path, cell, error)
        raise
    clear(path)
