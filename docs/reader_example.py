"""A reader of files for tebench: python -m tebench job=encoders plugins=[docs/reader_example.py] encoders=[folder]"""

import torch
from torch import nn

from tebench.encoders.base import EncoderFacts, InputSpec, Stage
from tebench.encoders.network import Encoder
from tebench.encoders.plugins import reader


class Tiny(Encoder):
    """Two strided convolutions."""

    def __init__(self, name, width):
        facts = EncoderFacts(name, "Tiny", "two convolutions", "not stated", "not stated", "own", "", 0)
        stages = (Stage("encoder.0", "encoder", width, 2), Stage("encoder.1", "encoder", 2 * width, 4))
        super().__init__(facts, InputSpec(normalisation="zscore_image", patch=(32, 32, 32), divisor=4), stages)
        self.stem = nn.Conv3d(1, width, 3, 2, 1)
        self.deep = nn.Conv3d(width, 2 * width, 3, 2, 1)

    def maps(self, x):
        first = torch.relu(self.stem(x))
        return [first, torch.relu(self.deep(first))]


@reader("tiny", title="Tiny", recognise=lambda names: {"stem.weight", "deep.weight"} <= names)
def read_tiny(weights, name):
    network = Tiny(name, weights["stem.weight"].shape[0])
    network.load_state_dict(weights, strict=True)
    return network
