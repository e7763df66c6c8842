"""Candidate pools: named lists of encoders that are ranked together. Narrowing a pool recomputes, never filters."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import pandas as pd

from tebench.base.errors import InputError, unknown_name
from tebench.base.storage import hash_json


@dataclass(frozen=True)
class Pool:
    """A named candidate pool; the order of the encoders carries no meaning."""

    name: str
    encoders: tuple[str, ...]

    def __post_init__(self):
        object.__setattr__(self, "encoders", tuple(self.encoders))
        if len(set(self.encoders)) != len(self.encoders):
            raise InputError(f"pool {self.name!r} names an encoder twice: {', '.join(self.encoders)}.")
        if len(self.encoders) < 3:
            raise InputError(f"pool {self.name!r} needs at least 3 encoders, got {len(self.encoders)}.")

    @property
    def id(self) -> str:
        """Twelve hex digits of the member set: the same encoders under another name have the same id."""
        return hash_json(sorted(self.encoders))[:12]

    def __len__(self) -> int:
        return len(self.encoders)

    def without(self, encoder: str) -> Pool:
        """The pool less one encoder."""
        if encoder not in self.encoders:
            raise unknown_name(f"encoder of pool {self.name!r}", encoder, self.encoders)
        return Pool(f"{self.name} without {encoder}", tuple(e for e in self.encoders if e != encoder))


def combine(name: str, members: dict[str, Iterable[str]], chosen: Iterable[str]) -> Pool:
    """The union of the chosen named groups, sorted.

    >>> combine("both", {"a": ["x", "y"], "b": ["y", "z"]}, ["a", "b"]).encoders
    ('x', 'y', 'z')
    """
    found: set[str] = set()
    for group in chosen:
        if group not in members:
            raise unknown_name("pool", group, members)
        found.update(members[group])
    return Pool(name, tuple(sorted(found)))


def narrow(frame: pd.DataFrame, pool: Pool) -> pd.DataFrame:
    """The rows of the pool's encoders. Only for scores that do not depend on the pool, and for ground truth."""
    return frame[frame["encoder"].isin(pool.encoders)].reset_index(drop=True)


def recompute(
    scores: pd.DataFrame, pool: Pool, rescore: dict[str, Callable[[pd.DataFrame, Pool], pd.DataFrame]]
) -> pd.DataFrame:
    """Scores for a narrower pool: rows of pool-free metrics kept, those of the metrics in `rescore` made anew.

    rescore: metric -> function of (the pool's rows of all pool-free metrics, pool), giving that metric's score rows.
    The new rows carry the pool's id in the column `pool`, which `evaluate` checks; pool-free rows carry "".
    """
    kept = narrow(scores[~scores["metric"].isin(list(rescore))], pool)
    if "pool" in kept:
        if stale := sorted(set(kept.loc[~kept["pool"].isin(["", pool.id]), "metric"])):
            names = ", ".join(stale)
            raise InputError(f"scores of {names} belong to another pool; give a function that recomputes them.")
    else:
        kept = kept.assign(pool="")
    made = [rescore[name](kept, pool).assign(pool=pool.id) for name in sorted(rescore)]
    return pd.concat([kept, *made], ignore_index=True)
