"""Public implementations from the package index, on the arrays of `metrics.py`; run by that script.

    python peers.py ARRAYS.npz LIMIT        prints one JSON line a measurement

Needs: numpy scikit-learn torch transformer-ranker transferability-metric torchmetrics POT numba geomloss ripser
quitefastmst. tebench is not imported. A package that is missing is reported as such.
"""

import importlib
import json
import sys
import types
import warnings
from importlib.metadata import version

import numpy as np
from forked import measure

PEERS = {}


def peer(metric, package, what, power=1, same=False, rows=None):
    """Register `function(X, y, cases)`.

    power: seconds grow with N to it.   same: its value should be the metric's.   rows: so many only, for any size.
    """

    def register(function):
        PEERS[function.__name__] = {
            "metric": metric, "package": package, "what": what, "power": power, "same": same, "rows": rows,
            "function": function,
        }  # fmt: skip
        return function

    return register


def ranker(module):
    """A module of transformer-ranker without its package's import of language-model libraries."""
    if "transformer_ranker" not in sys.modules:
        package = types.ModuleType("transformer_ranker")
        spec = importlib.util.find_spec("transformer_ranker")
        package.__path__ = list(spec.submodule_search_locations)
        sys.modules["transformer_ranker"] = package
    return importlib.import_module(f"transformer_ranker.estimators.{module}")


def from_folder(module, X, y):
    """A module of transferability-metric; its reader of a folder, which the wheel leaves out, hands over the arrays."""
    reader = types.ModuleType("util.read_data")
    reader.read_data = lambda root: (X, y)
    sys.modules.setdefault("util", types.ModuleType("util"))
    sys.modules["util.read_data"] = reader
    loaded = importlib.import_module(f"tool.metric.{module}")
    loaded.read_data = reader.read_data
    return loaded


def tensors(X, y):
    import torch

    torch.set_num_threads(1)
    return torch.from_numpy(X), torch.from_numpy(y)


@peer("logme", "transformer-ranker", "SVD, 11 steps of the fixed point", same=True)
def logme_ranker(X, y, cases):
    return ranker("logme").LogME().fit(*tensors(X, y))


@peer("logme", "transferability-metric", "eigenvectors of X'X, weights of all rows in each step", same=True)
def logme_folder(X, y, cases):
    return from_folder("logme", X, y).log_maximum_evidence("")


@peer("hscore", "transferability-metric", "two covariances, pseudo-inverse", same=True)
def hscore_folder(X, y, cases):
    import contextlib
    import io

    with contextlib.redirect_stdout(io.StringIO()):
        return from_folder("hscore", X.astype(np.float64), y).h_score("")


@peer("hscore_regularized", "transformer-ranker", "float64 products, pseudo-inverse", same=True)
def hscore_ranker(X, y, cases):
    return ranker("hscore").HScore().fit(*tensors(X, y))


@peer("hscore_regularized", "scikit-learn", "LedoitWolf alone, without the score")
def ledoit_wolf(X, y, cases):
    from sklearn.covariance import LedoitWolf

    LedoitWolf().fit(X.astype(np.float64))


@peer("etran_lda", "scikit-learn", "LinearDiscriminantAnalysis (eigen, shrinkage 1e-10), mean posterior")
def lda(X, y, cases):
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

    model = LinearDiscriminantAnalysis(solver="eigen", shrinkage=1e-10).fit(X.astype(np.float64), y)
    return model.predict_proba(X.astype(np.float64))[np.arange(len(y)), y].mean()


@peer("knn", "transformer-ranker", "k = 3, float32, accuracy without cases", power=2)
def knn_ranker(X, y, cases):
    return ranker("nearestneighbors").NearestNeighbors(k=3).fit(*tensors(X, y))


@peer("knn", "scikit-learn", "KNeighborsClassifier brute force, each case from the others", power=2)
def knn_sklearn(X, y, cases):
    from sklearn.neighbors import KNeighborsClassifier

    for case in np.unique(cases):
        own = cases == case
        KNeighborsClassifier(3, algorithm="brute").fit(X[~own], y[~own]).predict(X[own])


