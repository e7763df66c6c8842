"""Files that are no weights, by what they begin with: each is called what it is, with what to do."""

from __future__ import annotations

from pathlib import Path

from tebench.base.errors import InputError

_SAVE = "Save the network's state_dict() with torch.save or as safetensors"
_BEGINNINGS = (
    (
        b"\x1f\x8b",
        "is compressed with gzip, not a weight file. Unpack it (gunzip, or tar -xzf) and name what is inside",
    ),
    (b"BZh", "is compressed with bzip2, not a weight file. Unpack it and name what is inside"),
    (b"\xfd7zXZ", "is compressed with xz, not a weight file. Unpack it and name what is inside"),
    (b"7z\xbc\xaf", "is a 7-Zip archive, not a weight file. Unpack it and name what is inside"),
    (b"version https://git-lfs", "is a pointer of Git LFS, not the file itself. Fetch it: git lfs pull"),
    (b"\x93NUMPY", "is one numpy array, not a weight file. " + _SAVE),
    (b"\x08", "looks like an ONNX graph, which has no encoder stages by name. " + _SAVE),
)
_PAGES = (b"<!doctype html", b"<html", b"<?xml")


def not_weights(path: Path, start: bytes) -> str | None:
    """Why the file is no weight file, or None. start: its first 600 bytes."""
    if start.lstrip()[:20].lower().startswith(_PAGES):
        return "is a web page, no weight file: the download stopped at a question or an error. Download it again"
    if len(start) > 262 and start[257:262] == b"ustar":
        return (
            "is a tar archive, not a weight file. Unpack it; a checkpoint of torch before 0.1.10 is saved again there"
        )
    for beginning, words in _BEGINNINGS:
        if start.startswith(beginning) and (beginning != b"\x08" or path.suffix == ".onnx" or b"pytorch" in start[:64]):
            return words
    if start[:1] in b"{[" and path.suffix == ".json":
        return "is a JSON file, not a weight file. Name the checkpoint beside it"
    return None


def damaged(words: object) -> InputError:
    """What a file is called that begins as a weight file and does not go on as one."""
    first = (str(words) or type(words).__name__).splitlines()[0][:200]
    return InputError(f"is truncated, damaged or no weight file ({first}). Download or copy it again")
