"""The families of checkpoints: how each is recognised, read or refused by name, and what a user should know of it.

This one table drives the dispatcher, its messages, `docs/zoo.md` and the tests.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from tebench.base.errors import InputError
from tebench.encoders.files.opened import Content
from tebench.encoders.readers.statement import Statement
from tebench.encoders.reading import Reading
from tebench.encoders.states import dicts_of, held


@dataclass(frozen=True)
class Family:
    """One family.

    module: of `tebench.encoders.readers`, with recognise(content) -> evidence or None, read(content, name, statement,
    channels=) and, where files beside the checkpoint belong to it, sidecars(path); "" where it is named only.
    keys: patterns of weight names; all must be met by some name (for families without a module).
    reads: what is read, or why it is not.   then: what the user can do instead.
    source: code and paper.   weights: where to get them.   licence: of the weights.   tried: with which code.
    """

    name: str
    title: str
    module: str
    reads: str
    source: str
    weights: str
    licence: str
    tried: str
    keys: tuple[str, ...] = ()
    then: str = ""

    def recognise(self, content: Content) -> str | None:
        """What in the file says that it is of this family; None if nothing does."""
        if self.module:
            return self._module().recognise(content)
        names = [name for weights in dicts_of(content).values() for name in weights]
        found = [next((name for name in names if re.search(pattern, name)), None) for pattern in self.keys]
        return f"weights such as {found[0]}" if found and all(found) else None

    def read(self, content: Content, name: str, stated: Statement, channels: int | None) -> Reading:
        if not self.module:
            raise InputError(
                f"checkpoint {content.path} is of the family {self.title} ({self.recognise(content)}), which is not "
                f"read: {self.reads}. {self.then}"
            )
        return self._module().read(content, name, stated, channels=channels)

    def sidecars(self, path: Path) -> list[Path]:
        found: Callable[[Path], Iterable[Path]] | None = self.module and getattr(self._module(), "sidecars", None)
        return list(found(path)) if found else []

    def _module(self):
        return importlib.import_module(f"tebench.encoders.readers.{self.module}")


FAMILIES: tuple[Family, ...] = (
    Family(
        name="nnssl",
        title="nnssl / OpenMind",
        module="nnssl",
        reads="ResEnc-L, PlainConvUNet and Primus v1, as published and as the trainers save them",
        source="https://github.com/MIC-DKFZ/nnssl; arXiv 2412.17041",
        weights="https://huggingface.co/AnonRes and MIC-DKFZ",
        licence="see each repository",
        tried="nnssl 70448644, dynamic-network-architectures 0.4.4",
    ),
    Family(
        name="nnunet",
        title="nnU-Net v2",
        module="nnunet",
        reads="PlainConvUNet and ResidualEncoderUNet of 3d_fullres and 3d_lowres, plans of both generations",
        source="https://github.com/MIC-DKFZ/nnUNet; doi:10.1038/s41592-020-01008-z",
        weights="TotalSegmentator, MRSegmentator and others release such folders",
        licence="see each release",
        tried="nnunetv2 2.8.1, dynamic-network-architectures 0.4.4",
    ),
)


def families() -> tuple[Family, ...]:
    return FAMILIES


def read(content: Content, name: str, stated: Statement, channels: int | None) -> Reading:
    """The reading of whichever family recognises the file, first come first served.

    Raises
    ------
    InputError
        A file of no known family, or of one that is named only.
    """
    from tebench.encoders.readers import monai_networks

    if stated.get("network") is not None:
        return monai_networks.read(content, name, stated, channels=channels)
    for family in families():
        if family.recognise(content) is not None:
            return family.read(content, name, stated, channels)
    readable = ", ".join(family.title for family in families() if family.module)
    raise InputError(
        f"checkpoint {content.path} does not say which architecture it is. {held(content)} Read are {readable}; "
        f"MONAI's {', '.join(monai_networks.NETWORKS)} with {content.path.stem}.json beside the file that holds "
        "`network` and its `arguments`; any other class joins by plugins=[file.py] or the entry point group "
        "`tebench.encoders`, see docs/own_data.md."
    )


def sidecars(path: Path) -> list[Path]:
    """Files of plain values that any family would read with this checkpoint."""
    return list(dict.fromkeys(file for family in families() for file in family.sidecars(path)))
