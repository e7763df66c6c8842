"""`labels` of a dataset.json as classes, however its numbers are spelled."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from tebench.base.errors import InputError

LARGEST = 2**31 - 1


@dataclass(frozen=True)
class Labels:
    """classes: names, background first.   values: value in the files -> class index.   ignore: value, or None.

    regions: whether the classes were made from regions.
    """

    classes: tuple[str, ...]
    values: dict[int, int]
    ignore: int | None = None
    regions: bool = False

    @property
    def known(self) -> list[int]:
        """Every value that a label file may hold, sorted."""
        return sorted({*self.values, *([] if self.ignore is None else [self.ignore])})

    def only(self, present: Iterable[int]) -> Labels:
        """The same labels without the classes that are not among these indices; background stays."""
        kept = sorted({0, *present})
        place = {index: new for new, index in enumerate(kept)}
        values = {value: place[index] for value, index in self.values.items() if index in place}
        return Labels(tuple(self.classes[index] for index in kept), values, self.ignore, self.regions)


def whole(value) -> int | None:
    """A whole number however JSON spells it (3, 3.0, "3", " 03 "), as nnU-Net's `int()` reads it; else None.

    >>> whole("3"), whole(2.0), whole(1.5), whole(True), whole("liver")
    (3, 2, None, None, None)
    """
    if isinstance(value, bool):
        return None
    if isinstance(value, str):
        text = value.strip()
        if not text.isascii() or not text.lstrip("+-").isdigit() or len(text) > 11:
            return None
        value = int(text)
    if isinstance(value, float):
        value = int(value) if value.is_integer() and abs(value) <= LARGEST else None
    return value if isinstance(value, int) and abs(value) <= LARGEST else None


def read_labels(given, where: Path) -> Labels:
    """{name: value}, {name: [values]} for regions, or {value: name} as nnU-Net v1 and the Decathlon; `ignore` apart."""
    if not isinstance(given, dict) or not given:
        raise InputError(f"{where}: labels must be {{name: value}} or {{value: name}}, got {given!r}.")
    names = _by_name(given, where)
    ignore = names.pop("ignore", None)
    if ignore is not None and whole(ignore) is None:
        raise InputError(f"{where}: label 'ignore' must be one whole number, got {ignore!r}.")
    ignore = whole(ignore)
    if any(isinstance(value, list) for value in names.values()):
        labels = region_labels(names, where, ignore)
    else:
        labels = plain_labels(names, where, ignore)
    if ignore in labels.values:
        raise InputError(f"{where}: label 'ignore' shares its value {ignore} with another.")
    return labels


def _by_name(given: dict, where: Path) -> dict:
    """{name: value}, whichever way round it is given."""
    keys = [whole(key) for key in given]
    values = [isinstance(value, list) or whole(value) is not None for value in given.values()]
    if None in keys or not any(values):
        turned = None not in keys
    elif keys == [whole(value) for value in given.values()]:
        turned = False  # {"0": 0, "1": 1}: either way the same
    else:
        raise InputError(
            f"{where}: labels {given} have numbers as names and as values, so which is which cannot be told; name the "
            "classes in words."
        )
    if not turned:
        return dict(given)
    names: dict = {}
    for value, name in given.items():
        if not isinstance(name, str):
            raise InputError(f"{where}: label {value!r} must have a name, got {name!r}.")
        if name in names:
            raise InputError(f"{where}: two labels are called {name!r}.")
        names[name] = value
    return names


def plain_labels(names: dict, where: Path, ignore: int | None = None) -> Labels:
    """{name: value} -> classes in the order of values; background must be 0."""
    plain: dict[str, int] = {}
    for name, value in names.items():
        number = whole(value)
        if number is None or number < 0:
            raise InputError(f"{where}: label {name!r} must be a whole number >= 0, got {value!r}.")
        plain[name] = number
    if len(set(plain.values())) < len(plain):
        raise InputError(f"{where}: two labels share one value: {plain}.")
    if 0 not in plain.values():
        raise InputError(f"{where}: no label is 0, the background: {plain}.")
    ordered = sorted(plain.items(), key=lambda item: item[1])
    if len(ordered) < 2:
        raise InputError(f"{where}: there is no label beside the background.")
    return Labels(
        tuple(name for name, _ in ordered), {value: index for index, (_, value) in enumerate(ordered)}, ignore
    )


def region_labels(regions: dict, where: Path, ignore: int | None = None) -> Labels:
    """Regions -> one class a voxel: each value goes to the *last* declared region that holds it.

    That is how nnU-Net writes regions into one map: later ones over earlier ones. With whole = [1, 2, 3],
    core = [2, 3], enhancing = 3, the class "whole" is the voxels of whole without core. A region that later
    ones cover wholly would be empty by construction, and is refused.
    """
    classes, values = ["background"], {0: 0}
    for name, given in regions.items():
        members = [whole(value) for value in (given if isinstance(given, list) else [given])]
        if not members or not all(value is not None and value >= 0 for value in members):
            raise InputError(f"{where}: region {name!r} must list whole numbers >= 0, got {given!r}.")
        if set(members) == {0}:
            classes[0] = name
            continue
        if 0 in members:
            raise InputError(f"{where}: region {name!r} holds 0, the background.")
        classes.append(name)
        values |= dict.fromkeys(members, len(classes) - 1)
    hidden = [name for index, name in enumerate(classes) if index not in values.values()]
    if hidden:
        raise InputError(
            f"{where}: region {hidden[0]!r} is wholly covered by regions declared after it, and one voxel has one "
            "class here. Declare regions from the outermost to the innermost."
        )
    if len(classes) < 2:
        raise InputError(f"{where}: there is no region beside the background.")
    return Labels(tuple(classes), values, ignore, regions=True)
