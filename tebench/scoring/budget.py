"""How much of the data fits into a time budget, from what a pilot of two cases took on this machine."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from tebench.base import storage
from tebench.base.errors import InputError
from tebench.features.sampling import Recipe
from tebench.scoring.jackknife import MOST_GROUPS

SHARES = (1.0, 0.5, 0.25, 0.125)
ENOUGH_CASES = 8  # below it, fewer voxels are preferred to fewer cases [choice]
SAFETY = 0.85
PILOT = 2


@dataclass(frozen=True)
class Cost:
    """Seconds of wall time: to start, and a case each for extraction, per-case metrics, and one pass of the others."""

    start: float
    extraction: float
    per_case: float
    whole: float

    def seconds(self, n_cases: int, share: float) -> float:
        """Estimated seconds for all encoders and draws on n cases with a share of the voxels."""
        scoring = self.per_case * n_cases + self.whole * passes(n_cases)
        return self.start + self.extraction * n_cases + share * scoring


def passes(n_cases: int) -> int:
    """How many cases a metric without per-case values reads in all: all once, then without each group.

    >>> passes(1), passes(2), passes(20)
    (1, 4, 200)
    """
    return n_cases * min(n_cases, MOST_GROUPS)


def check(minutes) -> None:
    if minutes is not None and (isinstance(minutes, bool) or not isinstance(minutes, int | float) or not minutes > 0):
        raise InputError(f"minutes must be a number above 0, got {minutes!r}.")


def fit(cost: Cost, n_cases: int, seconds: float) -> tuple[int, float]:
    """(cases, share of voxels) that fit into `seconds`; the pilot's cases with all voxels when nothing more does.

    All cases with all voxels if they fit; else the largest share of voxels with which at least ENOUGH_CASES cases
    (or all) fit; else the most cases at the smallest share.
    """
    best = (min(PILOT, n_cases), 1.0)
    for share in SHARES:
        fitting = [n for n in range(1, n_cases + 1) if cost.seconds(n, share) <= SAFETY * seconds]
        n = max(fitting, default=0)
        if n >= min(n_cases, ENOUGH_CASES):
            return n, share
        if n > best[0]:
            best = (n, share)
    return best


def reduced(recipe: Recipe, share: float) -> Recipe:
    """The recipe with this share of the voxels and anchors, at least one of each that it has."""
    sizes = {name: getattr(recipe, name) for name in ("foreground", "background", "global_voxels", "anchors")}
    less: dict[str, Any] = {name: max(1, round(share * size)) if size else 0 for name, size in sizes.items()}
    return replace(recipe, **less)


def in_order(cases) -> list[str]:
    """Cases in the order in which a budget takes them: by a hash of their names, so that more only adds."""
    return sorted(cases, key=lambda name: storage.sha256_bytes(name.encode()))
