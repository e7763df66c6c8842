"""Typed, validated parameters, read from a function's keyword-only arguments or a dataclass's fields."""

from __future__ import annotations

import inspect
import math
import types
import typing
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tebench.base.errors import InputError


@dataclass(frozen=True)
class Interval:
    """Closed bounds of a number, used as `Annotated[int, Interval(1)]`."""

    low: float = -math.inf
    high: float = math.inf

    def __str__(self) -> str:
        if math.isinf(self.high):
            return "any" if math.isinf(self.low) else f">= {self.low:g}"
        return f"<= {self.high:g}" if math.isinf(self.low) else f"{self.low:g}..{self.high:g}"


_WORDS = {
    int: ("a whole number", "whole numbers"), float: ("a number", "numbers"), bool: ("true or false", "true or false"),
    str: ("text", "names"),
}  # fmt: skip
_EXAMPLES = {int: "[0,1,2]", float: "[0.5,1,2]", bool: "[true,false]", str: "[a,b]"}


@dataclass(frozen=True)
class Parameter:
    """One parameter: its type, default, choices or bounds. many: a list of such values, given as list or tuple."""

    name: str
    type: type
    default: Any
    optional: bool = False
    choices: tuple = ()
    bounds: Interval | None = None
    many: bool = False

    @property
    def expected(self) -> str:
        """What is accepted, in words."""
        if self.choices:
            words = "one of " + ", ".join(map(str, self.choices))
            words = f"a list of {words}" if self.many else words
        else:
            words = f"a list of {_WORDS[self.type][1]}" if self.many else _WORDS[self.type][0]
            words += f" {self.bounds}" if self.bounds else ""
            words += f" such as {self.name}={_EXAMPLES[self.type]}" if self.many else ""
        return words + (" or null" if self.optional else "")

    def check(self, value, owner: str = ""):
        """`value` as the declared type, or an error that names owner, parameter, expectation and value.

        A bare value is a list of one where a list is wanted, and a list of one is its value where it is not.
        """
        what = f"{owner}: parameter {self.name!r}" if owner else self.name
        error = InputError(f"{what} must be {self.expected}, got {value!r}.")
        if value is None:
            if self.optional:
                return None
            raise error
        if self.many:
            items = list(value) if isinstance(value, list | tuple) else [value]
            return tuple(self._item(item, error) for item in items)
        if isinstance(value, list | tuple) and len(value) == 1:
            value = value[0]
        return self._item(value, error)

    def _item(self, value, error: InputError):
        if self.choices:
            if value not in self.choices:
                raise error
            return value
        if self.type is float and isinstance(value, int) and not isinstance(value, bool):
            value = float(value)
        if self.type is str and isinstance(value, int | float) and not isinstance(value, bool):
            value = str(value)  # a name such as 12, or a version such as 1.0
        if not isinstance(value, self.type) or (self.type is int and isinstance(value, bool)):
            raise error
        if isinstance(value, float) and math.isnan(value):
            raise error
        if self.bounds and isinstance(value, int | float) and not self.bounds.low <= value <= self.bounds.high:
            raise error
        return value


def keyword_parameters(function: Callable) -> dict[str, Parameter]:
    """The keyword-only parameters of `function`; each needs a default and a simple annotation."""
    hints = typing.get_type_hints(function, include_extras=True)
    found = {}
    for name, argument in inspect.signature(function).parameters.items():
        if argument.kind is not inspect.Parameter.KEYWORD_ONLY:
            continue
        where = f"{function.__module__}.{function.__qualname__}: parameter {name!r}"
        if argument.default is inspect.Parameter.empty or name not in hints:
            raise InputError(f"{where} needs an annotation and a default to become an option.")
        found[name] = parameter(name, hints[name], argument.default, where)
    return found


def parameter(name: str, hint, default, where: str) -> Parameter:
    """The parameter that an annotation such as `Annotated[int, Interval(1)] | None` or `tuple[str, ...]` describes."""
    optional, bounds, choices, many = False, None, (), False
    while True:
        origin = typing.get_origin(hint)
        if origin is typing.Annotated:
            hint, *notes = typing.get_args(hint)
            bounds = next((note for note in notes if isinstance(note, Interval)), bounds)
        elif origin in (typing.Union, types.UnionType):
            members = [member for member in typing.get_args(hint) if member is not type(None)]
            if len(members) != 1:
                raise InputError(f"{where}: only `T | None` unions can become an option.")
            hint, optional = members[0], True
        elif origin is tuple and typing.get_args(hint)[1:] == (...,):
            hint, many = typing.get_args(hint)[0], True
        else:
            break
    if typing.get_origin(hint) is typing.Literal:
        choices, hint = typing.get_args(hint), type(typing.get_args(hint)[0])
    if hint not in (int, float, bool, str):
        raise InputError(f"{where}: type must be int, float, bool, str or Literal, got {hint!r}.")
    found = Parameter(name, hint, default, optional, choices, bounds, many)
    found.check(default, where)
    return found


def complete(parameters: dict[str, Parameter], given: dict, owner: str) -> dict:
    """Defaults overlaid with `given`, every value checked; unknown names are an error."""
    from tebench.base.errors import unknown_name

    for name in given:
        if name not in parameters:
            raise unknown_name(f"parameter of {owner}", name, parameters)
    return {name: p.check(given.get(name, p.default), owner) for name, p in parameters.items()}
