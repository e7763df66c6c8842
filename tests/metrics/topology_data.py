"""Inputs, naive recomputations and invariance transforms shared by the tests of the topology metrics."""

import importlib.util
import json
from functools import cache
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
REFERENCE = json.loads((HERE / "reference_topology.json").read_text())["rtd_pair"]


@cache
def reference_pair():
    """The two views of the reference case, and its labels."""
    file = HERE.parent / "baselines" / "reference_cases.py"
    spec = importlib.util.spec_from_file_location("reference_cases_for_topology", file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    case = module.make("rtd_pair")
    return case["X"], case["X2"], case["y"]


def gaussians(separation, *, n=60, d=6, classes=2, seed=0):
    """(features, labels): classes on a line, `separation` apart; the noise is the same for every separation."""
    labels = np.repeat(np.arange(classes), n)
    features = np.random.default_rng(seed).standard_normal((n * classes, d))
    features[:, 0] += separation * labels
    return features, labels


def distances(points):
    points = np.asarray(points, dtype=np.float64)
    return np.sqrt(((points[:, None] - points[None]) ** 2).sum(axis=2))


def kruskal(weights):
    """Edges of the minimum spanning tree of a dense matrix, zeros included; the plainest way there is."""
    n = len(weights)
    part = list(range(n))
    edges = []
    for _, i, j in sorted((weights[a, b], a, b) for a in range(n) for b in range(a + 1, n)):
        if part[i] != part[j]:
            edges.append((i, j))
            old, new = part[i], part[j]
            part = [new if p == old else p for p in part]
    return edges


def length(weights):
    return sum(weights[i, j] for i, j in kruskal(weights))


def transforms(d, seed=5):
    """Name -> function of features, the three declared invariances."""
    rng = np.random.default_rng(seed)
    rotation = np.linalg.qr(rng.standard_normal((d, d)))[0]
    offset = 10 * rng.standard_normal(d)
    return {
        "scale": lambda f: f * 173.0,
        "rotation": lambda f: f @ rotation,
        "shift": lambda f: f + offset,
    }
