"""Weights of a file against a network's: compared by name and shape, then filled in strictly.

Weights come as descriptions (`files.stored.Stored`) and are read one at a time when a network is filled.
"""

from __future__ import annotations

import difflib
from pathlib import Path

import torch
from torch import Tensor, nn

from tebench.base.errors import InputError
from tebench.encoders.files.stored import FLOATS, Stored

SHOWN = 3  # of each kind of difference in a message
# Buffers that a network computes itself, or does not read in evaluation: files of other versions lack or keep them.
DERIVED = ("num_batches_tracked", "relative_position_index", "relative_coords_table", "attn_mask")
LONGEST, MOST_NEAR = 150, 60  # letters of names, and names, that are compared: similarity takes long
_LEAF = 2**22  # values that are checked at a time


def is_derived(name: str) -> bool:
    return name.rsplit(".", 1)[-1] in DERIVED


def fill(network: nn.Module, weights: dict, path: Path, spell=lambda key: key) -> nn.Module:
    """Load strictly; values must be finite. spell: a key of the network -> as the file spells it, for the messages."""
    own = network.state_dict()
    there = {spell(key): key for key in own}
    compare({name: own[key] for name, key in there.items()}, weights, path)
    state = {}
    for name, key in there.items():
        if is_derived(name):
            state[key] = own[key]
        else:
            state[key] = tensor(weights[name], name, path).to(own[key].dtype)
    network.load_state_dict(state, strict=True)
    return network


def tensor(weight: Stored | Tensor, name: str, path: Path) -> Tensor:
    """One weight's values, all finite."""
    try:
        values = weight if isinstance(weight, Tensor) else weight.load()
    except InputError as error:
        raise InputError(f"checkpoint {path}: weight {name!r} {error}.") from error
    flat = values.reshape(-1)
    if not all(torch.isfinite(flat[begin : begin + _LEAF]).all() for begin in range(0, len(flat), _LEAF)):
        raise InputError(
            f"checkpoint {path}: weight {name!r} holds NaN or infinite values; its training failed, or the file is "
            "damaged."
        )
    return values


def check_finite(weights: dict, path: Path) -> None:
    """Refuse weights that are no floats, or hold NaN or infinite values; reads every value."""
    for name, weight in weights.items():
        if not is_derived(name):
            tensor(weight, name, path)


def compare(there: dict[str, Tensor], weights: dict, path: Path) -> None:
    """Refuse weights whose names, shapes or types are not those of `there`, naming each with its three nearest."""
    there = {name: value for name, value in there.items() if not is_derived(name)}
    missing = [name for name in there if name not in weights]
    unexpected = [name for name in weights if name not in there and not is_derived(name)]
    wrong = [
        (name, f"has shape {tuple(weights[name].shape)}, expected {tuple(value.shape)}")
        for name, value in there.items()
        if name in weights and tuple(weights[name].shape) != tuple(value.shape)
    ]
    wrong += [
        (name, f"is stored as {weights[name].dtype}; weights are read as {', '.join(FLOATS)}")
        for name in there
        if isinstance(weights.get(name), Stored) and weights[name].dtype not in FLOATS
    ]
    lines = []
    for kind, names, known in (("missing", missing, weights), ("unexpected", unexpected, there)):
        lines += [f"{kind} {name!r}{_nearest(name, known)}" for name in names[:SHOWN]]
        lines += [f"and {len(names) - SHOWN} more {kind}"] if len(names) > SHOWN else []
    lines += [f"{name!r} {words}" for name, words in wrong[:SHOWN]]
    if len(wrong) > SHOWN:
        lines.append(f"and {len(wrong) - SHOWN} more of another shape or type")
    if lines:
        count = len(missing) + len(unexpected) + len(wrong)
        raise InputError(
            f"checkpoint {path} does not fit the architecture that it names; {count} weights differ:\n  "
            + "\n  ".join(lines)
        )


def _nearest(name: str, known) -> str:
    near = nearest(name, known)
    return f" (nearest: {', '.join(near)})" if near else ""


def nearest(name: str, known, count: int = 3) -> list[str]:
    """The `count` most similar names; those that share the longest tail are looked at, for speed."""
    known = [key for key in known if len(key) <= LONGEST]
    if len(known) > MOST_NEAR:
        tail = name.split(".")[::-1]
        shared = {key: _shared(tail, key.split(".")[::-1]) for key in known}
        known = sorted(known, key=lambda key: -shared[key])[:MOST_NEAR]
    return difflib.get_close_matches(name[:LONGEST], known, n=count, cutoff=0.0)


def _shared(one: list[str], other: list[str]) -> int:
    for index, (a, b) in enumerate(zip(one, other, strict=False)):
        if a != b:
            return index
    return min(len(one), len(other))
