"""What the configuration groups offer, read from `conf/` itself."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path


def group_options(group: str, own: str | None = None) -> dict[str, str]:
    """Names in a config group with the first comment line of each file. own: the user's folder (--config-dir)."""
    found = {}
    for root in (files("tebench.conf"), Path(own) if own else None):
        if root is None or not (root / group).is_dir():
            continue
        for file in (root / group).iterdir():
            if file.name.endswith(".yaml"):
                first = file.read_text(encoding="utf-8").split("\n", 1)[0]
                found[file.name[:-5]] = first.removeprefix("#").strip() if first.startswith("#") else ""
    return dict(sorted(found.items()))


def content(group: str, name: str, own: str | None = None) -> dict:
    """One file of a group as a mapping; {} where there is none."""
    import yaml

    for root in (Path(own) if own else None, files("tebench.conf")):
        if root is not None and (file := root / group / f"{name}.yaml").is_file():
            return yaml.safe_load(file.read_text(encoding="utf-8")) or {}
    return {}


def chosen_by_default() -> dict[str, str]:
    """Group -> file that conf/config.yaml takes."""
    import yaml

    listed = yaml.safe_load((files("tebench.conf") / "config.yaml").read_text(encoding="utf-8"))["defaults"]
    return {key: value for entry in listed if isinstance(entry, dict) for key, value in entry.items()}
