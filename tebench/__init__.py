"""tebench: transferability estimation for 3D medical image segmentation.

The public API, stable: `metric` (register one), `Interval` (bounds of its parameters), `list_metrics` (names and
facts), `score` (one pooled feature matrix), `load_features` (a feature-cache folder). Importing has no effect and is
fast.
"""

from __future__ import annotations

from pathlib import Path

from tebench.base.version import __version__
from tebench.metrics.parameters import Interval
from tebench.metrics.registry import metric

__all__ = ["Interval", "__version__", "list_metrics", "load_features", "metric", "metrics", "score"]


_CHECKOUT = Path(__file__).resolve().parent.parent
if not (_CHECKOUT / "tebench" / "conf").exists() and (_CHECKOUT / "pyproject.toml").exists():
    # In a source checkout `conf` and `baselines` lie at top level; the installed package holds them inside.
    __path__.append(str(_CHECKOUT))


def list_metrics() -> dict:
    """Every registered metric, by name, with its facts.

    Returns
    -------
    dict of str to Metric
        Name -> facts: title, paper, direction, range, what it reads, parameters.

    Examples
    --------
    >>> import tebench
    >>> tebench.list_metrics()["hscore"].direction
    'up'
    """
    from tebench.metrics.registry import load

    return load()


def metrics() -> dict:
    """The old name of `list_metrics`, until version 0.3.

    Returns
    -------
    dict of str to Metric
        As of `list_metrics`.
    """
    import warnings

    warnings.warn("tebench.metrics() is tebench.list_metrics() now.", DeprecationWarning, stacklevel=2)
    return list_metrics()


def score(
    name: str, features, labels, *, cases=None, patches=None, roles=None, probabilities=None, **parameters
) -> float:
    """Score one pooled feature matrix with one metric.

    Parameters
    ----------
    name : str
        A metric of `tebench.list_metrics()` that reads features (not a static or pool-level one).
    features : array_like, shape (N, D)
        Finite real numbers, one row a voxel.
    labels : array_like, shape (N,)
        Integers or booleans, at least two classes.
    cases : array_like, shape (N,), optional
        Case of each row, for metrics that compare cases (`ccfv`, `knn`, `linear_probe`).
    patches : array_like, shape (P, V), optional
        Row numbers, anchor first, padded with -1, for `lbtc`.
    roles : array_like, shape (N,), optional
        "foreground", "background", "global", "anchor" or "member", for `boundary_flow`.
    probabilities : array_like, shape (N, S), optional
        Source-head probabilities, for `leep`, `nce`.
    **parameters
        The metric's own, as in `tebench.list_metrics()[name].parameters`.

    Returns
    -------
    float
        A finite number inside the metric's declared range; `tebench.list_metrics()[name].direction` tells whether
        higher ("up") or lower ("down") is better.

    Raises
    ------
    InputError
        For an unknown name or parameter, or arrays that are not as described.
    NotApplicable
        Where the metric has no value on this input.

    Examples
    --------
    >>> import numpy, tebench
    >>> rng = numpy.random.default_rng(0)
    >>> labels = numpy.repeat([0, 1], 100)
    >>> features = rng.standard_normal((200, 8)) + 3 * labels[:, None]
    >>> round(tebench.score("hscore", features, labels), 2)
    0.95
    """
    from tebench.metrics.evaluate_one import score_arrays

    return score_arrays(
        name,
        features,
        labels,
        cases=cases,
        patches=patches,
        roles=roles,
        probabilities=probabilities,
        parameters=parameters,
    )


def load_features(folder):
    """Read one feature-cache folder, verified and memory-mapped.

    Parameters
    ----------
    folder : path-like
        A folder that `job=extract` wrote.

    Returns
    -------
    FeatureSet
        `.stages` maps a stage name to (N, D) float32; `.sample` holds labels, cases, roles and coordinates of the same
        N rows.

    Raises
    ------
    CacheError
        Where the folder is damaged, or was written as another.
    """
    from tebench.features.cache import read

    return read(folder)
