"""Which encoders may change places under the null: all, those of one shape, or whole families inside a shape."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import numpy as np

from tebench.base.errors import InputError
from tebench.evaluation.design import Design

DRAWS = 200_000
KINDS = ("all", "shape", "family")


@dataclass(frozen=True)
class Orders:
    """(B, K) orders of the encoders: the whole group once (exact), or draws from it. size: of the group."""

    kind: str
    orders: np.ndarray
    exact: bool
    size: int

    @property
    def text(self) -> str:
        """What was done, for a caption."""
        return f"all {self.size:,} orders" if self.exact else f"{len(self.orders):,} draws of {self.size:.1e} orders"


def orders(design: Design, kind: str, *, n_draws: int = DRAWS, seed: int = 0) -> Orders:
    """Orders of the encoders that are equally likely where a score knows nothing.

    kind: "all": any encoder changes places with any other; valid only if shapes do not matter to the score.
        "shape": encoders of one shape.
        "family": whole families of one shape and one size, encoder by encoder of the same place; relatives stay
            together, so that near-copies do not count as independent. A family without an equal stays where it is.
    The group is enumerated where it has at most `n_draws` members, else `n_draws` are drawn.
    """
    if kind not in KINDS:
        raise InputError(f"kind must be one of {', '.join(KINDS)}, got {kind!r}.")
    units = _units(design, kind)
    size = math.prod(math.factorial(len(blocks)) for blocks in units)
    if size <= n_draws:
        return Orders(kind, _enumerate(units, len(design)), True, size)
    rng = np.random.default_rng([seed, KINDS.index(kind)])
    return Orders(kind, _draw(units, len(design), n_draws, rng), False, size)


def _units(design: Design, kind: str) -> list[list[np.ndarray]]:
    """Sets of blocks that may change places, each block an array of row numbers."""
    if kind == "all":
        return [[np.array([k]) for k in range(len(design))]]
    if kind == "shape":
        return [[rows[k : k + 1] for k in range(len(rows))] for rows in design.rows_of_shape()]
    sets: dict[tuple[int, int], list[np.ndarray]] = {}
    for rows in design.rows_of_family():
        sets.setdefault((int(design.shape[rows[0]]), len(rows)), []).append(rows)
    return list(sets.values())


def _enumerate(units, k: int) -> np.ndarray:
    found = np.arange(k)[None]
    for blocks in units:
        table = np.array(blocks)  # (n, size)
        each = np.array(list(itertools.permutations(range(len(blocks)))))
        found = np.repeat(found, len(each), axis=0)
        repeats = len(found) // len(each)
        for place in range(table.shape[1]):
            found[:, table[:, place]] = np.tile(table[each, place], (repeats, 1))
    return found


def _draw(units, k: int, n_draws: int, rng: np.random.Generator) -> np.ndarray:
    found = np.broadcast_to(np.arange(k), (n_draws, k)).copy()
    for blocks in units:
        table = np.array(blocks)
        each = rng.permuted(np.broadcast_to(np.arange(len(blocks)), (n_draws, len(blocks))), axis=1)
        for place in range(table.shape[1]):
            found[:, table[:, place]] = table[each, place]
    return found
