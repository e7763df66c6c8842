"""How long extraction will take, before it begins: windows of the cases, and what one window took here."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable

import numpy as np

from tebench.features.resampling import Triple
from tebench.features.windows import starts
from tebench.runtime.threads import one_thread

WORTH = 64  # windows of an encoder below which measuring one is not worth its time [choice]


def most_windows(shapes: Iterable[Triple], patch: Triple) -> int:
    """Windows that cover volumes of these shapes; extraction leaves out those without a sampled voxel.

    >>> most_windows([(40, 40, 40), (32, 32, 32)], (32, 32, 32))
    9
    """
    return sum(math.prod(len(starts(size, length)) for size, length in zip(shape, patch, strict=True))
               for shape in shapes)  # fmt: skip


def seconds_a_window(encoder, patch: Triple, decoder_seed: int, device: str) -> float:
    """Seconds of one window of zeros on one thread, computed together with as many as extraction takes together.

    encoder: an encoder object. The first pass, which prepares kernels, is not counted.
    """
    from tebench.features.frozen import FrozenNetwork

    with one_thread():
        network = FrozenNetwork(encoder, decoder_seed, device)
        together = network.windows_together(patch)
        zeros = np.zeros((together, encoder.spec.channels, *patch), np.float32)
        network(zeros)
        begin = time.perf_counter()
        network(zeros)
        return (time.perf_counter() - begin) / together
