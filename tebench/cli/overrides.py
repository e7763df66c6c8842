"""One `key=value` in Hydra's grammar: lists, sweeps, and text that the grammar would not take."""

from __future__ import annotations

import re

from tebench.base.errors import InputError

_FUNCTIONS = ("choice", "range", "interval", "glob", "sort", "shuffle", "tag")


def items(value: str) -> list[str]:
    """Items of "a", "a,b", "[a, b]" or "choice(a,b)", quotes removed.

    >>> items("[a, 'b']"), items("choice(a,b)"), items("")
    (['a', 'b'], ['a', 'b'], [])
    """
    return [item for part in lists(value) for item in part]


def lists(value: str) -> list[list[str]]:
    """The lists of "[a,b],[c]"; "a,b" is a list of one each, "[a,b]" one list.

    >>> lists("[a,b], c"), lists("[a,b]"), lists("[]")
    ([['a', 'b'], ['c']], [['a', 'b']], [[]])
    """
    value = value.strip()
    if match := re.fullmatch(rf"(?:{'|'.join(_FUNCTIONS)})\((.*)\)", value):
        value = match.group(1)
    parts = re.findall(r"\[[^\]]*\]|\"[^\"]*\"|'[^']*'|[^,\[\]]+", value)
    found = []
    for part in (part.strip() for part in parts):
        if part.startswith("["):
            found.append([item.strip().strip("'\"") for item in part.strip("[]").split(",") if item.strip()])
        elif part:
            found.append([part.strip("'\"")])
    return found


def is_function(value: str) -> bool:
    """Whether it is one of Hydra's, such as choice(a,b)."""
    return bool(re.fullmatch(rf"(?:{'|'.join(_FUNCTIONS)})\(.*\)", value.strip()))


def parse(word: str):
    """Hydra's reading of the word, or None where its grammar has none."""
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.errors import HydraException

    try:
        return OverridesParser.create().parse_override(word)
    except HydraException:
        return None


def is_sweep(word: str) -> bool:
    """Whether the word gives several values; not for Hydra's own options."""
    if not ("," in word or any(f"{name}(" in word for name in _FUNCTIONS)):
        return False
    found = parse(word)
    return bool(found and found.is_sweep_override() and not found.key_or_group.startswith("hydra"))


def written(key: str, value: str, *, many: bool = False, text: bool = False, sweep: bool = False) -> str:
    """The setting in Hydra's grammar.

    many: of a list; without a sweep `a,b` is a list too.   text: a word that the grammar refuses is quoted whole.
    Raises InputError where the value cannot be read.
    """
    word = f"{key}={value}"
    if many and not sweep and not value.lstrip().startswith(("[", "$")) and "," in value and is_sweep(word):
        word = f"{key}=[{','.join(_quoted(key, item) for item in items(value))}]"
    if parse(word) is not None:
        return word
    if many and not sweep:
        return f"{key}=[{','.join(_quoted(key, item) for item in items(value))}]"
    if text or re.fullmatch(r"\w+\[[-\d:]*\]", value):  # a bracket inside a word, as in stages=encoder[-2:]
        return f"{key}={_quote(value)}"
    raise InputError(f"{key}={value} cannot be read. Put the value into quotes: '{key}=\"{value}\"'.")


def _quoted(key: str, item: str) -> str:
    return item if parse(f"{key}=[{item}]") is not None else _quote(item)


def _quote(text: str) -> str:
    return '"' + text.replace('"', '\\"') + '"'
