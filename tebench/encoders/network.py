"""The encoder as a torch module: frozen unless a trainable copy is asked for."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from tebench.base.errors import InputError
from tebench.encoders.base import EncoderFacts, InputSpec, Stage


class Encoder(nn.Module):
    """A network that gives one feature map per named encoder stage, shallow to deep.

    Frozen: evaluation mode, no gradient, and `train()` does not change that. Fine-tuning works on the
    copy that `trainable()` returns. A subclass writes `maps`; one whose package ships a segmentation
    head also offers `head(x)` -> (B, S, X, Y, Z) probabilities (absent otherwise: ask with hasattr).

    minimum_patch: the smallest window along an axis that the network can read; spec.divisor unless
    the subclass needs more.
    """

    minimum_patch = 1

    def __init__(self, facts: EncoderFacts, spec: InputSpec, stages: tuple[Stage, ...]):
        super().__init__()
        self.name = facts.name
        self.facts = facts
        self.spec = spec
        self.stages = tuple(stages)
        self.learns = False

    def prepare(self, x: Tensor) -> Tensor:
        """Normalised voxels (as `spec` says) -> the values that the network was trained on."""
        return x

    def maps(self, x: Tensor) -> list[Tensor]:
        """Prepared patch (B, C, X, Y, Z) -> one (B, channels, X/stride, ...) map per stage."""
        raise NotImplementedError

    def forward(self, x: Tensor) -> list[Tensor]:
        """(B, C, X, Y, Z) float32 patch, normalised as `spec` says -> one map per stage, shallow to deep."""
        self.check(x)
        with torch.set_grad_enabled(self.learns and torch.is_grad_enabled()):
            return self.maps(self.prepare(x))

    def check(self, x: Tensor) -> None:
        least = max(self.spec.divisor, self.minimum_patch)
        fits = x.ndim == 5 and x.shape[1] == self.spec.channels
        if not fits or any(size < least or size % self.spec.divisor for size in x.shape[2:]):
            raise InputError(
                f"encoder {self.name!r} reads patches (B, {self.spec.channels}, X, Y, Z) with X, Y, Z multiples of "
                f"{self.spec.divisor} and at least {least}, got {tuple(x.shape)}. Pad the patch."
            )

    def freeze(self) -> Encoder:
        self.learns = False
        self.requires_grad_(False)
        return self.train(False)

    def train(self, mode: bool = True) -> Encoder:
        return super().train(mode and self.learns)

    def without_head(self) -> Encoder:
        """An independent copy that holds the encoder stages only."""
        return copy.deepcopy(self)

    def trainable(self) -> Encoder:
        """An independent copy in training mode with gradients and without any source head."""
        other = self.without_head()
        other.learns = True
        other.requires_grad_(True)
        return other.train()


def same_weights(target: Encoder, source: Encoder) -> Encoder:
    """Fill `target`, a part of `source`, with the weights of the same names; frozen."""
    weights = source.state_dict()
    target.load_state_dict({key: weights[key] for key in target.state_dict()}, strict=True)
    return target.to(next(source.parameters()).device).freeze()
