"""A score's identity: what re-scores and what does not."""

import importlib
import sys
from pathlib import Path

import pytest

from tebench.metrics.registry import get, load_plugins
from tebench.scoring import identity
from tebench.scoring.identity import built_on, metric_hash, tree_hash

METRIC = '''
"""A metric of a user's own."""
from tebench import metric
{imports}

@metric(name="mine", title="Mine", paper="none", direction="up", range=(0.0, 10.0), reads="matrix", cost="linear")
def mine(features, labels) -> float:
    """The helper's number."""
    {inside}
    return {value}
'''
SPELLINGS = {
    "from x import y": ("from helpers_of_mine import number", "pass", "number()"),
    "import x": ("import helpers_of_mine", "pass", "helpers_of_mine.number()"),
    "import x as y": ("import helpers_of_mine as h", "pass", "h.number()"),
    "inside the function": ("", "from helpers_of_mine import number", "number()"),
    "import_module": ("import importlib", 'm = importlib.import_module("helpers_of_mine")', "m.number()"),
    "import_module, by keyword": (
        "import importlib",
        'm = importlib.import_module(name="helpers_of_mine")',
        "m.number()",
    ),
    "import_module, relative": (
        "import importlib",
        'm = importlib.import_module(".inner", package="package_of_mine")',
        "m.number()",
    ),
    "a package's module": ("from package_of_mine import inner", "pass", "inner.number()"),
    "a package's module, dotted": ("import package_of_mine.inner", "pass", "package_of_mine.inner.number()"),
    "relative, in a package": ("from package_of_mine.outer import number", "pass", "number()"),
}


@pytest.fixture
def plugin(tmp_path, monkeypatch, scratch_registry):
    """Write the plug-in and its helpers; give the metric's hash after an edit of one of them."""
    monkeypatch.syspath_prepend(str(tmp_path))
    package = tmp_path / "package_of_mine"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "outer.py").write_text("from . import inner\ndef number():\n    return inner.number()\n")
    helpers = [tmp_path / "helpers_of_mine.py", package / "inner.py"]

    def hash_with(body: str, spelling: str) -> str:
        imports, inside, value = SPELLINGS[spelling]
        (tmp_path / "mine.py").write_text(METRIC.format(imports=imports, inside=inside, value=value))
        for helper in helpers:
            helper.write_text(body)
        for name in [n for n in sys.modules if n.split(".")[0] in ("helpers_of_mine", "package_of_mine")]:
            del sys.modules[name]
        importlib.invalidate_caches()
        scratch_registry._METRICS.pop("mine", None)
        scratch_registry._LOADED_FILES.clear()
        identity._hash.cache_clear()
        tree_hash.cache_clear()
        load_plugins([tmp_path / "mine.py"])
        return metric_hash(get("mine"))

    yield hash_with
    for name in [n for n in sys.modules if n.split(".")[0] in ("helpers_of_mine", "package_of_mine")]:
        del sys.modules[name]
    identity._hash.cache_clear()
    tree_hash.cache_clear()


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_an_edited_helper_of_a_plug_in_re_scores_and_a_comment_does_not(plugin, spelling):
    """Found: two spellings of imports were followed, so scores of an older helper were read back."""
    first = plugin("def number():\n    return 1.0\n", spelling)
    worded = '"""Words."""\n# why\n\ndef number():\n    "Says."\n    return 1.0  # one\n'
    assert plugin(worded, spelling) == first
    assert plugin("def number():\n    return 2.0\n", spelling) != first


def test_a_declared_version_re_scores(scratch_registry, facts):
    import tebench

    def mine(features, labels) -> float:
        """One."""
        return 1.0

    hashes = []
    for version in (1, 2):
        scratch_registry._METRICS.pop("versioned", None)
        tebench.metric(name="versioned", version=version, **facts)(mine)
        hashes.append(metric_hash(get("versioned")))
    assert hashes[0] != hashes[1]


def test_modules_that_a_metric_builds_on():
    """NLEEP ends in LEEP's likelihood, GRTD stands on trees; libraries and versioned rooms are left out."""

    def files(name: str) -> set[str]:
        metric = get(name)
        found = built_on(metric.function.__module__, Path(metric.source))
        return {path.name for path in found if path.name != "__init__.py"}

    assert files("nleep") == {"nleep.py", "leep.py"}
    assert files("grtd") == {"grtd.py", "labelled_tree.py", "distances.py", "shared.py"}
    assert {"ped.py", "sfda.py", "discriminant.py", "logme.py", "nleep.py", "leep.py"} <= files("ped")


def test_every_room_that_scores_run_through_has_a_version_in_the_hash(monkeypatch):
    first = metric_hash(get("gbc"))
    for room in identity.ROOMS:
        identity._hash.cache_clear()
        monkeypatch.setitem(identity.ROOMS, room, identity.ROOMS[room] + 1)
        assert metric_hash(get("gbc")) != first
        monkeypatch.undo()
    identity._hash.cache_clear()


def test_installed_libraries_are_no_helpers_wherever_they_are_stored(tmp_path, monkeypatch):
    """Found: a virtual environment beside the plug-in made every library a helper of it."""
    library = tmp_path / ".venv" / "lib" / "site-packages"
    library.mkdir(parents=True)
    (library / "installed_of_mine.py").write_text("number = 1\n")
    (tmp_path / "plain.py").write_text("import installed_of_mine\n")
    monkeypatch.syspath_prepend(str(library))
    assert {path.name for path in built_on("plain", tmp_path / "plain.py")} == {"plain.py", "installed_of_mine.py"}
    monkeypatch.setattr(identity, "_libraries", lambda: (library.resolve(),))
    assert {path.name for path in built_on("plain", tmp_path / "plain.py")} == {"plain.py"}


def test_other_rooms_that_a_plug_in_uses_count_by_their_syntax(tmp_path):
    (tmp_path / "plain.py").write_text("from tebench.evaluation import correlation\nfrom tebench.base import storage\n")
    names = {path.name for path in built_on("plain", tmp_path / "plain.py")}
    assert {"plain.py", "correlation.py"} <= names and "storage.py" not in names


def test_the_tree_of_a_file_is_the_same_in_any_layout(tmp_path):
    one, two, three = (tmp_path / f"{name}.py" for name in "abc")
    one.write_text("def f(a, b=2):\n    return [a, b]\n")
    two.write_text('"""Doc."""\ndef f(a,\n      b = 2):  # layout\n    """Doc."""\n    return [a,\n            b]\n')
    three.write_text("def f(a, b=2.0):\n    return [a, b]\n")
    assert tree_hash(one) == tree_hash(two) != tree_hash(three)
