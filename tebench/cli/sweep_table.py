"""One table at the end of a sweep: what every member found, beside the values that it was started with."""

from __future__ import annotations

import datetime
from pathlib import Path

from tebench.base import storage
from tebench.base.errors import CacheError

FOLDER = "hydra.sweep.dir="
SHOWN = ("task", "metric", "tau_w", "low", "high", "status")


def in_folder(arguments: list[str]) -> tuple[list[str], Path]:
    """(the arguments, the sweep's folder): named here, so that the launching process finds what members note there."""
    given = [argument for argument in arguments if argument.startswith(FOLDER)]
    if given:
        return arguments, Path(given[-1].removeprefix(FOLDER))
    now = datetime.datetime.now().astimezone().strftime("%Y-%m-%d_%H-%M-%S")
    folder = Path("outputs") / "sweeps" / now
    return [*arguments, f"{FOLDER}{folder}"], folder


def note(output: str, metrics: list[str]) -> None:
    """Leave a note of this member's table in the sweep's folder; nothing where it has none."""
    from hydra.core.hydra_config import HydraConfig

    config = HydraConfig.get()
    table = Path(output) / "correlation.csv"
    if table.is_file():
        content = {"overrides": list(config.overrides.task), "table": str(table.absolute()), "metrics": metrics}
        storage.write_sealed(Path(config.sweep.dir) / "members" / f"{int(config.job.num):05d}.json", content)


def text(folder: Path) -> str:
    """The table, also written as sweep.csv; "" where no member left a note.

    Options that all members share are left out; of several tasks the mean is shown.
    """
    import pandas as pd

    members = []
    for path in sorted((folder / "members").glob("*.json")):
        try:
            members.append(storage.read_sealed(path))
        except CacheError:
            continue  # a member that was killed while it wrote
    if not members:
        return ""
    given = [dict(word.lstrip("+").split("=", 1) for word in member["overrides"]) for member in members]
    keys = dict.fromkeys(key for one in given for key in one)
    swept = [key for key in keys if len({one.get(key) for one in given}) > 1 and not key.startswith("output")]
    parts = []
    for one, member in zip(given, members, strict=True):
        table = pd.read_csv(member["table"])
        table = table[table["metric"].isin(member["metrics"])]
        table = table[table["task"] == "mean"] if (table["task"] == "mean").any() else table
        table = table[[name for name in SHOWN if name in table.columns]].copy()
        for place, key in enumerate(swept):
            table.insert(place, key, one.get(key, ""))
        parts.append(table)
    whole = pd.concat(parts, ignore_index=True)
    path = folder / "sweep.csv"
    storage.write_text(path, whole.to_csv(index=False, lineterminator="\n"))
    shown = whole.to_string(index=False, na_rep="", float_format=lambda value: f"{value:.3f}")
    return f"\nsweep of {len(members)} members\n{shown}\n{path}"
