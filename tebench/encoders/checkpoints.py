"""Encoders from files: what kind of checkpoint it is, what it says, and the network.

What is read is the table `readers.families`, and one Keras file (`invesalius.py`). A file that was named to `add` is an
encoder of the catalogue from then on, under a short name; worker processes that are started later know it too.
"""

from __future__ import annotations

import json
import logging
import os
import re
from collections import Counter
from collections.abc import Collection
from dataclasses import asdict, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from tebench.base import storage
from tebench.base.errors import InputError, TebenchError
from tebench.encoders.files.plain import printable
from tebench.encoders.reading import KERAS

if TYPE_CHECKING:
    from tebench.encoders.network import Encoder
    from tebench.encoders.reading import Reading

log = logging.getLogger(__name__)

ENDINGS = (".pth", ".pt", ".ckpt", ".safetensors", ".model", ".pth.tar")
HUGGING_FACE = "pytorch_model.bin"  # other .bin files mostly hold other things
MOST_WORDS = 400  # letters of a fact or note
GENERIC = re.compile(
    r"(checkpoint|models?|weights?|best|final|last|latest|fold|all|epoch|step|network|pytorch|snapshots?|[\d_.=\-])+",
    re.I,
)
VARIABLE = "TEBENCH_CHECKPOINTS"  # name -> path, as JSON: the environment is what spawned workers inherit


def open_checkpoint(path: str | Path, *, channels: int | None = None) -> Encoder:
    """The frozen encoder of one file, every weight in its place and finite.

    channels: input channels, where it should read more than it was pre-trained on: the stem's weights are
    repeated and divided by C [released].
    """
    path = Path(path)
    return (describe(path) if channels is None else _read(path, name_of(path), channels)).build()


def describe(path: str | Path, name: str | None = None) -> Reading:
    """What the file says of itself, every weight in its place; values of weights are not read, nothing is built."""
    path = Path(path).expanduser()
    stamp = path.stat() if path.is_file() else None
    beside = tuple((str(file), file.stat().st_mtime_ns, file.stat().st_size) for file in _beside(path))
    return _described(path, name or name_of(path), stamp and (stamp.st_size, stamp.st_mtime_ns), beside)


@lru_cache(maxsize=1024)
def _described(path: Path, name: str, stamp, beside) -> Reading:
    return _read(path, name, None)


def _beside(path: Path) -> list[Path]:
    """The files of plain values that belong to a checkpoint."""
    from tebench.encoders.readers import families, statement

    if path.suffix == KERAS:
        return []  # it says everything itself
    stated = [path.parent / name for name in statement.file_names(path)]
    return [*families.sidecars(path), *(file for file in stated if file.is_file())]


def _read(path: Path, name: str, channels: int | None) -> Reading:
    """The file's reading; whatever is wrong with it becomes an InputError whose words are safe to print."""
    try:
        return _printable(_read_any(path, name, channels))
    except TebenchError as error:
        words = printable(str(error))
        if words == str(error):
            raise
        raise type(error)(words) from error
    except RecursionError as error:
        raise InputError(printable(f"checkpoint {path} cannot be read: its values are nested too deeply.")) from error
    except Exception as error:  # a file of unknown origin can hold anything anywhere
        log.debug("reading %s", path, exc_info=True)
        words = (
            f"checkpoint {path} cannot be read: what it says does not fit together ({type(error).__name__}: {error})."
        )
        raise InputError(printable(words[:2000])) from error


def _read_any(path: Path, name: str, channels: int | None) -> Reading:
    from tebench.encoders import invesalius
    from tebench.encoders.files import opened
    from tebench.encoders.readers import families, statement

    if invesalius.is_hdf5(path):
        if channels is not None:
            raise InputError(f"checkpoint {path} reads one channel; channels= is for nnssl files.")
        return invesalius.read(path, name)
    return families.read(opened.read(path), name, statement.statement(path), channels)


