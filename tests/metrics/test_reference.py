"""Every registered metric has a reference value, a paper and declared invariances; the suite fails without.

A reference value is a test marked `@pytest.mark.reference("name", ..., source="...")` that asserts the metric's value
against a closed form, an independent derivation written in the test, or a stored value of public code. The markers
are read from the test files' syntax trees, so nothing is run for it.
"""

import ast
import re
from pathlib import Path

import numpy as np
import pytest

import tebench
from tebench.base.errors import TebenchError
from tebench.metrics.checks import TOLERANCE, make_arrays, value_of
from tebench.metrics.registry import READS

TESTS = Path(__file__).parents[1]
# The other kinds see no features ("parts": other metrics' scores, "probabilities": a source head's output, "facts"
# and "elsewhere": no voxel at all), so there is nothing about features that they could be invariant to.
READ_FEATURES = ("matrix", "moments", "cases", "patches", "roles")
LINK = re.compile(r"arXiv[: ]\s*\d{4}\.\d{4,5}|doi:?\s*10\.\d{4,}/\S+", re.IGNORECASE)


def references(folder) -> dict[str, list[str]]:
    """Metric name -> "file::test (source)" of every marked test below `folder`."""
    found = {}
    for file in sorted(Path(folder).rglob("test_*.py")):
        for test in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if not isinstance(test, ast.FunctionDef):
                continue
            for mark in (d for d in test.decorator_list if isinstance(d, ast.Call)):
                if ast.unparse(mark.func) != "pytest.mark.reference":
                    continue
                where = f"{file.relative_to(folder)}::{test.name}"
                source = {k.arg: ast.literal_eval(k.value) for k in mark.keywords}.get("source", "")
                assert test.name.startswith("test_"), f"{where}: pytest does not run it"
                assert mark.args and source.strip(), f"{where}: a reference names its metrics and its source"
                assert any(map(_asserts, ast.walk(test))), f"{where}: a reference asserts a value"
                for name in map(ast.literal_eval, mark.args):
                    found.setdefault(name, []).append(f"{where} ({source})")
    return found


def _asserts(node) -> bool:
    if isinstance(node, ast.Assert):
        return True
    return isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1].startswith("assert_")


def invariances_that_hold(metric) -> set[str]:
    """The transformations of features that leave the metric's value at its defaults as it is."""
    found = holding(metric, make_arrays(1.0))
    if found - metric.invariances:  # a share of few rows may agree by chance on one sample
        found &= metric.invariances | holding(metric, make_arrays(1.0, seed=1))
    return found


def holding(metric, arrays) -> set[str]:
    """The same on one sample."""
    rng = np.random.default_rng(1)
    d = arrays.features.shape[1]
    changes = {
        # 1e-7 as well: constants such as 1e-8 that guard a division show at small scales only
        "scale": [arrays.features * factor for factor in (1e-7, 1e-3, 1e3)],
        "rotation": [arrays.features @ np.linalg.qr(rng.standard_normal((d, d)))[0]],
        "shift": [arrays.features + 5 * rng.standard_normal(d)],
    }
    base = value_of(metric, arrays)

    def near(value):
        return abs(value - base) <= TOLERANCE * abs(base) + 1e-9

    return {name for name, all_of in changes.items() if all(near(_value(metric, arrays, f)) for f in all_of)}


def _value(metric, arrays, features) -> float:
    try:
        return value_of(metric, arrays, features=features)
    except TebenchError:
        return np.inf  # refused there: not the same value


