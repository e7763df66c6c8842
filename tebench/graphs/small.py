"""Many small minimum spanning trees as one batched tensor operation (patches of voxels, for LBTC)."""

from __future__ import annotations

import torch

from tebench.base.errors import InputError
from tebench.graphs.checks import as_tensor, give_back, least_first, on_cpu, true_places
from tebench.graphs.operands import full_precision
from tebench.graphs.prim import batched_trees, pack

_TREES = 1 << 20  # weights of one batch of trees: enough to outweigh the cost of starting each operation
_BLOCK = 1 << 17  # weights or coordinates prepared at a time: they stay in the cache
_UNUSED = 1e300  # for pairs that are in no tree: finite, and not to be counted as close
_CLOSE = 1e-4  # squared distances below this part of the patch's largest norm come from differences


def small_trees(points, mask=None):
    """Exact Euclidean minimum spanning trees of many small point sets.

    Parameters
    ----------
    points : array_like or torch.Tensor, shape (P, V, D)
        Real, finite, float64 below 1e150.
    mask : array_like or torch.Tensor of bool, shape (P, V), optional
        True where a point exists (all by default); masked rows have no influence.

    Returns
    -------
    edges : numpy.ndarray or torch.Tensor, shape (P, V - 1, 2), int64
        The edges (i, j), i < j, of a tree come first, sorted by length, i, j. A patch of v < V points has v - 1 edges
        and then rows of edge (-1, -1), length 0; a patch without any point has only such rows.
    lengths : numpy.ndarray or torch.Tensor, shape (P, V - 1), float64
        In the points' unit, good to 1e-11 relative, equal points exactly 0. numpy in, numpy out; torch in, torch out.

    Raises
    ------
    InputError
        For points or a mask that are not as described.

    Examples
    --------
    >>> import numpy
    >>> edges, lengths = small_trees(numpy.array([[[0.0], [5.0], [1.0]]]))
    >>> edges.tolist(), lengths.tolist()
    ([[[0, 2], [1, 2]]], [[1.0, 4.0]])
    """
    tensor = as_tensor(points, "points", ndim=3, shape="(P, V, D)", finite=False)
    mask = _as_mask(mask, tensor.shape[:2], tensor.device)
    if mask is not None and bool(mask.all()):
        mask = None
    patches, count, width = tensor.shape
    wide = 1 if on_cpu(tensor.device) else 64
    sizes = (_TREES // count**2, _BLOCK // count**2, _BLOCK // (count * width))
    batch, block, step = (min(max(1, wide * size), patches) for size in sizes)
    batch = -(-patches // -(-patches // batch))  # batches of one size
    # A few buffers throughout: fresh memory of this size costs more than the arithmetic.
    shapes = (batch, count, count), (block, count, count), (step, count, width)
    keys, *work = (torch.empty(shape, dtype=torch.float64, device=tensor.device) for shape in shapes)
    results, largest = [], []
    with full_precision():
        for start in range(0, patches, batch):
            stop = min(start + batch, patches)
            for low in range(start, stop, block):
                part = slice(low, min(low + block, stop))
                present = None if mask is None else mask[part]
                largest.append(_keys(tensor[part], present, keys[low - start : part.stop - start], *work))
            present = None if mask is None else mask[start:stop]
            results.append(_in_order(*batched_trees(keys[: stop - start], present)))
    if not bool(torch.stack(largest).isfinite().all()):  # looked at here, where it costs nothing
        present = tensor if mask is None else tensor[mask]
        as_tensor(present, "points", ndim=present.ndim, shape="(P, V, D)")
        raise InputError("points must lie below 1e150, so that their squares are finite; divide them by their maximum.")
    return give_back(points, *(torch.cat(part) for part in zip(*results, strict=True)))


def _as_mask(mask, shape, device) -> torch.Tensor | None:
    """`mask` as a boolean tensor of `shape`, or None."""
    if mask is None:
        return None
    tensor = torch.as_tensor(mask, device=device)
    if tensor.dtype != torch.bool or tuple(tensor.shape) != tuple(shape):
        raise InputError(
            f"mask must be boolean of shape {tuple(shape)}, True where a point exists; "
            f"got {tensor.dtype} of shape {tuple(tensor.shape)}."
        )
    return tensor


def _keys(points: torch.Tensor, mask: torch.Tensor | None, out: torch.Tensor, sums, x) -> torch.Tensor:
    """Fills out (P, V, V) with packed squared distances; sums, x: memory to use. Returns the largest squared norm."""
    sums = sums[: len(points)]
    for attempt in (1, 2):
        # Points far from zero, as against their spread, take a second attempt: about one of themselves.
        _products(points, mask, attempt == 2, out, x)
        norms = out.diagonal(dim1=1, dim2=2).clone()
        torch.add(norms[:, :, None], norms[:, None, :], out=sums)
        torch.add(sums, out, alpha=-2, out=out)
        out.diagonal(dim1=1, dim2=2).fill_(_UNUSED)
        if mask is not None:
            out.masked_fill_(~(mask[:, :, None] & mask[:, None, :]), _UNUSED)
        # The product errs by about 1e-15 of the norms: below this part of them, that is too much.
        limit = _CLOSE * norms.amax(1)
        if not bool((out.flatten(1).amin(1) < limit).any()):
            break
        near = out < limit[:, None, None]
        equal = _equal_points(points, near)
        out.view(torch.int64).mul_(~equal)  # their bits become those of 0.0; half the time of filling by a mask
        places = true_places(near & ~equal)
        if attempt == 2 or len(places) < out.numel() // 16:
            _by_differences(points, places, out)
            break
    pack(out)
    return norms.amax()


def _products(points, mask, centred: bool, out, x) -> None:
    """Fills out (P, V, V) with inner products, about each patch's first point if `centred`; absent points are 0."""
    if not centred and mask is None and points.dtype == torch.float64:
        torch.bmm(points, points.transpose(1, 2), out=out)
        return
    for low in range(0, len(points), len(x)):
        part = slice(low, low + len(x))
        rows = x[: len(points[part])].copy_(points[part])
        if centred:
            first = 0 if mask is None else _first_true(mask[part])
            rows -= rows[torch.arange(len(rows), device=rows.device), first][:, None]
        if mask is not None:
            rows.masked_fill_(~mask[part, :, None], 0.0)
        torch.bmm(rows, rows.transpose(1, 2), out=out[part])


def _equal_points(points: torch.Tensor, near: torch.Tensor) -> torch.Tensor:
    """(P, V, V): whether two points are equal, among those that are `near`.

    Voxels of one feature cell have equal features, so this is frequent; each point is compared with the first one
    near it only.
    """
    patches, count, width = points.shape
    near.diagonal(dim1=1, dim2=2).fill_(True)
    first = _first_true(near) + torch.arange(0, patches * count, count, device=near.device)[:, None]
    itself = torch.arange(patches * count, device=near.device)
    alike = true_places(first.view(-1) != itself)
    rows, group = points.reshape(-1, width), itself
    for part in alike.split(_pieces(points)):
        model = first.view(-1).index_select(0, part)
        group.scatter_(0, part, torch.where(_equal_rows(rows, part, model), model, part))
    group = group.view(patches, count)
    return group[:, :, None] == group[:, None, :]


def _equal_rows(rows: torch.Tensor, some: torch.Tensor, others: torch.Tensor) -> torch.Tensor:
    """Whether row some[k] equals row others[k]."""
    if on_cpu(rows.device) and rows.shape[1] > 64 and rows.dtype == torch.float64:  # two thirds of the time
        array = rows.numpy()
        pair = (array.take(places.numpy(), 0, mode="clip") for places in (some, others))
        return torch.from_numpy((next(pair) == next(pair)).all(1))
    return rows.index_select(0, some).sub_(rows.index_select(0, others)).abs_().amax(1) == 0


def _pieces(points: torch.Tensor) -> int:
    """How many pairs of rows to compare at a time: they stay in the cache of a CPU."""
    return max(1, (_BLOCK // 2 if on_cpu(points.device) else 1 << 24) // points.shape[2])


def _first_true(flags: torch.Tensor) -> torch.Tensor:
    """Index of the first true element along the last axis."""
    if on_cpu(flags.device):  # numpy stops at it
        return torch.from_numpy(flags.numpy().argmax(-1))
    return flags.to(torch.int8).argmax(-1)


def _by_differences(points: torch.Tensor, places: torch.Tensor, out: torch.Tensor) -> None:
    """Writes squared lengths by differences of the given points to flat `places` of `out`."""
    count, width = points.shape[1:]
    rows = points.reshape(-1, width)
    for part in places.split(_pieces(points)):
        row = torch.div(part, count, rounding_mode="floor")
        other = row - row % count + part % count
        gap = rows.index_select(0, row).double().sub_(rows.index_select(0, other))
        out.view(-1).index_copy_(0, part, torch.linalg.vecdot(gap, gap))


def _in_order(edges: torch.Tensor, squared: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Each patch's edges as (i, j) with i < j and lengths, sorted by length, i, j; the missing ones last, length 0."""
    count = edges.shape[1] + 1
    pair = torch.minimum(edges[..., 0], edges[..., 1]) * count + torch.maximum(edges[..., 0], edges[..., 1])
    rank = least_first(squared, "argsort")
    squared, pair = squared.gather(1, rank), pair.gather(1, rank)
    tied = squared[:, 1:] == squared[:, :-1]
    if bool((tied & (squared[:, 1:] < torch.inf)).any()):
        # Ties share a level, so that sorting level and pair in one number puts them in order of their pairs.
        level = (~tied).cumsum(1) * (count * (count + 1))
        pair[:, 1:] += level
        pair = least_first(pair, "sort")
        pair[:, 1:] -= level
    missing = squared.isinf()
    low = torch.div(pair, count, rounding_mode="floor")
    edges = torch.stack([low, pair - low * count], 2).masked_fill_(missing[..., None], -1)
    return edges, squared.masked_fill_(missing, 0.0).sqrt_()