@peer("linear_probe", "scikit-learn", "RidgeClassifier refitted for every case")
def ridge(X, y, cases):
    from sklearn.linear_model import RidgeClassifier

    for case in np.unique(cases):
        own = cases == case
        RidgeClassifier(solver="cholesky").fit(X[~own], y[~own]).predict(X[own])


@peer("nleep", "scikit-learn", "PCA to 80 %, GaussianMixture of 5 C diagonal components, without the score")
def mixture(X, y, cases):
    from sklearn.decomposition import PCA
    from sklearn.mixture import GaussianMixture

    rows = PCA(0.8).fit_transform(X.astype(np.float64))
    k = 5 * len(np.unique(y))
    GaussianMixture(k, covariance_type="diag", init_params="k-means++", random_state=0).fit(rows).predict_proba(rows)


@peer("pactran", "scikit-learn", "LogisticRegression (L-BFGS, its own stop), without the bound")
def logistic(X, y, cases):
    from sklearn.linear_model import LogisticRegression

    LogisticRegression(C=1.0, max_iter=200).fit(X.astype(np.float64) - X.mean(0), y)


@peer("ccfv", "POT", "Bures-Wasserstein distances of all pairs of cases, without the variety")
def bures(X, y, cases):
    from itertools import combinations

    from ot.gaussian import bures_wasserstein_distance

    for c in np.unique(y)[1:]:
        parts = [X[(y == c) & (cases == case)].astype(np.float64) for case in np.unique(cases)]
        each = [(part.mean(0), np.cov(part.T)) for part in parts]
        for (m1, s1), (m2, s2) in combinations(each, 2):
            bures_wasserstein_distance(m1, m2, s1, s2)


@peer("henze_penrose", "quitefastmst", "the minimum spanning tree alone", power=2)
def tree(X, y, cases):
    import quitefastmst

    quitefastmst.mst_euclid(X.astype(np.float64))


@peer("rtd", "ripser", "H1 of the 2n x 2n matrix both ways", same=True, rows=100)
def barcode(X, y, cases):
    from ripser import ripser

    views = [np.linalg.norm(v[:, None] - v, axis=2) for v in (X.astype(np.float64), np.eye(y.max() + 1)[y])]
    one, two = (d / np.quantile(d, 0.9) for d in views)
    total = 0.0
    for w, other in ((one, two), (two, one)):
        n = len(w)
        plus = np.where(np.triu(np.ones((n, n), dtype=bool)), w, np.inf)
        matrix = np.block([[np.zeros((n, n)), plus.T], [plus, np.minimum(w, other)]])
        np.fill_diagonal(matrix, 0)
        bars = ripser(matrix, maxdim=1, distance_matrix=True)["dgms"][1]
        total += (bars[:, 1] - bars[:, 0]).sum() / 2
    return total


def main():
    warnings.simplefilter("ignore")
    arrays, limit = np.load(sys.argv[1]), float(sys.argv[2])
    sizes = sorted({int(key.split("-")[1]) for key in arrays.files})
    data = {n: tuple(arrays[f"{what}-{n}"] for what in ("features", "labels", "cases")) for n in sizes}
    rng, small = np.random.default_rng(0), data[sizes[0]]
    few = rng.choice(len(small[1]), min(1500, len(small[1])), replace=False)
    for name, entry in PEERS.items():
        row = {key: entry[key] for key in ("metric", "package", "what", "same", "power")} | {"peer": name}
        cut = slice(entry["rows"])
        try:
            row["version"] = version(entry["package"])
            warm = [array[few][cut] for array in small]
            entry["function"](*warm)  # imports and compiles
        except Exception as error:
            print(json.dumps({**row, "n": sizes[0], "stopped": f"{type(error).__name__}: {error}"[:200]}), flush=True)
            continue
        first = None
        for n in sizes[:1] if entry["rows"] else sizes:
            predicted = first and first * (n / sizes[0]) ** entry["power"]
            if predicted and predicted > limit:
                seen = {"not_run": predicted}
            else:
                given = [array[cut] for array in data[n]]
                run = entry["function"]
                seen = measure(lambda: run(*given), warm=lambda: run(*warm), limit=3 * limit)  # noqa: B023
            first = first or seen.get("seconds")
            print(json.dumps({**row, "n": entry["rows"] or n, **seen}), flush=True)


if __name__ == "__main__":
    main()
