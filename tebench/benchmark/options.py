"""Options as frozen dataclasses: default, type, bounds and help of an option stand in its field and nowhere else."""

from __future__ import annotations

import dataclasses
import functools
import typing
from collections.abc import Mapping
from typing import Any, TypeVar

from tebench.base.errors import InputError, unknown_name
from tebench.metrics.parameters import Parameter, parameter

Built = TypeVar("Built")


def option(default: Any, text: str, *, empty: bool = False, how: bool = False) -> Any:
    """A field with its default and its line of help.

    empty: an empty list is a value too.   how: changes how or where something runs or what is shown, never a number.
    """
    return dataclasses.field(default=default, metadata={"help": text, "empty": empty, "how": how})


def asked(cls: type) -> list[str]:
    """Options that change what is computed."""
    return [field.name for field in dataclasses.fields(cls) if field.metadata.get("how") is False]


@functools.cache
def parameters_of(cls: type) -> dict[str, Parameter]:
    """Name -> type, default and bounds of every field whose annotation can be given on a command line."""
    hints = typing.get_type_hints(cls, include_extras=True)
    return {
        field.name: parameter(field.name, hints[field.name], field.default, cls.__qualname__)
        for field in dataclasses.fields(cls)
        if "help" in field.metadata
    }


def defaults(cls: type) -> dict[str, Any]:
    """Name -> default, lists as lists: the node that Hydra composes."""
    return {name: list(p.default) if p.many and p.default is not None else p.default
            for name, p in parameters_of(cls).items()}  # fmt: skip


def build(cls: type[Built], given: Mapping, what: str = "option", **more) -> Built:
    """The dataclass from a mapping, every value checked.

    Raises InputError for an unknown name (with the nearest one), a wrong type, a value out of bounds, an empty list
    where one item at least is needed, and a name that is given twice.
    """
    kind: Any = cls  # a type variable cannot be bound to "any dataclass"
    known = parameters_of(kind)
    for name in given:
        if name not in known:
            raise unknown_name(what, name, known)
    empty = {field.name for field in dataclasses.fields(kind) if field.metadata.get("empty")}
    values = {name: known[name].check(value) for name, value in given.items()}
    for name, value in values.items():
        if known[name].many and value is not None and (len(set(value)) < len(value) or not (value or name in empty)):
            raise InputError(f"{name}={spelled(value)}: name at least one, and each once.")
    return cls(**values, **more)


def spelled(value) -> str:
    """A value as it is written on the command line."""
    if isinstance(value, list | tuple):
        return f"[{','.join(map(spelled, value))}]"
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{key}: {spelled(item)}" for key, item in value.items()) + "}"
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def help_lines(cls: type, names=None) -> list[str]:
    """One line an option: NAME=DEFAULT and its help. names: only these, in the dataclass's order."""
    lines = []
    for field in dataclasses.fields(cls):
        if field.name in parameters_of(cls) and (names is None or field.name in names):
            setting = f"{field.name}={spelled(field.default)}"
            lines.append(f"  {setting:<34} {field.metadata['help']}")
    return lines
