"""Which encoders can read the data, on which grids, and their twins with random weights."""

from __future__ import annotations

from tebench.base.errors import InputError
from tebench.features import resampling
from tebench.tasks.base import Task


def usable(items, task: Task) -> tuple[list[str], dict[str, str]]:
    """(encoders that can read the data, name -> why another cannot)."""
    from tebench.encoders import catalogue

    if not items:
        raise InputError("job=rank needs encoders=[...]: checkpoint files, folders of them, or names of the catalogue.")
    channels = task.load(task.cases[0]).image.shape[0]
    good, refused = [], {}
    for name in catalogue.choose(items):
        try:
            reads = catalogue.reading(name).spec.channels
        except InputError as error:
            refused[name] = str(error)
            continue
        if reads in (1, channels):
            good.append(name)
        else:
            refused[name] = f"reads {reads} channels, the images have {channels}."
    enough(good, refused)
    return good, refused


def on_their_grids(task: Task, encoders: list[str], refused: dict[str, str]) -> tuple[list[str], dict, dict[str, str]]:
    """(encoders, encoder -> the grids it reads the cases on, refused): one whose grid explodes is refused."""
    from tebench.encoders import catalogue

    found, refused = {}, dict(refused)
    for name in encoders:
        try:
            found[name] = resampling.grids(task.facts["per_case"], catalogue.reading(name).spec.spacing)
        except InputError as error:
            refused[name] = str(error)
    enough(list(found), refused)
    return list(found), found, refused


def enough(good: list[str], refused: dict[str, str]) -> None:
    if len(good) < 2:
        reasons = "".join(f"\n  {name}: {why}" for name, why in refused.items())
        raise InputError(f"a ranking needs at least 2 encoders, {len(good)} can read these data.{reasons}")


def with_twins(encoders: list[str]) -> list[str]:
    """The encoders, then a random-weights twin of each architecture among them that has none there yet."""
    from tebench.encoders import catalogue, twins

    found: dict[str, str] = {}
    for name in encoders:
        reading = catalogue.reading(name)
        shape = twins.shape_of(reading)
        if twins.is_untrained(reading.facts.pretraining):
            found[shape] = ""
        else:
            found.setdefault(shape, name + twins.MARK)
    return [*encoders, *(twin for twin in found.values() if twin)]


def twins_of(encoders: list[str]) -> dict[str, str]:
    """Encoder -> the encoder of its architecture with random weights, of those that have one among these."""
    from tebench.encoders import catalogue, twins

    readings = {name: catalogue.reading(name) for name in encoders}
    untrained = {
        twins.shape_of(reading): name for name, reading in readings.items()
        if twins.is_untrained(reading.facts.pretraining)
    }  # fmt: skip
    shapes = {name: twins.shape_of(reading) for name, reading in readings.items()}
    return {name: untrained[shape] for name, shape in shapes.items() if untrained.get(shape, name) != name}
