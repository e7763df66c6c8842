"""What a metric's value depends on, as one hash: not source text, so a comment re-scores nothing.

Three parts make it:
1. the version that the metric declares (`metric(..., version=2)`);
2. the syntax trees, without docstrings, comments and positions, of the module that defines the metric and of every
   module that this one builds on: those of the same package, and any other that is no installed library. It counts how
   the code reads, not how the import is spelled: `import a.b`, `from a import b`, `from . import b`,
   `import_module("a.b")`, inside a function or not. A file that is loaded by a path which only running the code
   gives cannot be seen: such a metric declares `version`;
3. version numbers of the rooms that every score runs through (`ROOMS`): they change when a value changes, not when
   code does. Golden values in the tests hold them to that.
"""

from __future__ import annotations

import ast
import functools
import importlib.util
import site
import sys
import sysconfig
from pathlib import Path

from tebench import features, graphs
from tebench.base import storage
from tebench.base.errors import InputError
from tebench.metrics import moments
from tebench.metrics.registry import Metric

# Raise when views, pooling over stages or cases, or the fusion over a pool would give other values.
SCORING_VERSION = 1
ROOMS = {"graphs": graphs.VERSION, "moments": moments.VERSION, "features": features.VERSION, "scoring": SCORING_VERSION}
# Modules of tebench that count by the versions above or change no value; every other one counts by its syntax.
_BY_VERSION = (
    "tebench.base", "tebench.runtime", "tebench.graphs", "tebench.features", "tebench.scoring",
    "tebench.metrics.checks", "tebench.metrics.evaluate_one", "tebench.metrics.moments",
    "tebench.metrics.parameters", "tebench.metrics.presets", "tebench.metrics.registry",
)  # fmt: skip
_FACES = ("tebench", "tebench.metrics")


def metric_hash(metric: Metric) -> str:
    """Hash of all code that this metric's values depend on, sha256 in hex digits."""
    return _hash(metric.name, metric.version, metric.function.__module__, metric.source)


@functools.cache
def _hash(name: str, version: int, module: str, source: str) -> str:
    trees = sorted(tree_hash(path) for path in built_on(module, Path(source)))
    return storage.hash_json([name, version, trees, ROOMS])


@functools.cache
def tree_hash(path: Path) -> str:
    """Hash of the module's syntax tree; equal for files that differ in comments, docstrings and layout only."""
    try:
        tree = ast.parse(path.read_text(encoding="utf-8"))
    except (OSError, SyntaxError, ValueError) as error:
        raise InputError(
            f"{path}: the source of a metric or of a module it imports cannot be read: {error}."
        ) from error
    return storage.hash_json(_plain(tree))


def _plain(node):
    """A node as lists, the same on every Python: fields that are empty do not count (newer versions add some)."""
    if isinstance(node, list):
        return [_plain(item) for item in node]
    if not isinstance(node, ast.AST):
        return [type(node).__name__, repr(node)]
    if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and ast.get_docstring(node):
        node = type(node)(**{**dict(ast.iter_fields(node)), "body": node.body[1:]})
    fields = [[name, _plain(value)] for name, value in sorted(ast.iter_fields(node)) if value not in (None, [])]
    return [type(node).__name__, fields]


def built_on(module: str, source: Path) -> set[Path]:
    """The files whose syntax counts for a metric defined in `module` (its file: `source`), that file among them."""
    source = source.resolve()
    found, left = {}, [(module, source)]
    while left:
        name, path = left.pop()
        if path in found:
            continue
        found[path] = name
        for imported in _imports(name, path):
            other = _file_of(imported)
            if other and other not in found and _counts(imported, other, module, source):
                left.append((imported, other))
    return set(found)


def _imports(module: str, path: Path) -> set[str]:
    """Every module that the file may import, fully spelled; a name taken from a module may be a module itself."""
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parents = package.split(".")
                kept = parents[: len(parents) - node.level + 1]
                base = ".".join([*kept, *([base] if base else [])])
            names = [base, *(f"{base}.{alias.name}" for alias in node.names if base)]
        elif named := _name_in_import_call(node):
            names = [named]
        else:
            continue
        for name in names:
            parts = name.split(".")
            found |= {".".join(parts[:size]) for size in range(1, len(parts) + 1) if name}
    return found


def _name_in_import_call(node: ast.AST) -> str | None:
    """`a.b` of `import_module("a.b")`, `import_module(name=".b", package="a")` or `__import__("a.b")`; None where it is
    not spelled out."""
    if not isinstance(node, ast.Call):
        return None
    called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
    if called not in ("import_module", "__import__"):
        return None
    given = dict(zip(("name", "package"), node.args, strict=False)) | {one.arg: one.value for one in node.keywords}
    name, package = (
        one.value if isinstance(one, ast.Constant) else None for one in map(given.get, ("name", "package"))
    )
    if not isinstance(name, str):
        return None
    if not name.startswith("."):
        return name
    try:
        return importlib.util.resolve_name(name, package) if isinstance(package, str) else None
    except ImportError:
        return None


def _file_of(module: str) -> Path | None:
    """The Python file of a module; None for what is no module, or is compiled."""
    known = sys.modules.get(module)
    origin = getattr(known, "__file__", None)
    if known is None:
        try:
            spec = importlib.util.find_spec(module)
        except (ImportError, AttributeError, ValueError):
            return None
        origin = spec.origin if spec else None
    return Path(origin).resolve() if origin and origin.endswith(".py") else None


def _counts(name: str, path: Path, root: str, source: Path) -> bool:
    if name == "tebench" or name.startswith("tebench."):
        return name not in _FACES and not f"{name}.".startswith(tuple(f"{one}." for one in _BY_VERSION))
    # A virtual environment may stand beside the plug-in: what is installed is a library wherever it is stored.
    return name.split(".")[0] == root.split(".")[0] or not any(path.is_relative_to(one) for one in _libraries())


@functools.cache
def _libraries() -> tuple[Path, ...]:
    """Folders of the standard library and of installed packages."""
    paths = sysconfig.get_paths()
    found = [paths[name] for name in ("stdlib", "platstdlib", "purelib", "platlib")]
    return tuple(Path(one).resolve() for one in [*found, *site.getsitepackages(), site.getusersitepackages()])
