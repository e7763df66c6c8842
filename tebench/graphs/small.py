"""Many small minimum spanning trees as one batched tensor operation (patches of voxels, for LBTC)."""

from __future__ import annotations

import torch

from tebench.errors import InputError
from tebench.graphs.checks import as_tensor, give_back
from tebench.graphs.prim import as_mask, batched_trees

_CHUNK = 1 << 23  # elements of one batch of weight or difference arrays: 64 MiB of float64


def small_trees(points, mask=None):
    """Exact Euclidean minimum spanning trees of many small point sets.

    points: (P, V, D) real, finite; mask: (P, V) boolean, True where a point exists (all by default; masked
    points are never read but must be finite).
    Returns (edges (P, V-1, 2) int64, lengths (P, V-1) float64). The edges (i, j), i < j, of a tree come first,
    sorted by length, i, j; a patch of v < V points has v - 1 edges and then rows of edge (-1, -1), length 0.
    A patch without any point has only such rows. numpy in, numpy out; torch in, torch out.

    >>> import numpy
    >>> edges, lengths = small_trees(numpy.array([[[0.0], [5.0], [1.0]]]))
    >>> edges.tolist(), lengths.tolist()
    ([[[0, 2], [1, 2]]], [[1.0, 4.0]])
    """
    tensor = as_tensor(points, "points", ndim=3, shape="(P, V, D)")
    mask = as_mask(mask, tensor.shape[:2], tensor.device)
    patches, count, width = tensor.shape
    chunk = max(1, _CHUNK // (count * max(count, width)))
    results = [
        _trees(tensor[start : start + chunk], None if mask is None else mask[start : start + chunk])
        for start in range(0, patches, chunk)
    ]
    return give_back(points, *(torch.cat(part) for part in zip(*results, strict=True)))


def _trees(points: torch.Tensor, mask: torch.Tensor | None) -> tuple[torch.Tensor, torch.Tensor]:
    points = points.double()
    return batched_trees(torch.cdist(points, points, compute_mode="donot_use_mm_for_euclid_dist"), mask)
