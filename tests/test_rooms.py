"""Rooms: imports point one way, from the ground up, and CONTRIBUTING's map is the list of them.

Every import counts, also inside functions and under TYPE_CHECKING, and so do module names given to importlib as text
("tebench.x.y", f"tebench.x.{name}", f"{__name__}.{name}"). Not seen: names that are put together in other ways.
"""

import ast
import graphlib
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
FACE, JOBS = "tebench", "tebench.cli.jobs"
# Folders of the checkout that become packages inside tebench -> their room; None: data, which any room may read.
ELSEWHERE = {"baselines": "metrics", "conf": None}


def rooms_on_the_map(root: Path) -> dict[str, str]:
    """Room -> its line in CONTRIBUTING's map, from the ground up."""
    text = (root / "CONTRIBUTING.md").read_text(encoding="utf-8")
    return dict(re.findall(r"^\| `tebench/(\w+)/`[^|]*\| (.*) \|$", text, re.MULTILINE))


def modules_of(root: Path) -> dict[str, Path]:
    found = {}
    for top in (FACE, *ELSEWHERE):
        for path in sorted((root / top).rglob("*.py")):
            parts = path.relative_to(root).with_suffix("").parts
            name = ".".join(([] if top == FACE else [FACE]) + [part for part in parts if part != "__init__"])
            found[name] = path
    return found


def room_of(module: str) -> str | None:
    """None: the face, or `__main__`."""
    part = module.split(".")[1] if "." in module else None
    return None if part in (None, "__main__") else ELSEWHERE.get(part, part)


def imports_of(name: str, path: Path, modules: dict[str, Path]) -> list[tuple[str, int]]:
    """(module of the package, line) of all that `name` imports."""
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    tree = ast.parse(path.read_text(encoding="utf-8"))
    docstrings = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node, clean=False)
    }
    dotted = {module for module in modules if "." in module}
    found = []

    def add(target: str, line: int) -> None:
        while target and target not in modules:  # a name of a module counts as that module
            target = target.rpartition(".")[0]
        if target:
            found.append((target, line))

    def add_all(prefix: str, line: int) -> None:
        found.extend((module, line) for module in modules if module.rpartition(".")[0] == prefix)

    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                add(alias.name, node.lineno)
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            for alias in node.names:
                add(f"{base}.{alias.name}", node.lineno)
        elif isinstance(node, ast.JoinedStr) and len(node.values) > 1:
            first, second = node.values[:2]
            if isinstance(first, ast.Constant) and first.value.startswith(f"{FACE}.") and first.value.endswith("."):
                add_all(first.value[:-1], node.lineno)
            elif (
                isinstance(first, ast.FormattedValue)
                and ast.unparse(first.value) == "__name__"
                and isinstance(second, ast.Constant)
                and second.value == "."
            ):
                add_all(name, node.lineno)
        elif isinstance(node, ast.Constant) and id(node) not in docstrings and node.value in dotted:
            found.append((node.value, node.lineno))
    return [(target, line) for target, line in found if target != name]


def faults(root: Path) -> list[str]:
    """Every broken rule below `root`, one sentence each."""
    order = list(rooms_on_the_map(root))
    modules = modules_of(root)
    found, arrows = [], {}
    for path in sorted((root / FACE).glob("*.py")):
        if path.name not in ("__init__.py", "__main__.py"):
            found.append(f"{path.relative_to(root)} is in no room")
    for name, path in modules.items():
        imported = imports_of(name, path, modules)
        arrows[name] = sorted({target for target, _ in imported})
        own = room_of(name)
        if own not in order:
            continue
        for target, line in imported:
            place, room = f"{path.relative_to(root)}:{line}", room_of(target)
            if target == FACE:
                found.append(f"{place} imports the face of the package; import the module that defines the name")
            elif room in order and order.index(room) > order.index(own):
                found.append(f"{place} ({own}) imports {target} from a room above its own")
            elif name.startswith(f"{JOBS}.") and target.startswith(f"{JOBS}."):
                found.append(f"{place} imports the job {target}; what both need belongs into a room")
    return sorted({*found, *circles(arrows)})


