"""A network from the weight file that `job=pretrain` wrote: encoder alone, or encoder under its source head."""

from __future__ import annotations

import importlib

from tebench.base.errors import AssetError
from tebench.encoders.base import EncoderFacts
from tebench.encoders.initialisation import without_global_draws
from tebench.encoders.network import Encoder
from tebench.encoders.source_head import Headed, SourceHead


@without_global_draws
def load(data: bytes, facts: EncoderFacts, shape, classes: tuple[str, ...] = ()) -> Encoder:
    """The frozen network from the bytes of a safetensors file; every key must match.

    shape: the catalogue's `Shape`.   classes: of the source head, background first; () for an encoder without one.
    """
    import safetensors.torch

    network = importlib.import_module(shape.module).empty(facts, shape.spec, shape.stages)
    if classes:
        network = Headed(network, SourceHead(shape.stages, len(classes)), classes)
    weights = {name: tensor.float() for name, tensor in safetensors.torch.load(data).items()}
    try:
        network.load_state_dict(weights, strict=True)
    except RuntimeError as error:
        raise AssetError(f"encoder {facts.name!r}: its weight file does not fit {shape.version} ({error}).") from error
    return network.freeze()
