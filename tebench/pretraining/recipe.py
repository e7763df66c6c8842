"""A pre-training recipe: every number that determines one self-supervised method, named, validated."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path

from tebench.base.errors import InputError, unknown_name
from tebench.base.storage import hash_json
from tebench.metrics.parameters import complete, keyword_parameters
from tebench.pretraining.training import Training

# Raised whenever the code changes what a run computes: weights are then made again.
PRETRAINING_VERSION = 1
SHORT = 6  # the short dose has a sixth of the steps
DOSES = ("full", "short")


@dataclass(frozen=True)
class Recipe:
    """One method with its numbers. options: those of the method alone (see `tebench.pretraining.methods`)."""

    name: str
    title: str
    paper: str
    training: Training
    options: dict = field(default_factory=dict)

    @classmethod
    def load(cls, name: str) -> Recipe:
        """The recipe `conf/pretraining/NAME.yaml`."""
        from omegaconf import OmegaConf

        path = folder() / f"{name}.yaml"
        if not path.is_file():
            raise unknown_name("pre-training method", name, names())
        given = OmegaConf.to_container(OmegaConf.load(path), resolve=True)
        return cls.make(**given)

    @classmethod
    def make(cls, *, name: str, title: str, paper: str, options: dict | None = None, **numbers) -> Recipe:
        """From plain values; an unknown or wrong number is an error that names it."""
        from tebench.pretraining.methods import method_class

        owner = f"pre-training method {name!r}"
        training = Training(**complete(keyword_parameters(Training), numbers, owner))
        if training.crop % 16:
            raise InputError(f"{owner}: crop must be a multiple of 16, got {training.crop}.")
        if not set(training.mirror) <= set("xyz"):
            raise InputError(f"{owner}: mirror must be letters of xyz, got {training.mirror!r}.")
        known = keyword_parameters(method_class(name).__init__)
        return cls(name, title, paper, training, complete(known, options or {}, owner))

    def steps(self, dose: str) -> int:
        """Optimiser steps of a dose."""
        if dose not in DOSES:
            raise unknown_name("dose", dose, DOSES)
        return self.training.steps if dose == "full" else max(1, self.training.steps // SHORT)

    @property
    def hash(self) -> str:
        """Of every number and of the pre-training code's version; words do not count."""
        numbers = {"training": asdict(self.training), "options": self.options}
        return hash_json({"method": self.name, **numbers, "version": PRETRAINING_VERSION})


def folder() -> Path:
    """Where the recipes lie."""
    import tebench.conf

    return Path(tebench.conf.__file__).parent / "pretraining"


def names() -> list[str]:
    """Every recipe, sorted."""
    return sorted(file.stem for file in folder().glob("*.yaml"))
