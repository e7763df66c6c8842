"""Networks from numbers that anyone may have written: building stops before it takes more memory than it may."""

from __future__ import annotations

import math

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from tebench.base.errors import InputError

FREE = 2**28  # bytes of a network whatever its weight file holds
TIMES = 16  # of the weight file: decoders and heads may be missing there
LEAST = 2**15  # bytes that a tensor with its module counts, so that endless small layers end too
MOST_VOXELS = 2**27  # of a patch: 512^3


class Bounded(TorchDispatchMode):
    """Inside it, making new tensors of more than `most` bytes in all is an InputError, before the memory is taken."""

    def __init__(self, most: int):
        super().__init__()
        self.most, self.taken = most, 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.taken += self._asked(args)
        if self.taken > self.most:
            raise InputError(f"they make a network of more than {self.most // 2**20} MB, out of proportion to the file")
        return func(*args, **(kwargs or {}))

    @staticmethod
    def _asked(args) -> int:
        """Bytes of the tensor that an operation without tensors makes: args begin with its shape, or its length."""
        if not args or any(isinstance(value, torch.Tensor) for value in args):
            return 0
        first = args[0] if isinstance(args[0], list | tuple) else [v for v in args if isinstance(v, int | float)]
        numbers = [abs(value) for value in first if isinstance(value, int | float)]
        count = math.prod(numbers) if isinstance(args[0], list | tuple) else max(numbers, default=0)
        return max(LEAST, int(min(count, 2**60)) * 4)


def bounded(n_bytes: int) -> Bounded:
    """The bound for a network whose weight file has so many bytes."""
    return Bounded(FREE + TIMES * n_bytes)
