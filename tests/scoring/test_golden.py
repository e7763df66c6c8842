"""A value that changes without a changed version fails: scores of the older value would be read back from disk."""

import json

import golden
import pytest

STORED = json.loads(golden.FILE.read_text())
RENEW = "raise the version beside the code, then run: python tests/scoring/golden.py"


@pytest.fixture(scope="module")
def new():
    return golden.computed()


@pytest.mark.parametrize("part", ["metrics", "stages"])
def test_values_are_those_that_the_version_promises(new, part):
    assert not (wrong := golden.moved(STORED[part], new[part])), f"{RENEW}\n" + "\n".join(wrong)


@pytest.mark.parametrize("part", ["metrics", "stages"])
def test_every_entry_is_pinned_under_its_present_version(new, part):
    versions = {name: entry["version"] for name, entry in new[part].items()}
    assert versions == {name: entry["version"] for name, entry in STORED[part].items()}, RENEW


def test_a_moved_value_is_named():
    old = {"m": {"version": 1, "values": {"a": 1.0, "b": 2.0}}}
    assert golden.moved(old, {"m": {"version": 1, "values": {"a": 1.0, "b": 2.1}}}) == [
        "m version 1: b: 2.0 became 2.1"
    ]
    assert golden.moved(old, {"m": {"version": 2, "values": {"a": 1.0, "b": 2.1}}}) == []
