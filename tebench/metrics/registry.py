"""Metrics by name: one decorator, its facts, and where third parties join.

A metric is a pure function of arrays. `reads` says which arrays, in this order:

=============== ==========================================================================
reads           call
=============== ==========================================================================
"matrix"        f(features (N, D), labels (N,))
"moments"       f(moments)            a `tebench.metrics.moments.Moments` of features and labels
"cases"         f(features, labels, cases (N,))
"patches"       f(features, labels, cases, patches (P, V))   row indices, anchor first, -1 pads
"roles"         f(features, labels, cases, roles (N,))       words of `ROLES`: why each row was sampled
"probabilities" f(probabilities (N, S), labels (N,))         of the encoder's source head
"facts"         f(facts)              mapping of the encoder's facts (static baselines)
"parts"         f(parts, n_foreground)  parts: name -> (K,) scores of other metrics over the pool
"elsewhere"     f(dice (K, T))        the pool's ground truth on the other tasks
=============== ==========================================================================

The first seven return one float per call (higher means what `direction` says), the last two one
(K,) array over the candidate pool. Parameters are the keyword-only arguments.
"""

from __future__ import annotations

import importlib
import importlib.util
import logging
import math
import pkgutil
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tebench.base.errors import InputError, unknown_name
from tebench.metrics.parameters import Parameter, complete, keyword_parameters

log = logging.getLogger(__name__)

READS = ("matrix", "moments", "cases", "patches", "roles", "probabilities", "facts", "parts", "elsewhere")
ROLES = ("foreground", "background", "global", "anchor", "member")
INVARIANCES = ("scale", "rotation", "shift")
COSTS = ("static", "linear", "moments", "quadratic", "trees", "iterative")
GROUP = "tebench.metrics"


@dataclass(frozen=True)
class ClassRange:
    """A range that depends on the number C of classes present."""

    text: str
    bounds: Callable[[int], tuple[float, float]]


@dataclass(frozen=True)
class Metric:
    """A registered metric: the function and the facts declared beside it."""

    name: str
    title: str
    paper: str
    direction: str
    range: tuple[float, float] | ClassRange
    reads: str
    cost: str
    function: Callable = field(repr=False)
    stages: str = "encoder[-1]"
    rows: tuple[str, ...] = ("foreground", "background")
    per_case: bool = False
    pool_dependent: bool = False
    invariances: frozenset[str] = frozenset()
    parts: dict[str, str] = field(default_factory=dict)
    disagreements: tuple[str, ...] = ()
    monotone: str = ""
    exceptions: dict[str, str] = field(default_factory=dict)
    parameters: dict[str, Parameter] = field(default_factory=dict, repr=False)
    version: int = 1
    source: str = ""

    def complete(self, given: dict) -> dict:
        """All parameters with their values, checked."""
        return complete(self.parameters, given, f"metric {self.name}")

    def bounds(self, n_classes: int) -> tuple[float, float]:
        return self.range.bounds(n_classes) if isinstance(self.range, ClassRange) else self.range

    @property
    def range_text(self) -> str:
        if isinstance(self.range, ClassRange):
            return self.range.text
        low, high = self.range
        return f"{'(' if math.isinf(low) else '['}{low:g}, {high:g}{')' if math.isinf(high) else ']'}"

    @property
    def summary(self) -> str:
        """First line of the docstring."""
        return (self.function.__doc__ or "").strip().split("\n")[0]


_METRICS: dict[str, Metric] = {}
_LOADED_FILES: dict[Path, str] = {}


