"""The branches that run off the CPU, taken on the CPU: exact as well."""

import importlib

import pytest
import torch
from graph_families import distances, family, naive_prim

from tebench.graphs import emst, emst_with_labels, knn, small_trees, tree_of_matrix

MODULES = ("checks", "operands", "neighbour_rows", "neighbour_sweep", "prim", "seed", "small", "sweep")


@pytest.fixture(autouse=True)
def elsewhere(monkeypatch):
    for name in MODULES:
        monkeypatch.setattr(importlib.import_module(f"tebench.graphs.{name}"), "on_cpu", lambda device: False)


def test_neighbours_by_sweep_off_the_cpu(monkeypatch):
    neighbours, sweep = (
        importlib.import_module(f"tebench.graphs.{name}") for name in ("neighbours", "neighbour_sweep")
    )
    monkeypatch.setattr(neighbours, "SWEPT", 300)
    monkeypatch.setattr(neighbours, "_SHARE", 8)
    monkeypatch.setattr(sweep, "_SAMPLE", 4)
    points = torch.from_numpy(family("clustered", 400, 7))
    weights = torch.from_numpy(distances(points.numpy())).fill_diagonal_(torch.inf)
    expected = weights.sort(dim=1, stable=True)
    indices, lengths = knn(points, 9)
    assert torch.equal(indices, expected.indices[:, :9])
    torch.testing.assert_close(lengths, expected.values[:, :9], rtol=1e-12, atol=0)


@pytest.mark.parametrize("name", ["gaussian", "clustered", "duplicates", "background"])
def test_every_graph_off_the_cpu(name):
    points = torch.from_numpy(family(name, 600, 7)).double()
    weights = torch.cdist(points, points, compute_mode="donot_use_mm_for_euclid_dist")
    expected = torch.from_numpy(naive_prim(weights[:300, :300].numpy()))
    torch.testing.assert_close(tree_of_matrix(weights[:300, :300])[1], expected)
    torch.testing.assert_close(emst(points[:300])[1], expected, rtol=1e-12, atol=0)
    torch.testing.assert_close(emst_with_labels(points[:300], torch.zeros(300, dtype=int), 1.0)[1], expected)
    patches = points[:40].view(2, 20, 7)
    found = small_trees(patches, torch.ones(2, 20, dtype=torch.bool).index_fill_(1, torch.tensor([3]), False))[1]
    kept = [row for row in range(20) if row != 3]
    for patch, lengths in zip(patches, found, strict=True):
        own = distances(patch[kept].numpy())
        torch.testing.assert_close(lengths[:18], torch.from_numpy(naive_prim(own)), rtol=1e-11, atol=0)
    nearest = weights.fill_diagonal_(torch.inf).sort(1).values[:, :9]
    torch.testing.assert_close(knn(points, 9)[1], nearest, rtol=1e-12, atol=0)
