"""The last step of every reader: weights against the network, words, and the function that builds it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, replace

import torch

from tebench.base import storage
from tebench.base.errors import InputError
from tebench.encoders.base import EncoderFacts, InputSpec, Stage
from tebench.encoders.bounded import FREE, TIMES
from tebench.encoders.files.opened import Content
from tebench.encoders.files.stored import Stored
from tebench.encoders.initialisation import without_global_draws
from tebench.encoders.reading import Reading, n_parameters
from tebench.encoders.weights import compare, fill, is_derived


def assemble(
    content: Content,
    *,
    name: str,
    architecture: str,
    words: dict[str, str],
    spec: InputSpec,
    make: Callable,
    weights: dict,
    version: str,
    shape,
    notes: list[str],
    axes: tuple[int, int, int],
    spell: Callable = lambda key: key,
) -> Reading:
    """make: (facts, spec) -> the network.   version: of its code.   shape: all that makes it another network.

    weights are compared by name, shape and type now; their values are read, and must be finite, in `build`.
    """
    facts = EncoderFacts(name=name, architecture=architecture, source=str(content.path), n_parameters=0, **words)
    with torch.device("meta"):
        shell = make(facts, spec)
    facts = replace(facts, n_parameters=n_parameters(shell))
    compare({spell(key): value for key, value in shell.state_dict().items()}, weights, content.path)
    stages: tuple[Stage, ...] = shell.stages

    @without_global_draws
    def build():
        content.verify()
        _check_extent(content, weights)
        return fill(make(facts, spec), weights, content.path, spell).freeze()

    identity = f"{version} {storage.hash_json(shape if isinstance(shape, dict | list) else asdict(shape))[:16]}"
    return Reading(facts, spec, stages, identity, tuple(dict.fromkeys(notes)), tuple(axes), build)


def _check_extent(content: Content, weights: dict) -> None:
    """Refuse weights that are not in the file, before memory is taken for a network of their size."""
    most = FREE + TIMES * content.n_bytes
    if sum(4 * weight.numel() for weight in weights.values()) > most:
        raise InputError(
            f"checkpoint {content.path}: its weights make a network of more than {most // 2**20} MB, out of proportion "
            "to the file."
        )
    for name, weight in weights.items():
        if isinstance(weight, Stored) and not is_derived(name):
            try:
                weight.load()
            except InputError as error:
                raise InputError(f"checkpoint {content.path}: weight {name!r} {error}.") from error
