"""A frozen encoder with its random decoder, read window by window."""

from __future__ import annotations

import contextlib
import time

import numpy as np

from tebench.encoders.base import Stage
from tebench.errors import InputError


class FrozenNetwork:
    """Encoder, random decoder and, where there is one, source head; no gradient, evaluation mode.

    stages: encoder stages shallow to deep, then decoder stages deep to fine. An encoder of a single
    resolution carries no decoder of nnU-Net shape and has encoder stages only.
    """

    def __init__(self, encoder, decoder_seed: int, device: str):
        import torch

        self.encoder = encoder.eval().to(device)
        self.name = encoder.facts.name
        self.device = device
        self.decoder, decoder_stages = None, ()
        if len({stage.stride for stage in encoder.stages}) > 1:
            from tebench.encoders.decoder import RandomDecoder

            self.decoder = RandomDecoder(encoder.stages, decoder_seed).eval().to(device)
            decoder_stages = tuple(self.decoder.stages)
        self.stages: tuple[Stage, ...] = (*encoder.stages, *decoder_stages)
        self.has_head = callable(getattr(encoder, "head", None))
        self.forward_seconds = 0.0
        self._torch = torch

    def __call__(self, windows: np.ndarray) -> tuple[list, object]:
        """(B, C, x, y, z) float32 windows -> one map a stage, and source probabilities or None."""
        torch = self._torch
        begin = time.perf_counter()
        with torch.inference_mode(), self._exact():
            x = torch.from_numpy(windows).to(self.device)
            maps = list(self.encoder(x))
            if len(maps) != len(self.encoder.stages):
                raise InputError(
                    f"encoder {self.name!r} gave {len(maps)} maps for its {len(self.encoder.stages)} stages."
                )
            probabilities = None
            if self.has_head:
                # An encoder that can go on from its own maps saves a second pass.
                again = getattr(self.encoder, "head_from_maps", None)
                probabilities = again(maps, x) if callable(again) else self.encoder.head(x)
            if self.decoder is not None:
                maps += list(self.decoder(maps))
            if torch.device(self.device).type == "cuda":
                torch.cuda.synchronize()
        self.forward_seconds += time.perf_counter() - begin
        for stage, found in zip(self.stages, maps, strict=True):
            if found.ndim != 5 or found.shape[1] != stage.channels:
                raise InputError(
                    f"encoder {self.name!r}, stage {stage.name}: expected a (B, {stage.channels}, x, y, z) map, "
                    f"got {tuple(found.shape)}."
                )
        return maps, probabilities

    def _exact(self):
        """On a GPU: full float32 and repeatable algorithms, without touching the user's global settings."""
        torch = self._torch
        if torch.device(self.device).type != "cuda":
            return contextlib.nullcontext()
        return torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False)
