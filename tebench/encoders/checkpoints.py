"""Encoders from files: what kind of checkpoint it is, what it says, and the network.

Known: nnssl / OpenMind files (`nnssl.py`) and state dicts of MONAI networks (`monai_networks.py`), as .pth,
.pt, .ckpt or .safetensors, and one Keras file (`invesalius.py`). A file that was named to `add` is an encoder of
the catalogue from then on, under a short name; worker processes that are started later know it too.
"""

from __future__ import annotations

import json
import logging
import os
import re
from collections import Counter
from dataclasses import asdict
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from tebench.base import storage
from tebench.base.errors import InputError

if TYPE_CHECKING:
    from tebench.encoders.network import Encoder
    from tebench.encoders.reading import Reading

log = logging.getLogger(__name__)

ENDINGS = (".pth", ".pt", ".ckpt", ".safetensors")
KERAS = ".h5"  # by name only: folders are not searched for it, since .h5 files mostly hold other things
GENERIC = re.compile(r"(checkpoint|model|weights|best|final|last|latest|fold|epoch|step|network|[\d_.\-])+", re.I)
VARIABLE = "TEBENCH_CHECKPOINTS"  # name -> path, as JSON: the environment is what spawned workers inherit


def open_checkpoint(path: str | Path, *, channels: int | None = None) -> Encoder:
    """The frozen encoder of one file, every weight in its place.

    channels: input channels, where it should read more than it was pre-trained on: the stem's weights are
    repeated and divided by C [released].
    """
    path = Path(path)
    return (describe(path) if channels is None else _read(path, name_of(path), channels)).build()


def describe(path: str | Path, name: str | None = None) -> Reading:
    """What the file says of itself, every weight in its place and finite; the network is not built."""
    path = Path(path).expanduser()
    stamp = path.stat() if path.is_file() else None
    beside = sorted((f.name, f.stat().st_mtime_ns) for f in _beside(path))
    return _described(path, name or name_of(path), stamp and (stamp.st_size, stamp.st_mtime_ns), tuple(beside))


@lru_cache(maxsize=256)
def _described(path: Path, name: str, stamp, beside) -> Reading:
    return _read(path, name, None)


def _beside(path: Path) -> list[Path]:
    """The files of plain values that belong to a checkpoint."""
    if path.suffix == KERAS:
        return []  # it says everything itself
    names = ("adaptation_plan.json", *(f"{path.stem}{ending}" for ending in (".json", ".yaml", ".yml")))
    return [path.parent / name for name in names if (path.parent / name).is_file()]


def _read(path: Path, name: str, channels: int | None) -> Reading:
    from tebench.encoders import invesalius, monai_networks, nnssl, weights

    if invesalius.is_hdf5(path):
        if channels is not None:
            raise InputError(f"checkpoint {path} reads one channel; channels= is for nnssl files.")
        return invesalius.read(path, name)
    content = weights.read(path)
    if nnssl.is_nnssl(content, path):
        return nnssl.read(content, path, name, channels=channels)
    plan = monai_networks.sidecar(path)
    if plan is not None:
        if channels is not None:
            raise InputError(f"checkpoint {path}: set in_channels in the file beside it; channels= is for nnssl files.")
        return monai_networks.read(content, path, name, plan)
    held = ", ".join(sorted(map(str, content))[:6])
    raise InputError(
        f"checkpoint {path} does not say which architecture it is. It holds {held}"
        f"{' ...' if len(content) > 6 else ''}. "
        f"Expected an nnssl file (nnssl_adaptation_plan inside, or adaptation_plan.json beside it), or "
        f"{path.stem}.json beside it with `network` ({', '.join(monai_networks.NETWORKS)}) and its `arguments`; "
        "any other class joins by the entry point group `tebench.encoders`."
    )


def name_of(path: str | Path) -> str:
    """A short name: the file's, or its folder's where the file's says nothing (checkpoint_final.pth)."""
    path = Path(path).expanduser().absolute()
    chosen = path.stem
    for part in (path.stem, *(parent.name for parent in path.parents)):
        if part and not GENERIC.fullmatch(part):
            chosen = part
            break
    return re.sub(r"[^A-Za-z0-9._-]+", "_", chosen).lstrip(".") or "checkpoint"


def find(place: str | Path) -> list[Path]:
    """The checkpoint itself, or all checkpoints below a folder, sorted."""
    place = Path(place).expanduser()
    if place.is_dir():
        found = sorted(file for file in place.rglob("*") if file.suffix in ENDINGS and file.is_file())
        if not found:
            raise InputError(f"folder {place} holds no checkpoint ({', '.join(ENDINGS)}).")
        return found
    if not place.is_file():
        raise InputError(f"checkpoint {place} does not exist.")
    return [place]


def add(places) -> list[str]:
    """Make files, and all files of folders, encoders of the catalogue; their names, in order, each once."""
    if isinstance(places, str | Path):
        places = [places]
    known, names = registered(), []
    paths = list(dict.fromkeys(file.absolute() for place in places for file in find(place)))
    bases = Counter(map(name_of, paths))
    for path in paths:
        name = next((name for name, there in known.items() if there == path), None)
        name = name or _free(path, known, shared=bases[name_of(path)] > 1)
        known[name] = path
        if name not in names:
            names.append(name)
    os.environ[VARIABLE] = json.dumps({name: str(path) for name, path in known.items()})
    return names


def _free(path: Path, known: dict[str, Path], shared: bool) -> str:
    """The short name, with the folder's before it or a number after it where another file has it, or shares it."""
    from tebench.encoders.catalogue import ENTRIES

    base = name_of(path)
    folder = re.sub(r"[^A-Za-z0-9._-]+", "_", path.parent.name)
    tries = [*([] if shared and folder != base else [base]), f"{folder}-{base}"]
    tries += [f"{base}-{number}" for number in range(2, len(known) + 3)]
    return next(name for name in tries if name and name not in known and name not in ENTRIES)


def registered() -> dict[str, Path]:
    """Name -> file of all checkpoints that were added in this process or the one that started it."""
    return {name: Path(path) for name, path in json.loads(os.environ.get(VARIABLE) or "{}").items()}


def path_of(name: str) -> Path | None:
    """The file that an encoder's name stands for: an added one, or the name is itself an existing file's path."""
    known = registered()
    if name in known:
        return known[name]
    looks_like = name.endswith((*ENDINGS, KERAS)) or "/" in name or os.sep in name
    return Path(name).expanduser() if looks_like else None


def fingerprint(path: Path) -> str:
    """Hash of the file, of the files of plain values beside it, of the architecture's version and the input."""
    reading = describe(path)
    files = {"file": _sha256(path.absolute(), path.stat().st_mtime_ns, path.stat().st_size)}
    for other in _beside(path):
        files[other.suffix if other.stem == path.stem else other.name] = storage.sha256_file(other)
    return storage.hash_json(
        {"weights": files, "architecture": reading.version, "spec": asdict(reading.spec), "axes": list(reading.axes)}
    )


@lru_cache(maxsize=256)
def _sha256(path: Path, modified: int, size: int) -> str:
    return storage.sha256_file(path)
