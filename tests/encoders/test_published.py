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
from tebench.pretraining import sources
from tebench.pretraining.recipe import Recipe
from tebench.pretraining.runs import key_of

NAMES = catalogue.names("ssl")
SHAPE = catalogue.entry("resenc_s_random").shape.version


@pytest.mark.parametrize("name", NAMES)
def test_record_weights_and_pin_agree(name):
    record = published.record(name)
    data = published.weights(name, SHAPE)
    assert storage.sha256_bytes(data) == published.PINNED[name] == record["weights"]["sha256"]
    assert len(data) == record["weights"]["bytes"] <= 1_500_000
    facts = catalogue.facts(name)
    assert facts.name == record["name"] == name and list(facts.images) == [image.id for image in sources.TRAINING]
    assert facts.n_parameters == n_parameters(catalogue.build(name)) <= 1_000_000
    method, dose = record["method"], record["dose"]
    assert record["command"] == f"python -m tebench job=pretrain method={method} dose={dose} seed={record['seed']}"
    assert re.search(rf"\b{record['steps']} steps", facts.pretraining) and record["cpu_seconds"] > 0


@pytest.mark.parametrize("name", NAMES)
def test_the_recipe_in_the_repository_is_the_one_that_made_the_weights(name):
    record = published.record(name)
    recipe = Recipe.load(record["method"])
    assert record["steps"] == recipe.steps(record["dose"]) and record["config_hash"] == recipe.hash
    assert record["key"] == key_of(recipe, record["steps"], record["seed"])


@pytest.mark.parametrize("name", NAMES)
def test_training_taught_something_and_features_did_not_collapse(name):
    record = published.record(name)
    loss = record["loss_on_fixed_crops"]
    assert loss["after"]["training images"] < loss["before"]["training images"]
    assert loss["after"]["held-out images"] < loss["before"]["held-out images"]
    found = record["deepest_features_on_held_out_images"]["after"]
    assert found["effective_rank"] > 5 and found["mean_cosine"] < 0.9
    x = torch.from_numpy(np.random.default_rng(0).random((1, 1, 64, 64, 64), dtype=np.float32))
    maps = catalogue.build(name)(x)
    assert all(torch.isfinite(found).all() and found.std() > 1e-3 for found in maps)


def test_all_weights_together_stay_small():
    assert sum(len(published.weights(name, SHAPE)) for name in NAMES) <= 20_000_000
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
    with pytest.raises(AssetError, match=rf"'{NAMES[0]}'.*made for {SHAPE}, this is resenc_s/next"):
        catalogue.build(NAMES[0])
