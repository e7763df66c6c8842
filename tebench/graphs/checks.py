"""The public edge of the graphs: arrays are checked once, and results leave in the caller's kind of array."""

from __future__ import annotations

import warnings

import numpy as np
import torch

from tebench.base.errors import InputError


def as_tensor(values, name: str, *, ndim: int, shape: str, finite: bool = True) -> torch.Tensor:
    """`values` as a floating tensor without copying where possible; InputError unless finite, real, `ndim`-dimensional.

    Integers and booleans become float64. shape: the expected shape in words, for the message. finite: check it here.
    """
    if isinstance(values, torch.Tensor):
        tensor = values.detach()
    else:
        array = np.asarray(values)
        if array.dtype.kind not in "fiub":
            raise InputError(f"{name} must be an array of real numbers, {shape}; got dtype {array.dtype}.")
        if array.dtype.kind in "iu" or array.dtype.itemsize > 8:
            array = array.astype(np.float64)
        if not array.dtype.isnative:
            array = array.astype(array.dtype.newbyteorder("="))
        if any(stride < 0 for stride in array.strides):
            array = np.ascontiguousarray(array)
        with warnings.catch_warnings():
            # Memory-mapped features are read-only; nothing here writes into its input.
            warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
            tensor = torch.from_numpy(array)
    if tensor.ndim != ndim:
        raise InputError(f"{name} must have shape {shape}; got {tuple(tensor.shape)}.")
    if tensor.is_complex():
        raise InputError(f"{name} must be real, {shape}; got dtype {tensor.dtype}.")
    if not tensor.is_floating_point():
        tensor = tensor.double()
    if 0 in tensor.shape:
        raise InputError(f"{name} must have shape {shape} with no empty axis; got {tuple(tensor.shape)}.")
    # Minimum and maximum show every NaN and infinity without an N x D array of flags.
    if finite and not all(bool(torch.isfinite(end)) for end in tensor.aminmax()):
        raise InputError(f"{name} must be finite; it holds NaN or infinity. Remove or mask those rows first.")
    return tensor


def give_back(like, *results: torch.Tensor) -> tuple:
    """`results` as tensors when `like` was one, else as numpy arrays."""
    if isinstance(like, torch.Tensor):
        return results
    return tuple(result.cpu().numpy() for result in results)


def on_cpu(device: torch.device) -> bool:
    """Whether numpy can share a tensor's memory; elsewhere the same is done by torch alone, in larger pieces."""
    return device.type == "cpu"


def true_places(mask: torch.Tensor) -> torch.Tensor:
    """Flat indices of the true elements, ascending."""
    if on_cpu(mask.device):  # numpy scans flags about five times faster
        return torch.from_numpy(np.flatnonzero(mask.numpy()))
    return mask.reshape(-1).nonzero().squeeze(1)


def less(values: torch.Tensor, bounds: torch.Tensor, out: torch.Tensor) -> None:
    """Fills out with values < bounds."""
    if on_cpu(values.device):  # numpy is several times faster
        np.less(values.numpy(), bounds.numpy(), out=out.numpy())
    else:
        torch.lt(values, bounds, out=out)


def least_places(values: torch.Tensor) -> torch.Tensor:
    """Place of the least value of each row."""
    if on_cpu(values.device):  # numpy is several times faster
        return torch.from_numpy(values.numpy().argmin(1))
    return values.argmin(1)


def least_first(values: torch.Tensor, how: str) -> torch.Tensor:
    """Each row sorted ("sort"), or the places that sort it ("argsort"); equal values in any order."""
    if on_cpu(values.device):  # numpy is several times faster
        return torch.from_numpy(getattr(np, how)(values.numpy(), 1))
    values, places = values.sort(1)
    return values if how == "sort" else places


def in_order(edges: torch.Tensor, lengths: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Edges as (i, j) with i < j, sorted by length, then i, then j: one order whatever the algorithm did."""
    low, high = (function(edges[:, 0], edges[:, 1]) for function in (torch.minimum, torch.maximum))
    order = torch.argsort(high, stable=True)
    order = order[torch.argsort(low[order], stable=True)]
    order = order[torch.argsort(lengths[order], stable=True)]
    return torch.stack([low[order], high[order]], 1), lengths[order]
