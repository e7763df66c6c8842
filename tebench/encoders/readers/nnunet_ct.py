"""nnU-Net's CT normalisation of files whose network nnU-Net did not build: from plans inside, or the pickle beside.

nnU-Net v1 keeps its plan as NAME.model.pkl beside NAME.model; it is read as data.
"""

from __future__ import annotations

import math
from pathlib import Path

from tebench.base.errors import InputError
from tebench.encoders.files.opened import Content
from tebench.encoders.files.pickled import Reader
from tebench.encoders.files.plain import plain
from tebench.encoders.normalisation import Scheme

MOST_PICKLE = 2**23  # bytes of a plan


def pickle_of(path: Path) -> Path | None:
    file = path.with_name(path.name + ".pkl")
    return file if file.is_file() else None


def normalisation(content: Content) -> str | None:
    """The CT scheme with the numbers of the first channel; None where neither place states it."""
    init = content.values.get("init_args")
    plans = init.get("plans") if isinstance(init, dict) else None
    if isinstance(plans, dict):
        found = plans.get("foreground_intensity_properties_per_channel")
        return _scheme(found.get("0") if isinstance(found, dict) else None, "std")
    file = pickle_of(content.path)
    if file is None:
        return None
    if file.stat().st_size > MOST_PICKLE:
        raise InputError(f"{file} has {file.stat().st_size} bytes; at most {MOST_PICKLE} of a plan are read.")
    try:
        found = Reader(file.read_bytes()).load()
    except InputError as error:
        raise InputError(f"{file} {error}.") from error
    for key in ("plans", "dataset_properties", "intensityproperties", 0):
        found = found.get(key) if isinstance(found, dict) else None
    return _scheme(found, "sd")


def _scheme(record, deviation: str) -> str | None:
    record = plain(record) if isinstance(record, dict) else {}
    numbers = [record.get(key) for key in ("percentile_00_5", "percentile_99_5", "mean", deviation)]
    if not all(type(number) in (int, float) and math.isfinite(number) for number in numbers):
        return None
    low, high, mean, sd = map(float, numbers)
    return str(Scheme("ct", (low, high, mean, sd))) if low < high and sd > 0 else None
