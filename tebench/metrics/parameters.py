"""Typed, validated parameters, read from a function's keyword-only arguments."""

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


@dataclass(frozen=True)
class Parameter:
    """One keyword-only parameter: its type, default, choices or bounds."""

    name: str
    type: type
    default: Any
    optional: bool = False
    choices: tuple = ()
    bounds: Interval | None = None

    @property
    def expected(self) -> str:
        """What is accepted, in words."""
        if self.choices:
            words = "one of " + ", ".join(map(str, self.choices))
        else:
            words = self.type.__name__ + (f" {self.bounds}" if self.bounds else "")
        return words + (" or null" if self.optional else "")

    def check(self, value, owner: str):
        """`value` as the declared type, or an error that names owner, parameter, expectation and value."""
        error = InputError(f"{owner}: parameter {self.name!r} must be {self.expected}, got {value!r}.")
        if value is None:
            if self.optional:
                return None
            raise error
        if self.choices:
            if value not in self.choices:
                raise error
            return value
        if self.type is float and isinstance(value, int) and not isinstance(value, bool):
            value = float(value)
        if not isinstance(value, self.type) or (self.type is int and isinstance(value, bool)):
            raise error
        if self.type is float and math.isnan(value):
            raise error
        if self.bounds and not self.bounds.low <= value <= self.bounds.high:
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
        found[name] = _parameter(name, hints[name], argument.default, where)
    return found


def _parameter(name, hint, default, where) -> Parameter:
    optional, bounds, choices = False, None, ()
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
        else:
            break
    if typing.get_origin(hint) is typing.Literal:
        choices, hint = typing.get_args(hint), type(typing.get_args(hint)[0])
    if hint not in (int, float, bool, str):
        raise InputError(f"{where}: type must be int, float, bool, str or Literal, got {hint!r}.")
    parameter = Parameter(name, hint, default, optional, choices, bounds)
    parameter.check(default, where)
    return parameter


def complete(parameters: dict[str, Parameter], given: dict, owner: str) -> dict:
    """Defaults overlaid with `given`, every value checked; unknown names are an error."""
    from tebench.base.errors import unknown_name

    for name in given:
        if name not in parameters:
            raise unknown_name(f"parameter of {owner}", name, parameters)
    return {name: p.check(given.get(name, p.default), owner) for name, p in parameters.items()}
