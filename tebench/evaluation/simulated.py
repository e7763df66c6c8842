"""Simulated pools with shapes and families: scores whose truth is known, to see what the tests do with them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tebench.base.errors import InputError
from tebench.evaluation.design import Design

SHAPE_PARTS = ("none", "own", "right")


@dataclass(frozen=True)
class World:
    """How scores and Dice of a simulated pool come about; variances inside a shape are 1.

    shape: what a score has of shapes: "none"; "own": a random order of shapes on tasks with few classes and another
        one above, as a gate makes it; "right": the orders that Dice has.
    family: share of the variance inside a shape, of Dice and of scores, that relatives have in common.
    strength: correlation inside shapes of the first score with Dice; all others know nothing there.
    """

    shape: str = "none"
    family: float = 0.0
    strength: float = 0.0
    between: float = 1.5  # SD between shapes
    shared: float = 0.5  # share of Dice's variance inside shapes that all tasks have in common; of scores: .8

    def __post_init__(self):
        if self.shape not in SHAPE_PARTS:
            raise InputError(f"shape must be one of {', '.join(SHAPE_PARTS)}, got {self.shape!r}.")
        for name in ("family", "strength", "shared"):
            if not 0 <= getattr(self, name) <= 1:
                raise InputError(f"{name} must be in [0, 1], got {getattr(self, name)!r}.")

    def draw(
        self, design: Design, n_metrics: int, few: np.ndarray, rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray]:
        """(scores (M, T, K), dice (T, K)) of one pool; few: (T,) whether a task has few classes."""
        gates = self._gates(design, few, rng)
        inside = self._inside(design, len(few), self.shared, rng)
        scores = np.array([self._inside(design, len(few), 0.8, rng) for _ in range(n_metrics)])
        scores[0] = self.strength * inside + np.sqrt(1 - self.strength**2) * scores[0]
        for score in scores:
            if self.shape == "own":
                score += self._gates(design, few, rng)
            elif self.shape == "right":
                score += gates
        return scores, gates + inside

    def _gates(self, design, few, rng) -> np.ndarray:
        """(T, K) shape effects: one order for tasks with few classes, another for the rest."""
        orders = self.between * rng.standard_normal((2, len(design.shapes)))
        return orders[few.astype(int)][:, design.shape]

    def _inside(self, design, n_tasks, shared, rng) -> np.ndarray:
        """(T, K) effects of families and encoders, partly common to all tasks; variance 1."""

        def effect(levels):
            common, single = rng.standard_normal(levels), rng.standard_normal((n_tasks, levels))
            return np.sqrt(shared) * common + np.sqrt(1 - shared) * single

        of_family = effect(len(design.families))[:, design.family]
        return np.sqrt(self.family) * of_family + np.sqrt(1 - self.family) * effect(len(design))
