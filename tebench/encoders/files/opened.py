"""What a checkpoint file holds, whatever its format: plain values and descriptions of tensors."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from tebench.base.errors import InputError
from tebench.encoders.files.archive import Archive
from tebench.encoders.files.formats import damaged, not_weights
from tebench.encoders.files.legacy import HEAD, Legacy
from tebench.encoders.files.plain import plain
from tebench.encoders.files.safe import Safetensors


@dataclass(frozen=True)
class Content:
    """values: what the file says, by name; tensors are `Stored`, objects of unknown classes `Stub`.

    n_bytes: of the file, an upper bound of the weights in it (but for deflated archives).
    """

    path: Path
    values: dict = field(repr=False)  # a few bytes can hold a value many times over: its repr has no bound
    n_bytes: int
    source: Archive | Legacy | Safetensors
    found: dict = field(default_factory=dict, repr=False)  # what was looked up in it, by the name of the look-up

    def plain(self, key: str, default=None):
        """One entry as plain values: dicts, lists, text, numbers."""
        try:
            return plain(self.values.get(key, default))
        except InputError as error:
            raise InputError(f"checkpoint {self.path}: its entry {key} {error}.") from error

    def verify(self) -> None:
        """Refuse a file whose bytes do not fit its checksums, where the format has them; reads all of it."""
        try:
            self.source.verify()
        except InputError as error:
            raise InputError(f"checkpoint {self.path} {error}.") from error


def read(path: str | Path) -> Content:
    """Open a checkpoint: its header alone is read.

    Raises
    ------
    InputError
        A file that is missing, damaged, of another format, or names what no weight file needs.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"checkpoint {path} does not exist, or is no file.")
    try:
        return _read(path)
    except InputError as error:
        raise InputError(f"checkpoint {path} {error}.") from error


def _read(path: Path) -> Content:
    with open(path, "rb") as file:
        start = file.read(600)
    if not start:
        raise InputError("is empty")
    if (words := not_weights(path, start)) is not None:
        raise InputError(words)
    size = path.stat().st_size
    if path.suffix == ".safetensors" or start[8:9] == b"{":
        source = Safetensors(path)
    elif start[:4] == b"PK\x03\x04":
        source = Archive(path)
    elif start.startswith(HEAD):
        source = Legacy(path)
    elif start[:1] == b"\x80" and len(start) > 3:
        raise InputError(
            f"is a plain pickle (protocol {start[1]}), no file of torch.save: refused and not executed. Save a dict of "
            "tensors with torch.save, or as safetensors"
        )
    else:
        raise damaged(f"{size} bytes")
    found = source.value()
    if not isinstance(found, dict):
        kind = getattr(found, "name", type(found).__name__)
        raise InputError(f"holds a {kind[:80]}, expected a dict of weights. Save the network's state_dict()")
    return Content(path, found, size, source)