def circles(arrows: dict[str, list[str]]) -> list[str]:
    """One sentence a circle, each opened before the next is looked for."""
    found = []
    while True:
        try:
            graphlib.TopologicalSorter(dict(sorted(arrows.items()))).prepare()
            return found
        except graphlib.CycleError as error:
            imported, importer = error.args[1][:2]
            arrows[importer].remove(imported)
            found.append("a circle: " + " <- ".join(error.args[1]))


def test_imports_point_downward_only():
    assert not faults(ROOT), "\n".join(faults(ROOT))


def test_contributings_map_names_every_room_and_only_rooms_each_with_its_own_line():
    folders = {path.parent.name for path in (ROOT / FACE).glob("*/__init__.py")}
    written = {path.parts[len((ROOT / FACE).parts)] for path in (ROOT / FACE).glob("*/**/*.py")}
    assert set(rooms_on_the_map(ROOT)) == folders == written
    for room, line in rooms_on_the_map(ROOT).items():
        docstring = ast.get_docstring(ast.parse((ROOT / FACE / room / "__init__.py").read_text(encoding="utf-8")))
        assert docstring.splitlines()[0] == line, f"{room}: CONTRIBUTING.md and {room}/__init__.py describe it apart"


MAP = "| `tebench/base/` | a |\n| `tebench/metrics/`, `baselines/` | b |\n| `tebench/cli/` | c |\n"
SOUND = {
    "tebench/__init__.py": "from tebench.metrics.registry import metric\n__version__ = '1'\n",
    "tebench/__main__.py": "from tebench.cli.main import main\n",
    "tebench/base/__init__.py": "",
    "tebench/base/storage.py": '"""Not tebench.cli.main."""\nimport os\n',
    "tebench/metrics/__init__.py": "",
    "tebench/metrics/registry.py": "from tebench.base import storage\ndef metric(): ...\n",
    "tebench/cli/__init__.py": "",
    "tebench/cli/main.py": "import importlib\ndef run(n): importlib.import_module(f'tebench.cli.jobs.{n}')\n",
    "tebench/cli/jobs/__init__.py": "",
    "tebench/cli/jobs/one.py": "from ...metrics import registry\n",
    "tebench/cli/jobs/two.py": "",
    "baselines/__init__.py": "",
    "baselines/mine.py": "from tebench.metrics.registry import metric\n",
}


def _tree(root: Path, changed: dict[str, str]) -> Path:
    for name, text in {"CONTRIBUTING.md": MAP, **SOUND, **changed}.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")
    return root


def test_a_sound_tree_has_no_faults(tmp_path):
    assert faults(_tree(tmp_path, {})) == []


@pytest.mark.parametrize(
    ("name", "text", "fault"),
    [
        ("tebench/base/storage.py", "import tebench.metrics.registry", "above its own"),
        ("tebench/base/storage.py", "def f():\n    from tebench.metrics import registry", "above its own"),
        ("tebench/base/storage.py", "from ..metrics.registry import metric", "above its own"),
        ("tebench/base/storage.py", "from .. import metrics", "above its own"),
        ("tebench/base/storage.py", "NAMES = ['tebench.metrics.registry']", "above its own"),
        ("tebench/base/storage.py", "def f(n): return f'tebench.metrics.{n}'", "above its own"),
        ("tebench/base/storage.py", "if TYPE_CHECKING:\n    from tebench.baselines import mine", "above its own"),
        ("baselines/mine.py", "from tebench.cli.main import main", "above its own"),
        ("baselines/mine.py", "from tebench import metric", "imports the face"),
        ("tebench/base/storage.py", "import tebench as t", "imports the face"),
        ("tebench/cli/jobs/one.py", "from tebench.cli.jobs.two import x", "imports the job"),
        ("tebench/cli/jobs/one.py", "from tebench.cli.main import run", "a circle"),
        ("tebench/metrics/registry.py", "def f():\n    from tebench.baselines.mine import x", "a circle"),
        ("tebench/loose.py", "", "is in no room"),
    ],
)
def test_each_broken_rule_is_found(tmp_path, name, text, fault):
    """An upward import may close a circle too, which is then a second fault."""
    found = faults(_tree(tmp_path, {name: text}))
    assert any(fault in line for line in found), found
