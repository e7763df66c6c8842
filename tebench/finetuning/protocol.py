"""A fine-tuning protocol: every number that determines a run, named, versioned, validated."""

from __future__ import annotations

import hashlib
import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

from tebench.base.errors import InputError, unknown_name
from tebench.base.storage import hash_json
from tebench.metrics.parameters import Interval, complete, keyword_parameters

# Raised whenever the training or evaluation code changes what a run computes: old results are then made again.
TRAINING_VERSION = 2

Count = Annotated[int, Interval(1)]
Share = Annotated[float, Interval(0.0, 1.0)]
Amount = Annotated[float, Interval(0.0)]


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """How an encoder is fine-tuned and tested. Rows of different protocols never mix.

    name: id of the protocol, with its version (`starter-v1`); enters every row.
    frozen: train the light decoder only, the encoder stays as it came.
    steps, batch, patch: optimiser steps, patches a step, edge of the cubic patch in voxels.
    cycle: so many different batches, taken in turn; a frozen encoder then reads each once. 0: every step its own.
    encoder_lr, decoder_lr: peak learning rates of AdamW; warmup: share of the steps that rise linearly,
    then half a cosine down to zero.   weight_decay, clip: AdamW's decay, largest gradient norm.
    width, decoder_stride, decoder_deepest: channels, finest and deepest stride of the light decoder.
    output_stride: voxels per logit along each axis. At 2 the loss compares each logit with its 8 voxels, and test
    logits are interpolated to full resolution: a quarter of the cost goes away with many classes.
    image_lateral: the input image is one more lateral of the decoder's finest level.
    class_weight_cap: cross-entropy weights are sqrt(inverse voxel frequency), relative to the most
    frequent class, at most this.
    foreground: share of the patches that are centred on a voxel of a random foreground class.
    ema: decay of the weight average that is tested.
    flip: mirror along the first axis (left-right in RAS+) half of the time.
    rotation (degrees), zoom, gamma, gain, bias, noise: half-widths of the augmentation; intensities
    are relative to the case's 0.5th..99.5th percentile range, gamma, gain and bias are in logarithm.
    overlap: of the sliding windows at test time.
    floor: a run whose value is below, or that has a class below `collapse`, is at the floor: not to be ranked.
    evaluate_from: the weight average is also tested after so many steps and after each doubling before the last; what
    is trained does not change. 0: at the end only.
    """

    name: str = "custom"
    frozen: bool = False
    steps: Count = 200
    batch: Count = 2
    cycle: Annotated[int, Interval(0)] = 0
    patch: Annotated[int, Interval(8)] = 64
    encoder_lr: Amount = 2e-3
    decoder_lr: Amount = 1e-2
    warmup: Share = 0.1
    weight_decay: Amount = 1e-2
    clip: Annotated[float, Interval(1e-6)] = 1.0
    width: Count = 16
    decoder_stride: Count = 2
    decoder_deepest: Count = 32
    output_stride: Count = 1
    image_lateral: bool = True
    class_weight_cap: Annotated[float, Interval(1.0)] = 20.0
    foreground: Share = 0.67
    ema: Annotated[float, Interval(0.0, 0.9999)] = 0.98
    flip: bool = True
    rotation: Annotated[float, Interval(0.0, 180.0)] = 6.0
    zoom: Annotated[float, Interval(0.0, 0.9)] = 0.05
    gamma: Amount = 0.15
    gain: Amount = 0.1
    bias: Amount = 0.1
    noise: Amount = 0.03
    overlap: Annotated[float, Interval(0.0, 0.9)] = 0.25
    floor: Share = 0.05
    collapse: Share = 0.01
    evaluate_from: Annotated[int, Interval(0)] = 0

    def __post_init__(self):
        checked = complete(keyword_parameters(Protocol), asdict(self), f"protocol {self.name!r}")
        for name, value in checked.items():
            object.__setattr__(self, name, value)
        if not re.fullmatch(r"[a-z0-9][a-z0-9._-]*", self.name):
            raise InputError(f"protocol: name must be lower case letters, digits, '.', '_' or '-', got {self.name!r}.")
        low, high = self.decoder_stride, self.decoder_deepest
        if low & (low - 1) or high & (high - 1) or low > high:
            raise InputError(
                f"protocol {self.name!r}: decoder_stride and decoder_deepest must be powers of two, the first not "
                f"above the second, got {low} and {high}."
            )
        if self.output_stride & (self.output_stride - 1) or self.output_stride > low:
            raise InputError(
                f"protocol {self.name!r}: output_stride must be a power of two not above decoder_stride {low}, "
                f"got {self.output_stride}."
            )
        if self.patch % high or self.patch == high:
            raise InputError(
                f"protocol {self.name!r}: patch {self.patch} must be a multiple of decoder_deepest {high}, at least "
                "twice of it (instance normalisation needs more than one cell)."
            )

    @classmethod
    def load(cls, source) -> Protocol:
        """A protocol from a mapping, a YAML file, or the name of one in `conf/protocol/`."""
        if isinstance(source, Protocol):
            return source
        if isinstance(source, str | Path):
            source = _read_yaml(source)
        try:
            given = {str(name): value for name, value in dict(source).items()}
        except (TypeError, ValueError) as error:
            raise InputError(f"protocol must be a mapping, a YAML file or a name, got {source!r}.") from error
        owner = f"protocol {given.get('name', 'custom')!r}"
        return cls(**complete(keyword_parameters(Protocol), given, owner))

    @property
    def hash(self) -> str:
        """Of every value and of the training code's version."""
        values = asdict(self)
        if not self.evaluate_from:  # came after the first protocols: their hashes stand
            del values["evaluate_from"]
        return hash_json({"protocol": values, "training": TRAINING_VERSION})

    @property
    def evaluations(self) -> list[int]:
        """Numbers of steps after which the average is tested before the run is over."""
        found, step = [], self.evaluate_from
        while 0 < step < self.steps:
            found.append(step)
            step *= 2
        return found

    def entropy(self, task: str, seed: int, *words) -> int:
        """Seed of one random stream.

        A function of protocol, task, seed and the stream's name, never of the encoder: all encoders of a seed
        share decoder initialisation, patches and augmentation (common random numbers), so a seed is a block.
        """
        text = "\x1f".join(map(str, (self.name, task, seed, *words)))
        return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1

    def generator(self, task: str, seed: int, *words):
        """`numpy.random.Generator` of that stream."""
        import numpy as np

        return np.random.default_rng(self.entropy(task, seed, *words))


def folder() -> Path:
    """Where the protocols that come with tebench lie."""
    import tebench.conf

    return Path(tebench.conf.__file__).parent / "protocol"


def _read_yaml(source) -> dict:
    from omegaconf import OmegaConf

    path = Path(source)
    if path.suffix not in (".yaml", ".yml"):
        path = folder() / f"{source}.yaml"
        if not path.is_file():
            raise unknown_name("protocol", str(source), [file.stem for file in folder().glob("*.yaml")])
    if not path.is_file():
        raise InputError(f"protocol file {path} does not exist.")
    try:
        content = OmegaConf.to_container(OmegaConf.load(path), resolve=True)
    except Exception as error:
        raise InputError(f"protocol file {path} is not readable YAML: {error}") from error
    if not isinstance(content, dict):
        raise InputError(f"protocol file {path} must hold a mapping, got {type(content).__name__}.")
    return content
