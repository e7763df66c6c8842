"""What is alike among the encoders of a pool: shapes, and families inside shapes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from tebench.base.errors import InputError


@dataclass(frozen=True)
class Design:
    """Shape and family of K encoders, families nested in shapes.

    shape, family: (K,) whole numbers.   place: (K,) place inside the family, 0 for its whole pre-training; families of
    one size exchange encoders of one place.
    """

    encoders: tuple[str, ...]
    shape: np.ndarray
    family: np.ndarray
    place: np.ndarray
    shapes: tuple[str, ...]
    families: tuple[str, ...]

    @classmethod
    def of(cls, encoders: Iterable[str], known: Mapping[str, tuple[str, str, float | None]]) -> Design:
        """known: encoder -> (shape, family, dose or None), as `tebench.encoders.catalogue.design` gives it.

        Inside a family encoders are placed by falling dose, then by name.
        """
        encoders = tuple(encoders)
        if unknown := [name for name in encoders if name not in known]:
            raise InputError(
                f"design: no shape and family for {', '.join(unknown)}. Give (shape, family, dose) of every encoder."
            )
        shapes = tuple(sorted({known[name][0] for name in encoders}))
        families = tuple(sorted({known[name][1] for name in encoders}))
        for group in families:
            inside = sorted({known[name][0] for name in encoders if known[name][1] == group})
            if len(inside) > 1:
                raise InputError(
                    f"design: family {group!r} has encoders of shapes {', '.join(inside)}. A family belongs to one "
                    "shape: give each shape's part a name of its own."
                )
        family = np.array([families.index(known[name][1]) for name in encoders])
        place = np.zeros(len(encoders), int)
        for number in range(len(families)):
            rows = np.flatnonzero(family == number)
            order = sorted(rows, key=lambda k: (-(known[encoders[k]][2] or 0.0), encoders[k]))
            place[order] = np.arange(len(order))
        shape = np.array([shapes.index(known[name][0]) for name in encoders])
        return cls(encoders, shape, family, place, shapes, families)

    def __len__(self) -> int:
        return len(self.encoders)

    def rows_of_shape(self) -> list[np.ndarray]:
        """Row numbers of each shape, in the order of `shapes`."""
        return [np.flatnonzero(self.shape == number) for number in range(len(self.shapes))]

    def rows_of_family(self) -> list[np.ndarray]:
        """Row numbers of each family in the order of `families`, by place."""
        found = []
        for number in range(len(self.families)):
            rows = np.flatnonzero(self.family == number)
            found.append(rows[np.argsort(self.place[rows])])
        return found

    def subset(self, rows: np.ndarray) -> Design:
        """The design of some encoders, by row numbers or a mask."""
        rows = np.arange(len(self))[rows]
        known = {
            self.encoders[k]: (self.shapes[self.shape[k]], self.families[self.family[k]], -float(self.place[k]))
            for k in rows
        }
        return Design.of([self.encoders[k] for k in rows], known)

    def text(self) -> str:
        """One sentence: how many encoders, shapes and families."""
        sizes = np.bincount(self.shape)
        each = ", ".join(f"{name} {size}" for name, size in zip(self.shapes, sizes, strict=True))
        return f"{len(self)} encoders of {len(self.shapes)} shapes ({each}) in {len(self.families)} families"
