"""tebench: transferability estimation for 3D medical image segmentation.

The public API, stable: `metric` (register one), `metrics` (names and facts), `score` (one pooled
feature matrix), `load_features` (a feature-cache folder). Importing has no effect and is fast.
"""

from __future__ import annotations

from pathlib import Path

from tebench.base.version import __version__
from tebench.metrics.registry import metric

__all__ = ["__version__", "load_features", "metric", "metrics", "score"]


_CHECKOUT = Path(__file__).resolve().parent.parent
if not (_CHECKOUT / "tebench" / "conf").exists() and (_CHECKOUT / "pyproject.toml").exists():
    # In a source checkout `conf` and `baselines` lie at top level; the installed package holds them inside.
    __path__.append(str(_CHECKOUT))


def metrics() -> dict:
    """Every registered metric, by name, with its facts.

    >>> import tebench
    >>> tebench.metrics()["hscore"].direction
    'up'
    """
    from tebench.metrics.registry import load

    return load()


def score(name: str, features, labels, *, cases=None, patches=None, probabilities=None, **parameters) -> float:
    """Score one pooled feature matrix with one metric.

    name: a metric of `tebench.metrics()` that reads features (not a static or pool-level one).
    features: (N, D) array of finite floats, one row a voxel.   labels: (N,) integers or booleans.
    cases: (N,) case of each row, for metrics that compare cases (`ccfv`, `knn`, `linear_probe`).
    patches: (P, V) row indices, anchor first, padded with -1, for `lbtc`.
    probabilities: (N, S) source-head probabilities, for `leep`, `nce`.
    parameters: the metric's own, as in `tebench.metrics()[name].parameters`.

    Returns a finite float; `tebench.metrics()[name].direction` says whether higher or lower is better.
    Raises InputError for bad input, NotApplicable where the metric has no value.

    >>> import numpy, tebench
    >>> rng = numpy.random.default_rng(0)
    >>> labels = numpy.repeat([0, 1], 100)
    >>> features = rng.standard_normal((200, 8)) + 3 * labels[:, None]
    >>> round(tebench.score("hscore", features, labels), 2)
    0.95
    """
    from tebench.metrics.evaluate_one import score_arrays

    return score_arrays(
        name, features, labels, cases=cases, patches=patches, probabilities=probabilities, parameters=parameters
    )


def load_features(folder):
    """Read one feature-cache folder (verified, memory-mapped) as a `FeatureSet`.

    `.stages` maps a stage name to (N, D) float32; `.sample` holds labels, cases, roles and
    coordinates of the same N rows. Raises CacheError when the folder is damaged or foreign.
    """
    from tebench.features.cache import read

    return read(folder)
