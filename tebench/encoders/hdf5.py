"""The weights of a Keras file (HDF5), read without Keras; nothing of the file runs."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

import torch
from torch import Tensor

from tebench.base.errors import InputError


def tensors(file: Path | BinaryIO, label: str = "") -> dict[str, Tensor]:
    """layer/kernel (x, y, z, in, out) and layer/bias as torch names and orders them: layer.weight, layer.bias.

    file: a path, or an open binary file.   label: how messages call it, by default its path.
    """
    label = label or f"checkpoint {file}"
    import h5py
    import numpy as np

    found = {}
    try:
        with h5py.File(file, "r") as opened:
            for layer, group in opened["model_weights"].items():
                for kind, values in group.get(layer, {}).items():
                    kind = kind.removesuffix(":0")  # TensorFlow's name of an operation's first output
                    values = np.asarray(values, np.float32)
                    if kind == "kernel":
                        # Both kinds of convolution: the last two axes first, reversed; a dense layer is (in, out).
                        values = values.transpose(-1, -2, *range(values.ndim - 2)).copy()
                    found[f"{layer}.{'weight' if kind == 'kernel' else kind}"] = torch.from_numpy(values)
    except (OSError, KeyError, ValueError, TypeError, AttributeError, RuntimeError) as error:
        raise InputError(f"{label} is damaged or no Keras weight file ({error}). Unpack it again.") from error
    return found
