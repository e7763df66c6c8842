"""The registry: facts are checked, duplicates refused, third parties join."""

import sys
from typing import Annotated, Literal

import pytest

import tebench
from tebench.base.errors import InputError, UnknownNameError
from tebench.metrics.parameters import Interval

PLUGIN = '''
"""A metric of a third party."""
from typing import Annotated
from tebench import metric
from tebench.metrics.parameters import Interval

@metric(name="plugged", title="Plugged", paper="none: a test", direction="up", range=(0.0, float("inf")),
        reads="matrix", cost="linear")
def plugged(features, labels, *, power: Annotated[int, Interval(1, 4)] = 2) -> float:
    """Distance of the class means to a power, up."""
    a, b = (features[labels == c].mean(axis=0) for c in (0, 1))
    return float(((a - b) ** power).sum())
'''


def test_metrics_lists_names_with_facts():
    found = tebench.list_metrics()
    assert {"grtd", "lbtc", "grtd_lbtc", "logme", "gbc", "hscore", "random", "n_parameters"} <= set(found)
    assert found["gbc"].direction == "up"
    assert list(found) == sorted(found)


def test_unknown_name_gives_nearest_match(scratch_registry):
    with pytest.raises(UnknownNameError, match=r"unknown metric 'logmee'. Did you mean 'logme'\? Known: .*hscore"):
        scratch_registry.get("logmee")


def test_duplicate_is_an_error_that_names_the_owner(scratch_registry, facts):
    with pytest.raises(InputError, match=r"'logme' .*name is taken by .*logme\.py"):
        tebench.metric(name="logme", **facts)(lambda features, labels: 0.0)


@pytest.mark.parametrize(
    ("fact", "value", "words"),
    [
        ("direction", "sideways", "direction must be one of up, down, got 'sideways'"),
        ("reads", "files", "reads must be one of matrix"),
        ("cost", "cheap", "cost must be one of"),
        ("invariances", ["gravity"], r"unknown invariances \['gravity'\]"),
        ("range", (1.0, 0.0), "range must be"),
        ("parts", {"a": "logme"}, "parts are given exactly when reads='parts'"),
    ],
)
def test_wrong_facts_are_named(scratch_registry, facts, fact, value, words):
    facts[fact] = value
    with pytest.raises(InputError, match=words):
        tebench.metric(name="mine", **facts)(lambda features, labels: 0.0)


def test_keyword_parameters_are_typed_and_checked(scratch_registry, facts):
    @tebench.metric(name="mine", **facts)
    def mine(
        features,
        labels,
        *,
        k: Annotated[int, Interval(1, 9)] = 3,
        mode: Literal["a", "b"] = "a",
        ridge: float | None = None,
    ) -> float:
        """A metric with three parameters."""
        return float(k)

    metric = scratch_registry.get("mine")
    assert metric.complete({"ridge": 1}) == {"k": 3, "mode": "a", "ridge": 1.0}
    for given, words in (
        ({"k": 0}, r"metric mine: parameter 'k' must be a whole number 1..9, got 0"),
        ({"k": True}, "must be a whole number"),
        ({"k": 2.5}, "must be a whole number"),
        ({"mode": "c"}, "'mode' must be one of a, b, got 'c'"),
        ({"ridge": float("nan")}, "'ridge' must be a number or null"),
        ({"kk": 1}, r"unknown parameter of metric mine 'kk'. Did you mean 'k'\?"),
    ):
        with pytest.raises(InputError, match=words):
            metric.complete(given)


def test_parameter_without_default_or_with_a_strange_type_is_refused(scratch_registry, facts):
    def bare(features, labels, *, k) -> float: ...
    def strange(features, labels, *, k: list = None) -> float: ...  # noqa: RUF013

    for function, words in ((bare, "needs an annotation and a default"), (strange, "type must be int")):
        with pytest.raises(InputError, match=words):
            tebench.metric(name="mine", **facts)(function)


def test_plugin_file(scratch_registry, tmp_path):
    file = tmp_path / "plugged.py"
    file.write_text(PLUGIN)
    scratch_registry.load_plugins([file])
    scratch_registry.load_plugins([file])  # a second mention changes nothing
    assert tebench.score("plugged", [[0.0], [2.0]], [0, 1]) == 4.0
    assert tebench.score("plugged", [[0.0], [2.0]], [1, 0], power=3) == 8.0


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("x = 1", "registers no metric"),
        ("import nothing_of_that_name", "does not run"),
        (PLUGIN.replace('"plugged"', '"logme"'), "name is taken"),
    ],
)
def test_bad_plugin_is_named(scratch_registry, tmp_path, text, words):
    file = tmp_path / "bad_plugin.py"
    file.write_text(text)
    with pytest.raises(InputError, match=words):
        scratch_registry.load_plugins([file])
    with pytest.raises(InputError, match=r"absent\.py does not exist"):
        scratch_registry.load_plugins([tmp_path / "absent.py"])


def test_entry_point_of_an_installed_package(tmp_path):
    """A package on the path with an entry point of group tebench.metrics, as pip would lay it down."""
    import subprocess

    (tmp_path / "their_package.py").write_text(PLUGIN)
    info = tmp_path / "their_package-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: their-package\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[tebench.metrics]\nplugged = their_package\n")
    path = f"import sys; sys.path.insert(0, {str(tmp_path)!r})"
    code = f"{path}; import tebench; print(tebench.list_metrics()['plugged'].title)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "Plugged", done.stderr
    (info / "entry_points.txt").write_text("[tebench.metrics]\nplugged = absent_package\n")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "entry point 'plugged' = 'absent_package'" in done.stderr


def test_importing_is_light():
    """The registry must not drag torch, scipy or pandas in."""
    import subprocess

    heavy = "{'torch', 'scipy', 'pandas', 'matplotlib'}"
    code = f"import tebench, sys; tebench.list_metrics(); print({heavy} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "set()"


CELL = """
from tebench import Interval, metric
@metric(name='celled', title='C', paper='none', direction='up', range=(0.0, 9.0), reads='matrix', cost='linear')
def celled(features, labels) -> float:
    'A number.'
    return {value}
"""


def test_a_notebook_cell_that_runs_again_replaces_its_metric(scratch_registry):
    names = {"__name__": "__main__"}
    for number, value in enumerate((1.0, 2.0)):  # every run of a cell has a file name of its own
        exec(compile(CELL.format(value=value), f"<ipython-input-{number}>", "exec"), names)
    assert tebench.score("celled", [[0.0], [2.0]], [0, 1]) == 2.0
    with pytest.raises(InputError, match="the name is taken by <ipython-input-1>"):
        exec(compile(CELL.format(value=3.0), "elsewhere.py", "exec"), {"__name__": "elsewhere"})
    with pytest.raises(InputError, match="the name is taken"):  # another function of the same cell
        exec(compile(CELL.format(value=3.0).replace("def celled", "def other"), "<ipython-input-2>", "exec"), names)


def test_the_old_name_of_list_metrics_warns():
    with pytest.warns(DeprecationWarning, match=r"tebench\.list_metrics\(\)"):
        assert tebench.metrics() == tebench.list_metrics()
