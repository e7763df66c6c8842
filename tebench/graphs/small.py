"""Many small minimum spanning trees as one batched tensor operation (patches of voxels, for LBTC)."""

from __future__ import annotations

import torch

from tebench.graphs.checks import as_tensor, give_back, true_places
from tebench.graphs.operands import full_precision
from tebench.graphs.prim import as_mask, batch_in_order, batched_trees

_GRAPHS = 1 << 20  # weights of one batch of trees: enough to outweigh the cost of starting each operation
_VALUES = 1 << 18  # coordinates prepared at a time: they stay in the cache
_UNUSED = 1e300  # for pairs that are in no tree: finite, and not to be counted as close
_CLOSE = 1e-4  # squared distances below this part of the patch's size come from differences


def small_trees(points, mask=None):
    """Exact Euclidean minimum spanning trees of many small point sets.

    points: (P, V, D) real, finite; mask: (P, V) boolean, True where a point exists (all by default; masked
    rows have no influence but must be finite).
    Returns (edges (P, V-1, 2) int64, lengths (P, V-1) float64). The edges (i, j), i < j, of a tree come first,
    sorted by length, i, j; a patch of v < V points has v - 1 edges and then rows of edge (-1, -1), length 0.
    A patch without any point has only such rows. numpy in, numpy out; torch in, torch out.
    Lengths are good to 1e-11 relative, equal points exactly 0.

    >>> import numpy
    >>> edges, lengths = small_trees(numpy.array([[[0.0], [5.0], [1.0]]]))
    >>> edges.tolist(), lengths.tolist()
    ([[[0, 2], [1, 2]]], [[1.0, 4.0]])
    """
    tensor = as_tensor(points, "points", ndim=3, shape="(P, V, D)")
    mask = as_mask(mask, tensor.shape[:2], tensor.device)
    patches, count, width = tensor.shape
    wide = 1 if tensor.device.type == "cpu" else 64
    batch, inner = (max(1, wide * size // (count * other)) for size, other in ((_GRAPHS, count), (_VALUES, width)))
    inner = min(inner, batch, patches)
    # A few buffers throughout: fresh memory of this size costs more than the arithmetic.
    shapes = (min(batch, patches), count, count), (inner, count, width), (inner, count, count)
    graphs, *work = (torch.empty(shape, dtype=torch.float64, device=tensor.device) for shape in shapes)
    results = []
    with full_precision():
        for start in range(0, patches, batch):
            stop = min(start + batch, patches)
            for low in range(start, stop, inner):
                part = slice(low, min(low + inner, stop))
                out = graphs[low - start : part.stop - start]
                _squared_distances(tensor[part], None if mask is None else mask[part], out, *work)
            edges, lengths = batched_trees(graphs[: stop - start], None if mask is None else mask[start:stop])
            results.append(batch_in_order(edges, lengths.sqrt_()))
    return give_back(points, *(torch.cat(part) for part in zip(*results, strict=True)))


def _squared_distances(points: torch.Tensor, mask: torch.Tensor | None, out: torch.Tensor, centred, sums) -> None:
    """Fills out (P, V, V): by one product about the patch's centre, and by differences where that would cancel."""
    patches, count, width = points.shape
    if mask is not None:  # absent points all lie on the first present one
        first = mask.to(torch.int8).argmax(1)[:, None, None].expand(-1, 1, width)
        points = torch.where(mask[..., None], points, points.gather(1, first))
    x, sums = centred[:patches].copy_(points), sums[:patches]
    x -= x.mean(1, keepdim=True)
    torch.bmm(x, x.transpose(1, 2), out=out)
    norms = out.diagonal(dim1=1, dim2=2).clone()
    torch.add(norms[:, :, None], norms[:, None, :], out=sums)
    torch.add(sums, out, alpha=-2, out=out)
    out.diagonal(dim1=1, dim2=2).fill_(_UNUSED)
    if mask is not None:
        out.masked_fill_(~(mask[:, :, None] & mask[:, None, :]), _UNUSED)
    # The product errs by about 1e-15 (|x|^2 + |y|^2): below this part of it, that is too much.
    places = true_places(out < sums.mul_(_CLOSE))
    flat, rows = out.view(-1), points.reshape(patches * count, width)
    for part in places.split(1024):
        row = torch.div(part, count, rounding_mode="floor")
        other = torch.div(row, count, rounding_mode="floor") * count + part % count
        gap = rows.index_select(0, row).double().sub_(rows.index_select(0, other))
        flat[part] = torch.linalg.vecdot(gap, gap)
