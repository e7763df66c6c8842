"""Weight files read as data, and loaded strictly: nothing runs, nothing is left out without a word."""

from __future__ import annotations

import contextlib
import difflib
import json
import logging
import zipfile
from pathlib import Path

import torch
from torch import Tensor, nn

from tebench.base.errors import InputError

log = logging.getLogger(__name__)

SHOWN = 3  # of each kind of difference in a message
WRAPPERS = ("module.", "_orig_mod.")  # of data-parallel training and of torch.compile


def read(path: Path) -> dict:
    """What a weight file holds: a dict from torch.load(weights_only=True), or {"state_dict": tensors} of safetensors.

    TorchScript, pickles that name anything but tensors and plain values, and damaged files are refused.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"checkpoint {path} does not exist, or is no file.")
    with open(path, "rb") as file:
        start = file.read(16)
    if not start:
        raise InputError(f"checkpoint {path} is empty.")
    if path.suffix == ".safetensors" or start[8:9] == b"{":
        return _safetensors(path)
    if start[:4] == b"PK\x03\x04":
        _check_archive(path)
    elif start[:1] == b"\x80" and start[1:2] > b"\x02":  # torch.save writes protocol 2
        raise InputError(
            f"checkpoint {path} is a plain pickle (protocol {start[1]}), no file of torch.save: refused and not "
            "executed. Save a dict of tensors with torch.save, or as safetensors."
        )
    found = _torch(path, mapped=start[:4] == b"PK\x03\x04")
    if not isinstance(found, dict):
        raise InputError(f"checkpoint {path} holds a {type(found).__name__}, expected a dict of weights.")
    return found


def _safetensors(path: Path) -> dict:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            # `keys()` is the file's own method: the object is no dict.
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
            return {"state_dict": tensors, "metadata": dict(file.metadata() or {})}
    except SafetensorError as error:
        raise InputError(f"checkpoint {path} is truncated or not a safetensors file ({error}).") from error


def _check_archive(path: Path) -> None:
    """Refuse TorchScript, and an archive of which a part does not fit its CRC-32: torch itself does not look at it."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
            wrong = [name for name in names if not _is_whole(archive, name)]
    except Exception as error:  # a damaged listing fails as BadZipFile, or in decoding names, or in its versions
        raise _damaged(path, error) from error
    if any(name.endswith("constants.pkl") or "/code/" in name for name in names):
        raise InputError(
            f"checkpoint {path} is a TorchScript archive: it carries program code beside its weights, and a traced "
            "graph does not give encoder stages by name. Save the network's state_dict() instead."
        )
    if len(wrong) == len(names):
        log.warning("checkpoint %s was saved without checksums: a changed byte in it would not be seen.", path)
    elif wrong:
        raise _damaged(path, f"{wrong[0]} does not fit its checksum")


def _is_whole(archive: zipfile.ZipFile, name: str) -> bool:
    try:
        with archive.open(name) as part:
            while part.read(2**20):
                pass
    except zipfile.BadZipFile:
        return False
    return True


def _torch(path: Path, *, mapped: bool):
    import pickle

    try:
        with _allowed():
            return torch.load(path, map_location="cpu", weights_only=True, mmap=mapped)
    except pickle.UnpicklingError as error:
        named = str(error).split("WeightsUnpickler error:")[-1]
        if "operand" not in named and "truncated" not in named:
            what = named.split("GLOBAL ")[-1].split()[0] if "GLOBAL " in named else "an object"
            raise InputError(
                f"checkpoint {path} is refused and was not executed: its pickle names {what}, and only tensors and "
                "plain values are read. Save a dict of tensors (state_dict) instead."
            ) from error
        # torch's own words advise to read the file as code, and are not passed on.
        raise _damaged(path, "no pickle of tensors") from error
    except Exception as error:  # its opcodes fail in many ways; MemoryError: a length that is none
        raise _damaged(path, error) from error


def _damaged(path: Path, error: Exception | str) -> InputError:
    first = (str(error) or type(error).__name__).splitlines()[0]
    return InputError(
        f"checkpoint {path} is truncated, damaged or no weight file ({path.stat().st_size} bytes; {first}). "
        "Download or copy it again."
    )


