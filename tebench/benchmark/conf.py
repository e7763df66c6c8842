"""What the configuration groups offer, read from `conf/` itself."""

from __future__ import annotations

from importlib.resources import files


def group_options(group: str) -> dict[str, str]:
    """Names in a config group with the first comment line of each file."""
    folder = files("tebench.conf") / group
    found = {}
    for file in sorted(folder.iterdir(), key=lambda file: file.name):
        if file.name.endswith(".yaml"):
            first = file.read_text(encoding="utf-8").split("\n", 1)[0]
            found[file.name[:-5]] = first.removeprefix("#").strip() if first.startswith("#") else ""
    return found
