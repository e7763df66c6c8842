"""The weights that come with tebench: pinned, with records that agree, within their sizes, not collapsed."""

import dataclasses
import re

import numpy as np
import pytest
import torch

from tebench.base import storage
from tebench.base.errors import AssetError
from tebench.encoders import catalogue, published
from tebench.encoders.reading import n_parameters
from tebench.pretraining.recipe import Recipe
from tebench.pretraining.runs import images_of, key_of, name_of
from tebench.tasks import source_only

NAMES = list(published.PINNED)


def _shape(name):
    return catalogue.entry(name).shape.version


@pytest.mark.parametrize("name", NAMES)
def test_record_weights_and_pin_agree(name):
    record = published.record(name)
    data = published.weights(name, _shape(name))
    assert storage.sha256_bytes(data) == published.PINNED[name] == record["weights"]["sha256"]
    assert len(data) == record["weights"]["bytes"] <= 1_500_000
    recipe, facts, encoder = Recipe.load(record["method"]), catalogue.facts(name), catalogue.build(name)
    assert facts.name == record["name"] == name
    assert list(facts.images) == [image.id for image in images_of(recipe)]
    assert facts.n_parameters == n_parameters(encoder.without_head()) <= 1_000_000
    shape = _shape(name).partition("/")[0]
    asked = f"method={record['method']} dose={record['dose']} seed={record['seed']}"
    asked = asked if shape == "resenc_s" else f"shape={shape} {asked}"
    assert record["command"] == f"python -m tebench job=pretrain {asked}"
    assert re.search(rf"\b{record['steps']} steps", facts.pretraining) and record["cpu_seconds"] > 0


@pytest.mark.parametrize("name", NAMES)
def test_the_recipe_in_the_repository_is_the_one_that_made_the_weights(name):
    record = published.record(name)
    recipe = Recipe.load(record["method"])
    assert record["steps"] == recipe.steps(record["dose"]) and record["config_hash"] == recipe.hash
    shape = _shape(name).partition("/")[0]
    assert record["key"] == key_of(recipe, record["steps"], record["seed"], shape=shape)
    assert name.startswith(name_of(recipe.name, shape=shape))


@pytest.mark.parametrize("name", NAMES)
def test_training_taught_something_and_features_did_not_collapse(name):
    record = published.record(name)
    loss = record["loss_on_fixed_crops"]
    for images in loss["after"]:
        assert loss["after"][images] < loss["before"][images]
    found = record["deepest_features_on_held_out_images"]["after"]
    assert found["effective_rank"] > 2 and found["mean_cosine"] < 0.9
    x = torch.from_numpy(np.random.default_rng(0).random((1, 1, 64, 64, 64), dtype=np.float32))
    maps = catalogue.build(name)(x)
    assert all(torch.isfinite(found).all() and found.std() > 1e-3 for found in maps)


def test_all_weights_together_stay_small():
    assert sum(len(published.weights(name, _shape(name))) for name in NAMES) <= 40_000_000
    files = {path.name for path in published.folder().iterdir()}
    assert files == {f"{name}.{kind}" for name in NAMES for kind in ("safetensors", "json")}


def test_changed_weights_are_refused(monkeypatch):
    monkeypatch.setitem(published.PINNED, NAMES[0], "0" * 64)
    with pytest.raises(AssetError, match=rf"'{NAMES[0]}'.*expected 0000000000000000"):
        catalogue.build(NAMES[0])


def test_weights_of_another_shape_are_refused(monkeypatch):
    entry = catalogue.entry(NAMES[0])
    newer = dataclasses.replace(entry, shape=dataclasses.replace(entry.shape, version="resenc_s/next"))
    monkeypatch.setitem(catalogue.ENTRIES, NAMES[0], newer)
    with pytest.raises(AssetError, match=rf"'{NAMES[0]}'.*made for {entry.shape.version}, this is resenc_s/next"):
        catalogue.build(NAMES[0])


def test_source_heads_learned_their_labels():
    for name in catalogue.names("supervised"):
        record = published.record(name)
        dice = record["dice_on_fixed_crops_of_the_training_image"]
        assert record["classes"] == list(source_only.load(record["source"]).classes)
        assert set(dice) == set(record["classes"][1:])
        assert sum(dice.values()) / len(dice) > 0.2
