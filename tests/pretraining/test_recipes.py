"""Recipes: every one loads, wrong numbers are refused, names stand for values."""

import pytest
from pretraining_fakes import recipe

from tebench.base.errors import InputError, UnknownNameError
from tebench.pretraining import methods, sources
from tebench.pretraining.recipe import Recipe, names
from tebench.pretraining.training import entropy
from tebench.tasks import source_only, starter


def test_every_method_has_a_recipe():
    assert {Recipe.load(name).method for name in names()} == {*methods.NAMES, *methods.SUPERVISED}
    for name in names():
        found = Recipe.load(name)
        assert found.name == name and found.title and found.paper.startswith(("arXiv ", "doi:10."))
        assert (found.source in source_only.names()) == (found.method in methods.SUPERVISED)
        assert found.steps("short") == found.steps("full") // 6


def test_unknown_names_and_wrong_numbers_are_refused():
    with pytest.raises(UnknownNameError, match="Did you mean 'simclr'"):
        Recipe.load("simcl")
    with pytest.raises(UnknownNameError, match="dose"):
        Recipe.load("mae").steps("half")
    with pytest.raises(InputError, match=r"'mae'.*'share' must be a number 0.05..0.95, got 2"):
        Recipe.make(name="mae", title="", paper="", options={"share": 2})
    with pytest.raises(InputError, match="crop must be a multiple of 16, got 40"):
        recipe("mae", crop=40)
    with pytest.raises(InputError, match="mirror must be letters of xyz"):
        recipe("mae", mirror="w")


def test_a_file_that_lists_sources_gives_a_recipe_for_each(monkeypatch, tmp_path):
    text = "name: two\nmethod: supervised\ntitle: of SOURCE\npaper: b\nsources: [lungs, lobes]\nsteps: 7\n"
    (tmp_path / "two.yaml").write_text(text)
    monkeypatch.setattr("tebench.pretraining.recipe.folder", lambda: tmp_path)
    assert names() == ["two_lobes", "two_lungs"]
    lobes, lungs = map(Recipe.load, names())
    assert lobes.steps("full") == 7 and lobes.source == "lobes" and lobes.title == "of lobes"
    assert lobes.training == lungs.training and lobes.hash != lungs.hash


def test_a_source_belongs_to_the_supervised_methods():
    with pytest.raises(InputError, match="a source is given with the methods supervised, synthesis"):
        Recipe.make(name="mae", title="", paper="", source="lobes")
    with pytest.raises(InputError, match="a source is given"):
        Recipe.make(name="sup", method="supervised", title="", paper="")


def test_the_hash_follows_every_number_and_no_word():
    first = recipe("mae")
    assert recipe("mae", lr=1e-3).hash != first.hash
    assert (
        Recipe.make(name="mae", title="other", paper="", crop=32, batch=2, steps=12, options=first.options).hash
        == first.hash
    )


def test_entropy_depends_on_every_word():
    assert len({entropy("a", 1), entropy("a", 2), entropy("b", 1), entropy("a1"), entropy("a", "1", "")}) == 5


def test_no_test_image_of_a_task_is_trained_on():
    trained = {(image.package, image.path) for image in sources.TRAINING}
    assert not trained & {(image.package, image.path) for image in sources.HELD_OUT}
    for task in starter.RECIPES:
        tested = {(source.package, source.image) for source in task.test}
        assert tested and not tested & trained, task.name
