"""The small files of plain values that belong to a checkpoint: JSON, or YAML without anchors."""

from __future__ import annotations

import json
from pathlib import Path

from tebench.base.errors import InputError

MOST_JSON = 2**22  # bytes
MOST_YAML = 2**17  # bytes; its parser is slow


def beside(path: Path, *names: str) -> dict | None:
    """The first of these JSON or YAML files in the checkpoint's folder, as plain values."""
    for name in names:
        file = Path(path).parent / name
        if file.is_file():
            return load(file)
    return None


def load(file: Path) -> dict:
    """Named values of one JSON or YAML file.

    Raises
    ------
    InputError
        A file that is too large, not readable, uses anchors (a few bytes of them stand for any amount of data), or
        holds no names.
    """
    most = MOST_JSON if file.suffix == ".json" else MOST_YAML
    try:
        size = file.stat().st_size
        if size > most:
            raise InputError(f"{file} has {size} bytes; at most {most} are read.")
        text = file.read_text(encoding="utf-8")
        # Other people's JSON: NaN among facts that nobody reads is no reason to refuse it.
        found = json.loads(text) if file.suffix == ".json" else _yaml(text, file)
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{file} is not readable {'JSON' if file.suffix == '.json' else 'YAML'} ({error}).") from error
    if not isinstance(found, dict):
        raise InputError(f"{file} must hold named values, got a {type(found).__name__}.")
    return found


def _yaml(text: str, file: Path):
    import yaml
    from omegaconf import OmegaConf

    try:
        for event in yaml.parse(text, Loader=yaml.SafeLoader):
            if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
                raise InputError(f"{file} uses YAML anchors (& and *), which are not read. Write the values out.")
        return OmegaConf.to_container(OmegaConf.create(text), resolve=False)
    except InputError:
        raise
    except Exception as error:  # the YAML parser has a class for every fault
        raise InputError(f"{file} is not readable YAML ({error}).") from error
