"""Presets: settings of a paper, below what the user sets and above the defaults."""

import subprocess
import sys

import pytest
import yaml

from tebench.base.errors import InputError
from tebench.benchmark.conf import group_options
from tebench.benchmark.settings import requested
from tebench.cli.config import compose
from tebench.metrics import presets
from tebench.metrics.registry import get, load
from tebench.scoring.request import Request, part_requests


def preset(name):
    from importlib.resources import files

    return yaml.safe_load((files("tebench.conf") / "preset" / f"{name}.yaml").read_text(encoding="utf-8"))


def chosen(node, name="paper"):
    """Metric name -> parameters of a configuration with that `metric` node and preset."""
    return {m.name: p for m, p in requested(node, presets.checked(preset(name)))}


def single(name, **given):
    """A metric's node with what is stated."""
    return {"name": name, **given}


@pytest.mark.parametrize("name", group_options("preset"))
def test_every_preset_is_valid_and_named_after_its_file(name):
    node = preset(name)
    assert node["name"] == name
    presets.checked(node)


def defaults(metric) -> dict:
    """What a metric runs with when nothing is set; its seed is then the run's."""
    return {name: value for name, value in metric.complete({}).items() if name != "seed"}


def test_plain_changes_nothing():
    several = {"name": "all", "names": [], "options": {}}
    assert chosen(several, "plain") == {name: defaults(metric) for name, metric in load().items()}


def test_paper_differs_from_plain_in_every_metric_it_lists():
    several = {"name": "all", "names": [], "options": {}}
    differing = {name for name, given in chosen(several).items() if given != defaults(load()[name])}
    assert differing == set(preset("paper")["metrics"])


def test_paper_gives_the_paper_settings():
    assert chosen(single("gbc"))["gbc"] == {"covariance": "spherical", "pca": 64, "ridge": 1e-4}
    assert chosen(single("transrate"))["transrate"]["weights"] == "uniform"
    assert chosen(single("grtd"))["grtd"]["max_per_class"] == 800


def test_what_the_user_sets_wins():
    assert chosen(single("gbc", pca=32, covariance="full"))["gbc"] == {
        "covariance": "full", "pca": 32, "ridge": 1e-4,
    }  # fmt: skip
    several = {"name": "several", "names": ["knn", "parc"], "options": {"knn": {"k": 3}}}
    found = chosen(several)
    assert found["knn"]["k"] == 3  # the default's own value, but written by the user
    assert found["parc"]["max_points"] == 500


def test_parts_of_a_fused_metric_get_the_preset_too():
    settings = presets.checked(preset("paper"))
    parts = part_requests(Request.make(get("etran"), {}, None, 0), settings)
    assert parts["energy"].parameters == {"share": 0.005}
    assert parts["lda"].parameters == {"rule": "nearest_mean"}
    assert part_requests(Request.make(get("etran"), {}, None, 0))["energy"].parameters == {"share": 1.0}
    fused = Request.make(get("grtd_lbtc"), {"patch": "feature"}, None, 0)
    found = part_requests(fused, {"lbtc": {"patch": "spatial", "size": 8}, "grtd": {"max_per_class": 9}})
    assert found["lbtc"].parameters == {"patch": "feature", "size": 8}
    assert found["grtd"].parameters["max_per_class"] == 9


@pytest.mark.parametrize(
    ("node", "words"),
    [
        ({"name": "mine", "metrics": {"gbcc": {}}}, "unknown metric 'gbcc'. Did you mean 'gbc'?"),
        ({"name": "mine", "metrics": {"gbc": {"pc": 3}}}, "unknown parameter of metric gbc 'pc'. Did you mean 'pca'?"),
        ({"name": "mine", "metrics": {"gbc": {"pca": 0}}}, "'pca' must be a whole number >= 1 or null, got 0"),
        ({"name": "mine", "metrics": {"gbc": 64}}, "gbc: expected a mapping of parameters, got 64"),
        ({"name": "mine", "metrics": {"hscore": {"pca": 3}}}, "unknown parameter of metric hscore 'pca'. Known: none"),
        ({"name": "mine", "metric": {}}, "expected the keys name and metrics"),
        ({"name": "mine", "metrics": None}, "expected the keys name and metrics"),
    ],
)  # fmt: skip
def test_a_wrong_line_names_its_file(node, words):
    with pytest.raises(InputError) as error:
        presets.checked(node)  # whatever the run uses
    assert str(error.value).startswith("preset mine (conf/preset/mine.yaml)")
    assert words in str(error.value)


@pytest.mark.parametrize(
    ("words", "metric", "expected"),
    [
        ("metric=knn metric.k=3 preset=paper", "knn", {"k": 3}),  # the default's own value, but stated
        ("preset=paper metric.k=3 metric=[knn]", "knn", {"k": 3}),
        ("metric=[knn,gbc] metric.options.knn.k=3 preset=paper", "knn", {"k": 3}),
        ("metric=knn metric.options.knn.k=3 preset=paper", "knn", {"k": 3}),
        ("metric=knn preset=paper", "knn", {"k": 1}),
        ("metric=knn", "knn", {"k": 3}),
        ("metric=gbc metric.pca=null preset=paper", "gbc", {"pca": None}),
        ("metric=knn preset=paper preset.metrics.knn.k=2", "knn", {"k": 2}),
        ("metric=grtd_lbtc ++preset.metrics.lbtc.patch=feature preset=paper", "grtd_lbtc", {"patch": "feature"}),
        ("metric=grtd_lbtc metric.patch=spatial preset.metrics.lbtc.patch=feature", "grtd_lbtc", {"patch": "spatial"}),
        ("rank dataset=x encoders=y metrics=knn,gbc metric.options.knn.k=3 preset=paper", "knn", {"k": 3}),
    ],
)  # fmt: skip
def test_what_is_stated_wins_in_every_spelling(words, metric, expected):
    _, settings, _ = compose(*words.split())
    found = {one.name: given for one, given in settings.metrics}[metric]
    assert {key: found[key] for key in expected} == expected


def run(*arguments, cwd):
    return subprocess.run([sys.executable, "-m", "tebench", *arguments], capture_output=True, text=True, cwd=cwd)


def test_command_line(tmp_path):
    done = run("--cfg", "job", "metric=gbc", "preset=paper", cwd=tmp_path)
    assert "max_per_class: 800" in done.stdout, done.stderr
    assert "name: plain" in run("--cfg", "job", "metric=gbc", cwd=tmp_path).stdout
    wrong = run("preset=papr", cwd=tmp_path)
    assert wrong.returncode == 2
    assert "unknown preset 'papr'. Did you mean 'paper'?" in wrong.stderr
    wrong = run("metric=random", "preset=paper", "preset.metrics.gbc.pca=0", cwd=tmp_path)
    assert wrong.returncode == 2
    assert "preset paper (conf/preset/paper.yaml): metric gbc: parameter 'pca'" in wrong.stderr


def test_help_lists_presets(tmp_path):
    assert "preset=paper" in run("--help", cwd=tmp_path).stdout
