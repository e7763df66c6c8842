"""An encoder's shape with random weights: what its architecture alone gives, whatever file the encoder came from.

A twin is called NAME@random. Convolutions are He-normal as those of the catalogue's own twins; other layers get their
default initialisation, parameters that belong to no layer (tokens, positions) N(0, 0.02^2), scales 1 and shifts 0.
"""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import TYPE_CHECKING

from tebench.base import storage
from tebench.encoders.reading import Reading

if TYPE_CHECKING:
    from tebench.encoders.network import Encoder

MARK = "@random"
VERSION = "twin/1"  # raise with every change of the weights that a seed gives
SEED = 20


def base_of(name: str) -> str | None:
    """The encoder whose twin this name is; None for any other name.

    >>> base_of("unet@random"), base_of("unet")
    ('unet', None)
    """
    return name.removesuffix(MARK) if name.endswith(MARK) and name != MARK else None


def shape_of(reading: Reading) -> str:
    """A hash that encoders of one architecture, read in one way, share: they have one twin."""
    facts = reading.facts
    plain = {"spec": asdict(reading.spec), "stages": [asdict(stage) for stage in reading.stages]}
    return storage.hash_json(
        {**plain, "architecture": facts.architecture, "n": facts.n_parameters, "axes": list(reading.axes)}
    )


def reading_of(name: str, base: Reading) -> Reading:
    """What is known of the twin of `base`."""
    facts = replace(
        base.facts, name=name, title=f"{base.facts.title}, random weights", pretraining="none (random weights)",
        training_data="none", licence="Apache-2.0", source=f"tebench, random weights, seed {SEED}", images=(),
    )  # fmt: skip
    return replace(base, facts=facts, version=f"{base.version} {VERSION}", warnings=(), build=_Build(base, facts))


def fingerprint(base: Reading) -> str:
    """Of the shape and the seed; the base's weights have no part in it."""
    return storage.hash_json({"twin": VERSION, "seed": SEED, "shape": shape_of(base), "version": base.version})


class _Build:
    """Makes the twin; an object and no closure, so that it can be sent to workers where the base can."""

    def __init__(self, base: Reading, facts):
        self.base, self.facts = base, facts

    def __call__(self) -> Encoder:
        from tebench.encoders.randomised import randomised

        network = randomised(self.base.build(), SEED)
        network.name, network.facts = self.facts.name, self.facts
        return network.freeze()
