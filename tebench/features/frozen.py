"""A frozen encoder with its random decoder, read window by window."""

from __future__ import annotations

import contextlib
import time

import numpy as np

from tebench.base.errors import InputError
from tebench.encoders.base import Stage

# Values of the stages' maps that windows computed together may hold, 4 bytes each, and how many windows at most.
MAP_VALUES = {"cpu": 2**26, "cuda": 2**28}
MOST_TOGETHER = {"cpu": 4, "cuda": 16}


class FrozenNetwork:
    """Encoder, random decoder and, where there is one, source head; no gradient, evaluation mode.

    stages: encoder stages shallow to deep, then decoder stages deep to fine. An encoder of a single
    resolution carries no decoder of nnU-Net shape and has encoder stages only.
    """

    def __init__(self, encoder, decoder_seed: int, device: str):
        import torch

        self.kind = torch.device(device).type
        # oneDNN's own layout on a CPU: 16 % off a plain U-Net, 8 % on to a net of instance norms.
        layout = {"memory_format": torch.channels_last_3d} if self.kind == "cpu" else {}
        self.encoder = encoder.eval().to(device, **layout)
        self.name = encoder.facts.name
        self.device = device
        self.decoder, decoder_stages = None, ()
        if len({stage.stride for stage in encoder.stages}) > 1:
            from tebench.encoders.decoder import RandomDecoder

            self.decoder = RandomDecoder(encoder.stages, decoder_seed).eval().to(device, **layout)
            decoder_stages = tuple(self.decoder.stages)
        self.stages: tuple[Stage, ...] = (*encoder.stages, *decoder_stages)
        self.has_head = callable(getattr(encoder, "head", None))
        self.forward_seconds = 0.0
        self._torch = torch

    def windows_together(self, patch: tuple[int, int, int]) -> int:
        """How many windows to compute at once: by the stages and the patch alone, so a rerun gives the same bytes.

        Two windows of a small network take less time than one: with one thread, torch gives a convolution
        to oneDNN only above 20,480 values of batch x channels x two axes, and its other path is slow.
        A large network would only need more memory.
        """
        kind = self.kind if self.kind in MAP_VALUES else "cuda"
        per_window = np.prod(patch) * sum(stage.channels / np.prod(stage.steps) for stage in self.stages)
        return int(np.clip(MAP_VALUES[kind] // per_window, 1, MOST_TOGETHER[kind]))

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
            if self.kind == "cuda":
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
        if self.kind != "cuda":
            return contextlib.nullcontext()
        torch = self._torch
        return torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False)
