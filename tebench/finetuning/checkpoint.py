"""The state of an interrupted run: one safetensors file, written beside and renamed, verified when read."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import torch

from tebench.base.storage import atomic_path, sha256_bytes

log = logging.getLogger(__name__)


def tensors_hash(tensors: dict[str, torch.Tensor]) -> str:
    """Hash of names, dtypes, shapes and bytes."""
    parts = []
    for name in sorted(tensors):
        tensor = tensors[name].detach().cpu().contiguous()
        parts.append(f"{name}|{tensor.dtype}|{tuple(tensor.shape)}|{sha256_bytes(tensor.numpy().tobytes())}")
    return sha256_bytes("\n".join(parts).encode())


def save(
    path: Path, tensors: dict[str, torch.Tensor], *, key: str, step: int, losses: list[float], seconds: float, **more
):
    """Write the whole state after `step` steps.   more: plain values that the note keeps too."""
    from safetensors.torch import save

    tensors = {name: tensor.detach().cpu().clone().contiguous() for name, tensor in tensors.items()}
    note = {
        "key": key,
        "step": step,
        "losses": losses,
        "seconds": seconds,
        "torch": torch.__version__,
        "digest": tensors_hash(tensors),
        **more,
    }
    with atomic_path(path) as temporary:
        # Not save_file: its own temporary file would outlive a kill, and its error on a full disk names no file.
        temporary.write_bytes(save(tensors, {"tebench": json.dumps(note)}))


def restore(path: Path, *, key: str) -> tuple[dict[str, torch.Tensor], dict] | None:
    """(tensors, {step, losses, seconds, ...}), or None where there is nothing that this run can continue from."""
    from safetensors import safe_open

    if not Path(path).exists():
        return None
    try:
        with safe_open(path, framework="pt") as file:
            note = json.loads(file.metadata()["tebench"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a mapping)
        # Another torch may round differently: continuing would end in bytes that no single version gives.
        good = note["key"] == key and note["torch"] == torch.__version__ and note["digest"] == tensors_hash(tensors)
    except Exception as error:
        log.warning("checkpoint %s is damaged (%s): the run starts again.", path, error)
        return None
    if not good:
        log.warning("checkpoint %s is damaged or of another run: the run starts again.", path)
        return None
    return tensors, note