def metric(
    *,
    name: str,
    title: str,
    paper: str,
    direction: str,
    range: tuple[float, float] | ClassRange,
    reads: str,
    cost: str,
    stages: str = "encoder[-1]",
    rows: tuple[str, ...] = ("foreground", "background"),
    per_case: bool = False,
    pool_dependent: bool = False,
    invariances=(),
    parts: dict[str, str] | None = None,
    disagreements: tuple[str, ...] = (),
    monotone: str = "",
    exceptions: dict[str, str] | None = None,
    version: int = 1,
):
    """Register a function as a transferability metric.

    Parameters
    ----------
    name : str
        As in `metric=NAME`; lower case, digits and underscores.
    title : str
        For tables.
    paper : str
        arXiv id, DOI or venue.
    direction : {"up", "down"}
        "up": a higher score means better transfer.
    range : tuple of float or ClassRange
        Closed bounds of the score, (-inf, inf) allowed.
    reads : str
        What the function is called with; see the module's table.
    cost : str
        One of COSTS.
    stages : str
        Default stage policy, a slice such as "encoder[-1]", "decoder[-3:]" or "all".
    rows : tuple of str
        Roles of the sample that enter ("foreground", "background", "global").
    per_case : bool
        Compute for each case and average, instead of once over all cases.
    pool_dependent : bool
        The score of one encoder changes with the candidate pool.
    invariances : iterable of str
        Which of INVARIANCES hold for the features. Sample order and label names always must.
    parts : dict of str to str, optional
        For reads="parts", argument name -> metric name; parameters that a part shares by name are passed on to it.
    disagreements : tuple of str
        Known disagreements with public code, each with its figure.
    monotone : str
        Empty when the score follows class separation; otherwise why, by definition, it does not.
    exceptions : dict of str to str, optional
        Other common checks (see `tebench.metrics.checks`) that cannot hold, name -> reason.
    version : int
        Raised by the author when the same input gives another value; scores of older versions are not read back.
        A changed syntax tree has the same effect, so it is needed only for what the source does not show.

    Returns
    -------
    callable
        A decorator, which returns the function unchanged.

    Raises
    ------
    InputError
        For a fact that is not one of those above, and for a name that is taken.
    """

    def register(function: Callable) -> Callable:
        where = f"metric {name!r} in {function.__module__}"
        if not name.replace("_", "").isalnum() or name != name.lower():
            raise InputError(f"{where}: name must be lower case letters, digits and underscores.")
        for label, value, allowed in (
            ("direction", direction, ("up", "down")),
            ("reads", reads, READS),
            ("cost", cost, COSTS),
        ):
            if value not in allowed:
                raise InputError(f"{where}: {label} must be one of {', '.join(allowed)}, got {value!r}.")
        if unknown := set(invariances) - set(INVARIANCES):
            raise InputError(f"{where}: unknown invariances {sorted(unknown)}; known: {', '.join(INVARIANCES)}.")
        if not isinstance(range, ClassRange) and not range[0] < range[1]:
            raise InputError(f"{where}: range must be (low, high) with low < high, got {range!r}.")
        if bool(parts) != (reads == "parts"):
            raise InputError(f"{where}: parts are given exactly when reads='parts'.")
        taken = _METRICS.get(name)
        if taken and not _same_place(taken.function, function):
            raise InputError(f"{where}: the name is taken by {taken.source}. Choose another name.")
        _METRICS[name] = Metric(
            name=name,
            title=title,
            paper=paper,
            direction=direction,
            range=range,
            reads=reads,
            cost=cost,
            function=function,
            stages=stages,
            rows=tuple(rows),
            per_case=per_case,
            pool_dependent=pool_dependent or reads in ("parts", "elsewhere"),
            invariances=frozenset(invariances),
            parts=dict(parts or {}),
            disagreements=tuple(disagreements),
            monotone=monotone,
            exceptions=dict(exceptions or {}),
            parameters=keyword_parameters(function),
            version=version,
            source=function.__code__.co_filename,
        )
        return function

    return register


def _same_place(old: Callable, new: Callable) -> bool:
    """Whether `new` is `old` defined again, as by a notebook cell or a module that runs once more: it replaces it."""
    if (old.__module__, old.__qualname__) != (new.__module__, new.__qualname__):
        return False
    files = {old.__code__.co_filename, new.__code__.co_filename}
    # Every run of a notebook cell has a file name of its own, such as <ipython-input-3-...> or /tmp/ipykernel_7/1.py.
    return len(files) == 1 or old.__module__ == "__main__"


_STATE = {"built_in": False}


def load() -> dict[str, Metric]:
    """All metrics: built in, then those of installed packages (entry points)."""
    if not _STATE["built_in"]:
        _STATE["built_in"] = True
        for package in ("tebench.metrics.topology", "tebench.baselines"):
            folder = importlib.import_module(package)
            for module in sorted(m.name for m in pkgutil.iter_modules(folder.__path__)):
                importlib.import_module(f"{package}.{module}")
        _load_entry_points()
    return dict(sorted(_METRICS.items()))


def _load_entry_points() -> None:
    from importlib.metadata import entry_points

    for point in entry_points(group=GROUP):
        try:
            point.load()
        except InputError:
            raise
        except Exception as error:
            raise InputError(
                f"entry point {point.name!r} = {point.value!r} (group {GROUP}) does not load: {error!r}. "
                "Repair or uninstall that package."
            ) from error


def load_plugins(files) -> None:
    """Execute each Python file once; its decorators register metrics. These files are trusted code."""
    load()
    for file in files:
        path = Path(file).expanduser().resolve()
        if path in _LOADED_FILES:
            continue
        if not path.is_file():
            raise InputError(f"plugins: {path} does not exist. Give the path of a Python file that registers a metric.")
        spec = importlib.util.spec_from_file_location(f"tebench_plugin_{path.stem}", path)
        if spec is None or spec.loader is None:
            raise InputError(f"plugins: {path} is no Python file; its name must end in .py.")
        module = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = module
        before = set(_METRICS)
        try:
            spec.loader.exec_module(module)
        except InputError:
            raise
        except Exception as error:
            raise InputError(f"plugins: {path} does not run: {error!r}.") from error
        if set(_METRICS) == before:
            raise InputError(f"plugins: {path} registers no metric. Decorate a function with @tebench.metric(...).")
        _LOADED_FILES[path] = module.__name__
        log.info("plugin %s adds %s", path, ", ".join(sorted(set(_METRICS) - before)))


def plugins_loaded() -> bool:
    """Whether a file of the user's was executed in this process."""
    return bool(_LOADED_FILES)


def get(name: str) -> Metric:
    """The metric of that name, or an error with the nearest match."""
    known = load()
    if name not in known:
        raise unknown_name("metric", name, known)
    return known[name]
