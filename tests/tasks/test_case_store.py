"""Stored cases: same bytes, verified, made again when damaged."""

import logging

import numpy as np
import pytest

from tebench.base.errors import CacheError
from tebench.tasks import case_store


def counted(case):
    calls = []

    def make():
        calls.append(1)
        return case

    return make, calls


def same(a, b):
    return (a.id, a.spacing, a.origin) == (b.id, b.spacing, b.origin) and all(
        np.array_equal(x, y) and x.dtype == y.dtype for x, y in ((a.image, b.image), (a.labels, b.labels))
    )


def test_round_trip_makes_once(tmp_path, ball_case):
    make, calls = counted(ball_case)
    first = case_store.load_or_make(tmp_path, "template", make)
    second = case_store.load_or_make(tmp_path, "template", make)
    assert len(calls) == 1
    assert same(first, ball_case)
    assert same(second, ball_case)


def test_same_case_same_bytes(tmp_path, ball_case):
    for name in "abcd":
        case_store.write(tmp_path / f"{name}.safetensors", ball_case)
    assert len({(tmp_path / f"{name}.safetensors").read_bytes() for name in "abcd"}) == 1


@pytest.mark.parametrize("harm", ["truncate", "flip", "empty", "no hash", "foreign", "other case"])
def test_damage_is_found_and_mended(tmp_path, ball_case, harm, caplog):
    make, calls = counted(ball_case)
    case_store.load_or_make(tmp_path, "template", make)
    path, digest = tmp_path / "template.safetensors", tmp_path / "template.sha256"
    good = path.read_bytes()
    if harm == "truncate":
        path.write_bytes(good[:-100])
    elif harm == "flip":
        path.write_bytes(good[:-1] + bytes([good[-1] ^ 1]))
    elif harm == "empty":
        path.write_bytes(b"")
    elif harm == "no hash":
        digest.unlink()
    elif harm == "foreign":
        path.write_bytes(b"not a case")
        digest.write_text(case_store.storage.sha256_bytes(b"not a case"))
    else:
        from dataclasses import replace

        case_store.write(path, replace(ball_case, id="virtual-9"))
    if harm != "other case":
        with pytest.raises(CacheError):
            case_store.read(path)
    with caplog.at_level(logging.WARNING):
        again = case_store.load_or_make(tmp_path, "template", make)
    assert same(again, ball_case)
    assert len(calls) == 2
    assert path.read_bytes() == good
    assert len(caplog.records) == 1
    assert "Making it again" in caplog.text


def test_a_failed_make_leaves_nothing(tmp_path):
    def fail():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        case_store.load_or_make(tmp_path, "template", fail)
    assert [p.name for p in tmp_path.iterdir() if p.suffix != ".lock"] == []
