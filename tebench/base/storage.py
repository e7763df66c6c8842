"""Files on disk: written beside and renamed, addressed by the hash of what made them."""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import os
import socket
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from tebench.base.errors import CacheError, InputError


def sha256_bytes(data) -> str:
    return hashlib.sha256(data).hexdigest()


def sha256_file(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def canonical_json(value) -> str:
    """One spelling per value: sorted keys, no spaces, NaN refused."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def hash_json(value) -> str:
    return sha256_bytes(canonical_json(value).encode())


def hash_array(array) -> str:
    """Hash of dtype, shape and bytes of a numpy array."""
    import numpy as np

    array = np.ascontiguousarray(array)
    return sha256_bytes(f"{array.dtype.str}{array.shape}".encode() + array.tobytes())


def make_folder(path: Path) -> Path:
    """Create a folder, or say plainly why it cannot be."""
    path = Path(path)
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"cannot create folder {path}: {error.strerror}. Choose a writable one.") from error
    return path


@contextlib.contextmanager
def atomic_path(path: Path, *, lasting: bool = True):
    """Yield a temporary path beside `path`; rename it onto `path` only if the block succeeds.

    lasting False: without waiting for the disk. After a power cut `path` may hold anything, so only for what is
    verified when it is read and can be made again.
    """
    path = Path(path)
    make_folder(path.parent)
    try:
        handle, temporary = _temporary(path)
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror}. Choose a writable folder.") from error
    try:
        yield temporary
        if lasting:
            with open(temporary, "rb+") as file:
                os.fsync(file.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror or error}.") from error
    finally:
        os.close(handle)
        temporary.unlink(missing_ok=True)


def _temporary(path: Path) -> tuple[int, Path]:
    """(open file, its name) beside `path`; what processes killed while they wrote `path` have left goes.

    A writer holds a lock on its own file, which ends with its process, so a file that can be locked is left over.
    """
    import fcntl

    begin, end = f".{path.name}.", f".part{path.suffix}"
    with os.scandir(path.parent) as entries:
        left = [entry.path for entry in entries if entry.name.startswith(begin) and entry.name.endswith(end)]
    for name in left:
        with contextlib.suppress(OSError), open(name, "rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.unlink(name)
    while True:
        handle, name = tempfile.mkstemp(prefix=begin, suffix=end, dir=path.parent)
        with contextlib.suppress(OSError):  # a file system without locks, or another process takes it for left over
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.path.exists(name):
            return handle, Path(name)
        os.close(handle)


def write_text(path: Path, text: str, *, lasting: bool = True) -> None:
    """As in `atomic_path`."""
    with atomic_path(path, lasting=lasting) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


def write_json(path: Path, value, *, lasting: bool = True) -> None:
    write_text(path, json.dumps(value, sort_keys=True, indent=1, allow_nan=False) + "\n", lasting=lasting)


def read_json(path: Path):
    try:
        # NaN and 1e999 are no JSON; let in, they could not be hashed.
        return json.loads(Path(path).read_text(encoding="utf-8"), parse_constant=_finite, parse_float=_finite)
    except FileNotFoundError as error:
        raise CacheError(f"{path} does not exist.") from error
    except (ValueError, OSError, RecursionError) as error:
        raise CacheError(f"{path} is not readable JSON ({error}). Delete it to have it made again.") from error


def seal(content: dict) -> dict:
    """The content with its own checksum, for `unseal`; it must not hold a key "checksum" itself."""
    if "checksum" in content:
        raise ValueError('a sealed content holds no key "checksum" of its own')
    return {**content, "checksum": hash_json(content)}


def unseal(found, path: Path) -> dict:
    """What `seal` was given; CacheError, which names `path`, where a value is another or there is no checksum."""
    if isinstance(found, dict):
        content = {name: value for name, value in found.items() if name != "checksum"}
        if found.get("checksum") == hash_json(content):
            return content
    raise CacheError(f"{path} was altered after it was written, or carries no checksum. Delete it to regenerate it.")


def write_sealed(path: Path, content: dict, *, lasting: bool = True) -> None:
    """JSON with its own checksum, for `read_sealed`.   lasting: as in `atomic_path`."""
    write_json(path, seal(content), lasting=lasting)


def read_sealed(path: Path) -> dict:
    """What `write_sealed` wrote; CacheError where the file is missing, no JSON, or not as it was written."""
    return unseal(read_json(path), path)


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text} is no number of JSON")
    return value


@contextlib.contextmanager
def locked(path: Path):
    """Hold the lock file `path`.lock; a lock left by a killed process does not block."""
    from filelock import FileLock

    path = Path(path)
    make_folder(path.parent)
    lock = FileLock(f"{path}.lock")
    try:
        lock.acquire()
    except OSError as error:
        raise InputError(f"cannot lock {path}: {error.strerror or error}. Choose a writable folder.") from error
    file = Path(f"{path}.lock")
    try:
        _note(file, {"host": socket.gethostname(), "pid": os.getpid(), "since": round(time.time())})
        yield
    finally:
        _note(file, None)
        lock.release()


def _note(file: Path, holder: dict | None) -> None:
    """Say in our own lock file who holds it; only a killed holder's note stays. Content of the lock's own stays too."""
    # "r+": the lock is the file's, so it must stay the same file.
    with contextlib.suppress(OSError), open(file, "r+", encoding="utf-8") as note:
        known = note.read(1)
        if not known or known == "{":
            note.seek(0)
            note.truncate()
            if holder:
                json.dump(holder, note)


@dataclass(frozen=True)
class Holder:
    """What a lock file tells. held: by a process now; None: its file system does not say (another host's lock).

    host, pid, since (seconds since 1970): of the holder, or of the last one, which was killed; "" and 0 if unknown.
    """

    held: bool | None
    host: str = ""
    pid: int = 0
    since: float = 0.0


def holder(path: Path) -> Holder | None:
    """Who holds the lock of `path`, without taking it; None when there is no lock file."""
    import fcntl

    file = Path(f"{path}.lock")
    held: bool | None = False
    try:
        descriptor = os.open(file, os.O_RDONLY)
    except FileNotFoundError:
        return None
    except OSError:
        return Holder(None)  # another user's, closed to this one
    try:
        try:
            # Shared and for an instant: who wants the lock meanwhile tries again.
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            held = True
        except OSError:
            held = None
        try:
            note = json.loads(os.read(descriptor, 4096))
            host, pid, since = str(note["host"]), int(note["pid"]), float(note["since"])
        except (ValueError, KeyError, TypeError):
            return Holder(held)
    finally:
        os.close(descriptor)
    if not held and host != socket.gethostname():
        held = None  # some shared file systems keep such locks within one host
    return Holder(held, host, pid, since)


def cache_root() -> Path:
    """The user's cache: $TEBENCH_CACHE, or the platform's cache folder for tebench."""
    chosen = os.environ.get("TEBENCH_CACHE")
    if chosen:
        return Path(chosen).expanduser()
    import platformdirs

    return Path(platformdirs.user_cache_dir("tebench", appauthor=False))