def _printable(reading: Reading) -> Reading:
    """The reading with words of the file that neither steer a terminal nor fill it."""
    facts = {key: printable(value[:MOST_WORDS]) if isinstance(value, str) else value
             for key, value in vars(reading.facts).items()}  # fmt: skip
    notes = tuple(printable(note[:MOST_WORDS]) for note in reading.warnings)
    return replace(reading, facts=replace(reading.facts, **facts), warnings=notes)


def name_of(path: str | Path) -> str:
    """A short name: the file's, or its folder's where the file's says nothing (checkpoint_final.pth).

    In nnU-Net's folders, DatasetXXX_Name/trainer__plans__configuration/fold_N, data set and trainer tell files apart.
    """
    path = Path(path).expanduser().absolute()
    chosen = stem = path.name.removesuffix(".tar").rpartition(".")[0] or path.name
    for part in (stem, *(parent.name for parent in path.parents)):
        if part and not GENERIC.fullmatch(part):
            chosen = part
            break
    parts = chosen.split("__")
    if len(parts) == 3 and chosen != stem:
        above = next((parent.parent.name for parent in path.parents if parent.name == chosen), "")
        chosen = "-".join(filter(None, (above, parts[0].removeprefix("nnUNetTrainer").strip("_"))))
        chosen = chosen or parts[0]
    return re.sub(r"[^\w.-]+", "_", chosen, flags=re.ASCII).lstrip(".") or "checkpoint"


def is_checkpoint(path: Path) -> bool:
    """Whether a file's name says that it is one; folders are searched for these."""
    return path.name.endswith(ENDINGS) or path.name == HUGGING_FACE


def find(place: str | Path) -> list[Path]:
    """The checkpoint itself, or all checkpoints below a folder, sorted."""
    place = Path(place).expanduser()
    if place.is_dir():
        found = sorted(file for file in place.rglob("*") if is_checkpoint(file) and file.is_file())
        if not found:
            raise InputError(f"folder {place} holds no checkpoint ({', '.join(ENDINGS)}).")
        return found
    if not place.is_file():
        raise InputError(f"checkpoint {place} does not exist.")
    return [place]


def add(places, taken: Collection[str] = ()) -> list[str]:
    """Make files, and all files of folders, encoders of the catalogue; their names, in order, each once.

    taken: names that other encoders have.
    """
    if isinstance(places, str | Path):
        places = [places]
    known, names = registered(), []
    paths = list(dict.fromkeys(file.absolute() for place in places for file in find(place)))
    bases = Counter(map(name_of, paths))
    for path in paths:
        name = next((name for name, there in known.items() if there == path), None)
        name = name or _free(path, known, taken, shared=bases[name_of(path)] > 1)
        known[name] = path
        if name not in names:
            names.append(name)
    os.environ[VARIABLE] = json.dumps({name: str(path) for name, path in known.items()})
    return names


def _free(path: Path, known: dict[str, Path], taken: Collection[str], shared: bool) -> str:
    """The short name, with the folder's before it or a number after it where another file has it, or shares it."""
    base = name_of(path)
    folder = re.sub(r"[^A-Za-z0-9._-]+", "_", path.parent.name)
    tries = [*([] if shared and folder != base else [base]), f"{folder}-{base}"]
    tries += [f"{base}-{number}" for number in range(2, len(known) + 3)]
    return next(name for name in tries if name and name not in known and name not in taken)


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
    """Hash of the file, of the files of plain values beside it, of the network's code and shape, and of the input."""
    reading = describe(path)
    path = Path(path).expanduser()
    files = {"file": _sha256(path.absolute(), path.stat().st_mtime_ns, path.stat().st_size)}
    for other in _beside(path):
        files[other.suffix if other.stem == path.stem else other.name] = storage.sha256_file(other)
    return storage.hash_json(
        {"weights": files, "architecture": reading.version, "spec": asdict(reading.spec), "axes": list(reading.axes)}
    )


@lru_cache(maxsize=1024)
def _sha256(path: Path, modified: int, size: int) -> str:
    return storage.sha256_file(path)
