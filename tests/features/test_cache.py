"""A feature cache folder that is missing, cut short, altered or another's is refused, and the file named."""

import json
import shutil

import extraction_fakes as fakes
import numpy as np
import pytest

import tebench
from tebench.base import storage
from tebench.base.errors import CacheError
from tebench.features import cache
from tebench.features.extraction import extract

FILES = (cache.FEATURES, cache.SAMPLE, cache.MANIFEST)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    task = fakes.make_task(2)
    sample = fakes.make_sample(task)
    root = tmp_path_factory.mktemp("cache")
    return [extract(task, fakes.ConvEncoder(seed=seed), sample, cache=root, progress=False) for seed in (0, 1)]


@pytest.fixture
def folder(made, tmp_path):
    copy = tmp_path / made[0].name
    shutil.copytree(made[0], copy)
    return copy


def refused(folder, *words):
    with pytest.raises(CacheError) as caught:
        tebench.load_features(folder)
    for word in (*words, "job=extract"):
        assert word in str(caught.value)
    assert not cache.is_valid(folder)


def test_a_sound_copy_is_read(folder, made):
    np.testing.assert_array_equal(
        tebench.load_features(folder).stages["decoder.0"], tebench.load_features(made[0]).stages["decoder.0"]
    )
    assert cache.is_valid(folder, cache.manifest(made[0])["key"])


@pytest.mark.parametrize("name", FILES)
def test_missing(folder, name):
    (folder / name).unlink()
    with pytest.raises(CacheError, match=name):
        cache.read(folder)
    assert not cache.is_valid(folder)


def test_no_folder_at_all(tmp_path):
    refused(tmp_path / "nowhere", "nowhere", "does not exist")
    assert not cache.is_valid(tmp_path / "nowhere")


@pytest.mark.parametrize("name", FILES)
def test_truncated(folder, name):
    path = folder / name
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(CacheError, match=name):
        cache.read(folder)
    with pytest.raises(CacheError, match=name):
        cache.read(folder, verify=False)


@pytest.mark.parametrize("name", FILES)
def test_one_flipped_bit_anywhere(folder, name):
    """At 40 places over each file: header, features, sample, manifest."""
    path = folder / name
    good = path.read_bytes()
    for place in np.linspace(0, len(good) - 1, 40).astype(int):
        bad = bytearray(good)
        bad[place] ^= 1 << (place % 7)
        path.write_bytes(bad)
        try:
            cache.read(folder)
        except CacheError as error:
            assert name in str(error)
        else:  # only a manifest may survive: where the flip changes no value (a space to another white space)
            assert name == cache.MANIFEST and json.loads(bad) == json.loads(good)
    path.write_bytes(good)
    cache.read(folder)


def test_foreign_manifest(folder, made):
    shutil.copy(made[1] / cache.MANIFEST, folder / cache.MANIFEST)
    refused(folder, cache.MANIFEST, "foreign")


def test_foreign_folder_under_this_name(folder, made):
    shutil.rmtree(folder)
    shutil.copytree(made[1], folder)
    refused(folder, cache.MANIFEST, "foreign")


def test_foreign_features(folder, made):
    shutil.copy(made[1] / cache.FEATURES, folder / cache.FEATURES)
    refused(folder, cache.FEATURES, "damaged")


def test_a_renamed_folder_still_answers_for_its_key(made, tmp_path):
    moved = tmp_path / "kept"
    shutil.copytree(made[0], moved)
    tebench.load_features(moved)
    assert not cache.is_valid(moved, cache.manifest(made[1])["key"])


@pytest.mark.parametrize("content", ["[]", "{}", '{"made_from": 3}', '{"made_from": {"format": 1}}', "nan", "\x00"])
def test_a_manifest_that_is_none(folder, content):
    (folder / cache.MANIFEST).write_text(content)
    with pytest.raises(CacheError, match=cache.MANIFEST):
        cache.read(folder)


def rewrite(folder, **changes):
    """A manifest that fits itself again after a change."""
    content = json.loads((folder / cache.MANIFEST).read_text())
    del content["checksum"]
    content.update(changes)
    storage.write_sealed(folder / cache.MANIFEST, content)


def test_another_format_is_named(folder):
    parts = cache.manifest(folder)["made_from"]
    rewrite(folder, made_from={**parts, "format": 99})
    refused(folder, "format 99, this version reads")


def test_stages_that_do_not_fit_the_matrices(folder):
    stages = cache.manifest(folder)["stages"]
    rewrite(folder, stages=[{**stage, "channels": stage["channels"] + 1} for stage in stages])
    with pytest.raises(CacheError, match=r"stage 'encoder.0' should be \(100, 5\) float32, is \(100, 4\) float32"):
        cache.read(folder)


def test_folder_names_hold_no_path(tmp_path):
    parts = cache.made_from(
        task="a/b", task_fingerprint="", sample_hash="", encoder="../..", encoder_fingerprint="", decoder_seed=0,
        interpolation="nearest", patch=None, overlap=0.0,
    )  # fmt: skip
    assert cache.folder_for(tmp_path, parts).relative_to(tmp_path).parts[:2] == ("a_b", "_..")
