"""A tiny task and tiny encoders, importable by spawned worker processes."""

import numpy as np
import torch
from torch import nn

from tebench.base.errors import unknown_name
from tebench.encoders.base import EncoderFacts, InputSpec, Stage
from tebench.encoders.network import Encoder
from tebench.finetuning.cell import Sources
from tebench.finetuning.protocol import Protocol
from tebench.tasks.base import Case, Task

QUICK = {
    "name": "quick-v0",
    "steps": 40,
    "patch": 16,
    "decoder_deepest": 8,
    "width": 8,
    "encoder_lr": 0.01,
    "decoder_lr": 0.02,
    "ema": 0.8,
    "class_weight_cap": 20.0,
}


def quick(**changes) -> Protocol:
    return Protocol(**{**QUICK, **changes})


def blobs(case_id: str) -> Case:
    """A bright cube (1) and a dark cube (2) in a grey box; the volume `half` has no dark cube."""
    rng = np.random.default_rng(sum(map(ord, case_id)))
    image = np.zeros((20, 22, 20), dtype=np.float32)
    labels = np.zeros(image.shape, dtype=np.int16)
    image[1:-1, 1:-1, 1:-1] = 100
    for label, value in ((1, 180.0), (2, 30.0)):
        if case_id == "half" and label == 2:
            continue
        x, y, z = rng.integers(2, 8, 3) + np.array([0, 7 if label == 2 else 0, 0])
        labels[x : x + 6, y : y + 6, z : z + 6] = label
        image[x : x + 6, y : y + 6, z : z + 6] = value
    image += np.where(image > 0, rng.normal(0, 4, image.shape), 0).astype(np.float32)
    return Case(case_id, image[None].astype(np.float32), labels, (2.0, 2.0, 2.0), "virtual")


def load_task(name: str) -> Task:
    if name not in ("blobs", "broken"):
        raise unknown_name("task", name, ["blobs", "broken"])
    loader = blobs if name == "blobs" else _broken
    return Task(
        name, "Cubes", ("background", "bright", "dark"), ("a", "b", "c"), ("t", "half"), {"source": "made up"},
        f"print-of-{name}", loader,
    )  # fmt: skip


def _broken(case_id: str):
    raise RuntimeError("this case cannot be loaded")


class Tiny(Encoder):
    """Two stages; `kind` changes their channels and strides."""

    def __init__(self, name: str, channels: tuple[int, int], first: int, seed: int):
        facts = EncoderFacts(name, name, "tiny", "none (random initialisation)", "none", "none", "made up", 0)
        stages = (Stage("encoder.0", "encoder", channels[0], first), Stage("encoder.1", "encoder", channels[1], 4))
        super().__init__(facts, InputSpec(normalisation="zscore", patch=(16, 16, 16), divisor=4), stages)
        self.one = nn.Conv3d(1, channels[0], first + 1 if first > 1 else 3, stride=first, padding=1)
        self.two = nn.Conv3d(channels[0], channels[1], 3, stride=4 // first, padding=1)
        draw = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            for tensor in self.parameters():
                tensor.normal_(0.0, 0.3, generator=draw)
        self.freeze()

    def maps(self, x):
        one = torch.relu(self.one(x))
        return [one, torch.relu(self.two(one))]


_SHAPES = {"tiny": ((4, 8), 2, 0), "other": ((6, 8), 1, 1)}


def build_encoder(name: str) -> Tiny:
    if name not in _SHAPES:
        raise unknown_name("encoder", name, _SHAPES)
    channels, first, seed = _SHAPES[name]
    return Tiny(name, channels, first, seed)


def encoder_fingerprint(name: str) -> str:
    if name not in _SHAPES:
        raise unknown_name("encoder", name, _SHAPES)
    return f"print-of-{name}"


SOURCES = Sources(load_task, build_encoder, encoder_fingerprint)