def problems(metrics: dict, marked: dict[str, list[str]]) -> list[str]:
    """What is missing, one line a metric and fact.

    Invariances: the declaration must be what holds, so that leaving it out is seen, also where it is empty.
    A metric that declares `exceptions={"value": why}` has no value, so neither reference nor invariances.
    """
    found = []
    for name, metric in metrics.items():
        where = f"{name} ({Path(metric.source).name})"
        if not LINK.search(metric.paper) and not re.match(r"none: \w.{3,}", metric.paper):
            found.append(f"{where}: paper {metric.paper!r} holds no arXiv id, no DOI and no 'none: reason'")
        if "value" in metric.exceptions:
            continue
        if name not in marked:
            found.append(f"{where}: no test is marked @pytest.mark.reference({name!r}, source=...)")
        if metric.reads in READ_FEATURES and (holds := invariances_that_hold(metric)) != metric.invariances:
            declared = sorted(metric.invariances) or "none"
            found.append(f"{where}: invariances declared {declared}, those that hold are {sorted(holds) or 'none'}")
    return found + [f"{name}: marked in {where[0]}, but not registered" for name, where in marked.items()
                    if name not in metrics]  # fmt: skip


def test_every_metric_has_reference_paper_and_invariances():
    assert problems(tebench.list_metrics(), references(TESTS)) == []


def test_exempt_kinds_are_all_others():
    assert set(READS) - set(READ_FEATURES) == {"parts", "probabilities", "facts", "elsewhere"}


def within(features, labels):
    """Mean distance from the class mean, squared: grows with scale, blind to shift and rotation."""
    means = np.stack([features[labels == c].mean(0) for c in range(labels.max() + 1)])
    return float(((features - means[labels]) ** 2).sum(1).mean())


def found_for(registry, facts, function=within, marked=("mine",), **changes):
    """Problems of one metric registered ad hoc."""
    facts = {**facts, "paper": "arXiv:2102.11005", "invariances": ("rotation", "shift"), **changes}
    tebench.metric(name="mine", **facts)(function)
    return problems({"mine": registry.get("mine")}, {key: ["a test"] for key in marked})


def test_a_complete_metric_has_no_problem(scratch_registry, facts):
    assert found_for(scratch_registry, facts) == []


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"marked": ()}, "mine (test_reference.py): no test is marked"),
        ({"paper": " "}, "paper ' ' holds no arXiv id"),
        ({"paper": "a blog"}, "paper 'a blog' holds no arXiv id"),
        ({"paper": "none:"}, "holds no arXiv id"),
        ({"invariances": ()}, "invariances declared none, those that hold are ['rotation', 'shift']"),
        ({"invariances": ("rotation",)}, "declared ['rotation'], those that hold are ['rotation', 'shift']"),
        ({"invariances": ("scale", "rotation", "shift")}, "those that hold are ['rotation', 'shift']"),
        ({"marked": ("mine", "mime")}, "mime: marked in a test, but not registered"),
    ],
)
def test_an_incomplete_metric_is_named(scratch_registry, facts, changes, words):
    found = found_for(scratch_registry, facts, **changes)
    assert len(found) == 1
    assert words in found[0]


def test_a_metric_without_a_value_needs_a_paper_only(scratch_registry, facts):
    given = {"invariances": (), "exceptions": {"value": "needs source data"}}
    assert found_for(scratch_registry, facts, marked=(), **given) == []


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('@pytest.mark.reference("a")\ndef test_a():\n    assert f() == 1\n', "names its metrics and its source"),
        ('@pytest.mark.reference(source="b")\ndef test_a():\n    assert f() == 1\n', "names its metrics"),
        ('@pytest.mark.reference("a", source="b")\ndef test_a():\n    f()\n', "asserts a value"),
        ('@pytest.mark.reference("a", source="b")\ndef helper():\n    assert f()\n', "pytest does not run it"),
    ],
)
def test_an_empty_reference_is_refused(tmp_path, text, words):
    (tmp_path / "test_it.py").write_text("import pytest\n\n" + text)
    with pytest.raises(AssertionError, match=words):
        references(tmp_path)


def test_markers_are_found_beside_others(tmp_path):
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "test_it.py").write_text(
        'import pytest\n\n@pytest.mark.reference("a", "b", source="by hand")\n@pytest.mark.parametrize("x", [1])\n'
        "def test_a(x):\n    numpy.testing.assert_allclose(x, 1)\n"
    )
    assert references(tmp_path) == {key: ["deep/test_it.py::test_a (by hand)"] for key in "ab"}
