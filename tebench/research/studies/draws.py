"""Disjoint draws of any smaller size out of one large sample, so that one extraction serves all sizes and draws."""

from __future__ import annotations

from dataclasses import asdict, replace

import numpy as np

from tebench.base.errors import InputError
from tebench.features.sample import FeatureSet, Role, Sample
from tebench.features.sampling import ARRAYS, Recipe, allot, assemble

_STRATA = (Role.FOREGROUND, Role.BACKGROUND, Role.ANCHOR)


def scaled(recipe: Recipe, size: float) -> Recipe:
    """The recipe with `size` times as many foreground and background voxels and anchors, without the global stratum.

    >>> scaled(Recipe(), 0.5).background
    1280
    """
    names = ("foreground", "background", "anchors")
    return replace(recipe, global_voxels=0, **{name: round(getattr(recipe, name) * size) for name in names})


class Draws:
    """A large sample cut into `n` disjoint parts, stratum by stratum; a draw of any size begins its part.

    So draws share no voxel and are as good as independent ones, and the sizes of one draw are nested: its curve
    over sizes does not jump for want of luck. The order inside a stratum comes from `seed` alone, never from
    features, so every encoder has the same draws. Patches stay whole.
    """

    def __init__(self, sample: Sample, n: int, *, seed: int):
        if n < 2:
            raise InputError(f"draws must be at least 2 (a spread needs two), got {n}.")
        self.sample, self.n = sample, n
        rng = np.random.default_rng([seed, 29])
        self._parts: dict[tuple, list[np.ndarray]] = {}
        for role in _STRATA:
            rows = sample.rows(role)
            for case, label in sorted(set(zip(sample.case[rows].tolist(), sample.labels[rows].tolist(), strict=True))):
                mine = rows[(sample.case[rows] == case) & (sample.labels[rows] == label)]
                self._parts[role, case, label] = np.array_split(rng.permutation(mine), n)
        # Rows of every patch, its anchor's row as the key.
        order = np.argsort(sample.patch, kind="stable")
        ids, starts = np.unique(sample.patch[order], return_index=True)
        self._patch = dict(zip(ids.tolist(), np.split(order, starts[1:]), strict=True))

    def rows(self, draw: int, recipe: Recipe) -> np.ndarray:
        """Rows of the large sample, in order, that draw number `draw` of this recipe holds."""
        chosen = []
        for case in range(len(self.sample.case_ids)):
            for role, total in zip(_STRATA, (recipe.foreground, recipe.background, recipe.anchors), strict=True):
                parts = {key[2]: part[draw] for key, part in self._parts.items() if key[:2] == (role, case)}
                if not parts or not total:
                    continue
                shares = allot(total, np.array([len(part) for part in parts.values()]), recipe.balance)
                for part, share in zip(parts.values(), shares, strict=True):
                    taken = part[:share]
                    if role is Role.ANCHOR:
                        taken = np.concatenate([[], *(self._patch[int(p)] for p in self.sample.patch[taken])])
                    chosen.append(taken.astype(np.int64))
        return np.sort(np.concatenate(chosen))

    def features(self, features: FeatureSet, draw: int, recipe: Recipe, stages=None) -> FeatureSet:
        """The feature set of one draw; stages: only these, by default all."""
        rows = self.rows(draw, recipe)
        arrays = {name: getattr(self.sample, name)[rows] for name in ARRAYS}
        facts = {**asdict(recipe), "draw": draw, "out_of": self.sample.hash}
        sample = assemble(self.sample.task, self.sample.classes, self.sample.case_ids, arrays, facts)
        matrices = {name: matrix[rows] for name, matrix in features.stages.items() if not stages or name in stages}
        return FeatureSet(features.encoder, sample, matrices, features.facts, f"{features.hash}/{sample.hash}")
