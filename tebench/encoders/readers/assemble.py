"""The last step of every reader: weights against the network, words, and the function that builds it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, replace

import torch

from tebench.base import storage
from tebench.encoders.base import EncoderFacts, InputSpec, Stage
from tebench.encoders.files.opened import Content
from tebench.encoders.initialisation import without_global_draws
from tebench.encoders.reading import Reading, n_parameters
from tebench.encoders.weights import compare, fill


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
        return fill(make(facts, spec), weights, content.path, spell).freeze()

    identity = f"{version} {storage.hash_json(shape if isinstance(shape, dict | list) else asdict(shape))[:16]}"
    return Reading(facts, spec, stages, identity, tuple(dict.fromkeys(notes)), tuple(axes), build)
