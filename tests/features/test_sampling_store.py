"""Stored samples: round trip, same bytes, verified, drawn again when damaged."""

import logging

import numpy as np
import pytest

from tebench.base import storage
from tebench.base.errors import CacheError
from tebench.features import sample_store
from tebench.features.sampling import ARRAYS, Recipe, draw
from tebench.tasks.base import Case, Task

RECIPE = Recipe(foreground=20, background=20, global_voxels=10, anchors=4, patch_voxels=4, patch_radius=1)


def make_task(fingerprint="f"):
    labels = np.zeros((10, 11, 12), dtype=np.int16)
    labels[3:8, 3:8, 3:8] = 1

    def load(case_id):
        return Case(case_id, np.ones((1, *labels.shape), np.float32), labels, (1.0, 1.0, 1.0), "subject")

    return Task("toy", "Toy", ("background", "box"), ("case-0", "case-1"), (), {}, fingerprint, load)


def same(a, b):
    facts = ("hash", "label_hash", "recipe", "task", "classes", "case_ids")
    return all(getattr(a, name) == getattr(b, name) for name in facts) and all(
        np.array_equal(getattr(a, name), getattr(b, name)) and getattr(a, name).dtype == getattr(b, name).dtype
        for name in ARRAYS
    )


def test_round_trip_reads_what_was_drawn(tmp_path, monkeypatch):
    first = sample_store.load_or_draw(make_task(), RECIPE, 0, tmp_path)
    assert same(first, draw(make_task(), RECIPE, seed=0))

    def forbidden(*args, **kwargs):
        raise AssertionError("drawn again")

    monkeypatch.setattr(sample_store, "draw", forbidden)
    assert same(sample_store.load_or_draw(make_task(), RECIPE, 0, tmp_path), first)


def test_same_sample_same_bytes(tmp_path):
    for name in "abcd":
        sample_store.write(tmp_path / f"{name}.safetensors", draw(make_task(), RECIPE, seed=0))
    assert len({(tmp_path / f"{name}.safetensors").read_bytes() for name in "abcd"}) == 1


def test_task_recipe_and_seed_have_their_own_file(tmp_path):
    from dataclasses import replace

    paths = {
        sample_store.sample_path(make_task(), RECIPE, 0, tmp_path),
        sample_store.sample_path(make_task("g"), RECIPE, 0, tmp_path),
        sample_store.sample_path(make_task(), replace(RECIPE, patch_radius=2), 0, tmp_path),
        sample_store.sample_path(make_task(), RECIPE, 1, tmp_path),
    }
    assert len(paths) == 4


@pytest.mark.parametrize("harm", ["truncate", "flip", "empty", "foreign", "other arrays"])
def test_damage_is_found_and_mended(tmp_path, harm, caplog):
    sample = sample_store.load_or_draw(make_task(), RECIPE, 0, tmp_path)
    path = sample_store.sample_path(make_task(), RECIPE, 0, tmp_path)
    good = path.read_bytes()
    if harm == "truncate":
        path.write_bytes(good[:-7])
    elif harm == "flip":
        path.write_bytes(good[:-1] + bytes([good[-1] ^ 1]))
    elif harm == "empty":
        path.write_bytes(b"")
    elif harm == "foreign":
        path.write_text("not a sample")
    else:
        from safetensors.numpy import save_file

        save_file({"x": np.zeros(3)}, path)
    with pytest.raises(CacheError, match=path.name.replace(".", r"\.")):
        sample_store.read(path)
    with caplog.at_level(logging.WARNING):
        again = sample_store.load_or_draw(make_task(), RECIPE, 0, tmp_path)
    assert same(again, sample)
    assert path.read_bytes() == good
    assert len(caplog.records) == 1
    assert "Drawing it again" in caplog.text


def test_a_whole_sample_of_another_task_is_not_taken(tmp_path, caplog):
    path = sample_store.sample_path(make_task(), RECIPE, 0, tmp_path)
    sample_store.write(path, draw(make_task("g"), RECIPE, seed=0))
    with caplog.at_level(logging.WARNING):
        sample = sample_store.load_or_draw(make_task(), RECIPE, 0, tmp_path)
    assert sample.recipe["task_fingerprint"] == "f"
    assert "holds another sample" in caplog.text


def test_missing_file_is_an_error_for_read(tmp_path):
    with pytest.raises(CacheError, match="not readable"):
        sample_store.read(tmp_path / "none.safetensors")


def test_header_survives_as_json(tmp_path):
    sample = sample_store.load_or_draw(make_task(), RECIPE, 0, tmp_path)
    assert storage.canonical_json(sample.recipe)
    assert sample.recipe["counts"]["case-1"]["foreground"] == {"box": 20}
