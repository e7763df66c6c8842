"""A pre-training recipe: every number that determines one pre-training, named, validated."""

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
    """One method with its numbers. options: those of the method alone (see `tebench.pretraining.methods`).

    method: the module that computes it, by default that of the recipe's name.   source: label map that a supervised
    method learns (`tebench.tasks.source_only`), "" for a self-supervised one.
    """

    name: str
    title: str
    paper: str
    training: Training
    options: dict = field(default_factory=dict)
    method: str = ""
    source: str = ""

    def __post_init__(self):
        object.__setattr__(self, "method", self.method or self.name)

    @classmethod
    def load(cls, name: str) -> Recipe:
        """The recipe `conf/pretraining/NAME.yaml`, or one source, STEM_SOURCE, of a file that lists `sources`."""
        found = _given().get(name)
        if found is None:
            raise unknown_name("pre-training recipe", name, names())
        return cls.make(**found)

    @classmethod
    def make(
        cls, *, name: str, title: str, paper: str, options: dict | None = None, method: str = "", source: str = "",
        **numbers,
    ) -> Recipe:  # fmt: skip
        """From plain values; an unknown or wrong number is an error that names it."""
        from tebench.pretraining.methods import SUPERVISED, method_class

        owner = f"pre-training recipe {name!r}"
        training = Training(**complete(keyword_parameters(Training), numbers, owner))
        if training.crop % 16:
            raise InputError(f"{owner}: crop must be a multiple of 16, got {training.crop}.")
        if not set(training.mirror) <= set("xyz"):
            raise InputError(f"{owner}: mirror must be letters of xyz, got {training.mirror!r}.")
        if bool(source) != ((method or name) in SUPERVISED):
            raise InputError(f"{owner}: a source is given with the methods {', '.join(SUPERVISED)} and no others.")
        known = keyword_parameters(method_class(method or name).__init__)
        return cls(name, title, paper, training, complete(known, options or {}, owner), method, source)

    def steps(self, dose: str) -> int:
        """Optimiser steps of a dose."""
        if dose not in DOSES:
            raise unknown_name("dose", dose, DOSES)
        return self.training.steps if dose == "full" else max(1, self.training.steps // SHORT)

    @property
    def hash(self) -> str:
        """Of every number and of the pre-training code's version; words do not count."""
        numbers = {"training": asdict(self.training), "options": self.options}
        named = {"method": self.name, **numbers, "version": PRETRAINING_VERSION}
        if self.source:  # named only where they say something: older hashes stand
            named |= {"module": self.method, "source": self.source}
        return hash_json(named)


def folder() -> Path:
    """Where the recipes lie."""
    import tebench.conf

    return Path(tebench.conf.__file__).parent / "pretraining"


def names() -> list[str]:
    """Every recipe, sorted."""
    return sorted(_given())


def _given() -> dict[str, dict]:
    """Recipe name -> what its file says, the files' lists of sources written out."""
    from omegaconf import OmegaConf

    found = {}
    for path in sorted(folder().glob("*.yaml")):
        given = OmegaConf.to_container(OmegaConf.load(path), resolve=True)
        for source in given.pop("sources", [None]):
            one = {}
            if source is not None:
                title = given["title"].replace("SOURCE", source)
                one = {"name": f"{path.stem}_{source}", "source": source, "title": title}
            found[one.get("name", path.stem)] = {**given, **one}
    return found