def _allowed():
    """A context in which torch also reads numpy's numbers, which raw training files keep in their logs, as data."""
    import numpy as np

    if not hasattr(torch.serialization, "safe_globals"):  # torch 2.4: such files are refused there
        return contextlib.nullcontext()
    kinds = (np.float64, np.float32, np.int64, np.int32, np.bool_)
    try:
        from numpy._core.multiarray import scalar
    except ImportError:  # numpy 1
        from numpy.core.multiarray import scalar
    spelled = [(scalar, f"numpy.{core}.multiarray.scalar") for core in ("core", "_core")]
    return torch.serialization.safe_globals([np.dtype, *{type(np.dtype(kind)) for kind in kinds}, *spelled])


def beside(path: Path, *names: str) -> dict | None:
    """The first of these JSON or YAML files in the checkpoint's folder, as plain values."""
    for name in names:
        file = Path(path).parent / name
        if file.is_file():
            if file.suffix == ".json":
                try:
                    # Other people's JSON: NaN among facts that nobody reads is no reason to refuse it.
                    found = json.loads(file.read_text(encoding="utf-8"))
                except (OSError, ValueError, RecursionError) as error:
                    raise InputError(f"{file} is not readable JSON ({error}).") from error
            else:
                from omegaconf import OmegaConf

                try:
                    found = OmegaConf.to_container(OmegaConf.load(file), resolve=False)
                except Exception as error:  # the YAML parser has a class for every fault
                    raise InputError(f"{file} is not readable YAML ({error}).") from error
            if not isinstance(found, dict):
                raise InputError(f"{file} must hold named values, got a {type(found).__name__}.")
            return found
    return None


def unwrapped(weights: dict) -> dict[str, Tensor]:
    """Tensors by name without the prefixes that wrappers of training put before them."""
    found = {}
    for key, value in weights.items():
        if not isinstance(value, Tensor):
            raise InputError(f"weight {key!r} is a {type(value).__name__}, expected a tensor.")
        name = str(key)
        for wrapper in WRAPPERS:
            name = name.removeprefix(wrapper)
        found[name] = value
    return found


def fill(network: nn.Module, weights: dict[str, Tensor], path: Path, spell=lambda key: key) -> nn.Module:
    """Load strictly. spell: a key of the network -> as the file spells it, for the messages."""
    own = network.state_dict()
    there = {spell(key): key for key in own}
    compare({name: own[key] for name, key in there.items()}, weights, path)
    check_finite({name: weights[name] for name in there}, path)
    state = {key: weights[name].to(own[key].dtype) for name, key in there.items()}
    network.load_state_dict(state, strict=True)
    return network


def check_finite(weights: dict[str, Tensor], path: Path) -> None:
    """Refuse NaN and infinite weights; reads every value."""
    broken = [name for name, value in weights.items() if value.is_floating_point() and not torch.isfinite(value).all()]
    if broken:
        raise InputError(
            f"checkpoint {path}: {len(broken)} of {len(weights)} weights hold NaN or infinite values, the first is "
            f"{broken[0]!r}; its training failed, or the file is damaged."
        )


def compare(there: dict[str, Tensor], weights: dict[str, Tensor], path: Path) -> None:
    """Refuse weights whose names or shapes are not those of `there`, naming each with its three nearest."""
    missing = [name for name in there if name not in weights]
    unexpected = [name for name in weights if name not in there]
    misshapen = [name for name in there if name in weights and weights[name].shape != there[name].shape]
    lines = []
    for kind, names, known in (("missing", missing, weights), ("unexpected", unexpected, there)):
        lines += [f"{kind} {name!r}{_nearest(name, known)}" for name in names[:SHOWN]]
        lines += [f"and {len(names) - SHOWN} more {kind}"] if len(names) > SHOWN else []
    for name in misshapen[:SHOWN]:
        lines.append(f"{name!r} has shape {tuple(weights[name].shape)}, expected {tuple(there[name].shape)}")
    if len(misshapen) > SHOWN:
        lines.append(f"and {len(misshapen) - SHOWN} more of another shape")
    if lines:
        count = len(missing) + len(unexpected) + len(misshapen)
        raise InputError(
            f"checkpoint {path} does not fit the architecture that it names; {count} weights differ:\n  "
            + "\n  ".join(lines)
        )


def _nearest(name: str, known) -> str:
    near = nearest(name, known)
    return f" (nearest: {', '.join(near)})" if near else ""


def nearest(name: str, known, count: int = 3) -> list[str]:
    """The `count` most similar names; those that share the longest tail are looked at first, for speed."""
    known = list(known)
    if len(known) > 400:
        tail = name.rsplit(".", 2)[-2:]
        near = [key for key in known if key.split(".")[-len(tail) :] == tail]
        known = near if len(near) >= count else known
    return difflib.get_close_matches(name, known, n=count, cutoff=0.0)
