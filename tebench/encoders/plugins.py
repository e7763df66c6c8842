"""Encoders of third parties: entry points of the group `tebench.encoders`.

    [project.entry-points."tebench.encoders"]
    mine = "my_package.encoders:mine"

`mine()` gives a `tebench.encoders.network.Encoder` with a string attribute `fingerprint` that names its
weights and code, so that its features are never mistaken for another's.
"""

from __future__ import annotations

from functools import lru_cache
from importlib.metadata import entry_points
from typing import TYPE_CHECKING

from tebench.base.errors import InputError

if TYPE_CHECKING:
    from tebench.encoders.network import Encoder

GROUP = "tebench.encoders"


def names() -> list[str]:
    return sorted({point.name for point in entry_points(group=GROUP)})


@lru_cache(maxsize=16)
def build(name: str) -> Encoder:
    """The encoder that the entry point `name` makes, checked against the contract."""
    from tebench.encoders.network import Encoder

    (point, *_) = [point for point in entry_points(group=GROUP) if point.name == name]
    where = f"encoder {name!r} (entry point {point.value})"
    try:
        made = point.load()()
    except Exception as error:  # third-party code
        raise InputError(f"{where} cannot be made: {type(error).__name__}: {error}") from error
    if not isinstance(made, Encoder):
        raise InputError(f"{where} must be a tebench.encoders.network.Encoder, got {type(made).__name__}.")
    if made.facts.name != name:
        raise InputError(f"{where}: facts.name is {made.facts.name!r}; it must be the entry point's name.")
    if not isinstance(getattr(made, "fingerprint", None), str) or not made.fingerprint:
        raise InputError(f"{where} needs a string attribute `fingerprint` that names its weights and code.")
    return made.freeze()
