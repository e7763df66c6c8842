"""Where in a checkpoint the encoder's weights are: which dict, under which prefix, and what else there is.

Strict about the encoder only: every weight of the network must be there once, nothing of the encoder may be left over;
decoders, heads, optimisers and teachers are left out with a count.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from tebench.base.errors import InputError
from tebench.encoders.files.opened import Content
from tebench.encoders.files.stored import Stored
from tebench.encoders.weights import compare, is_derived

# Names that people give the dict of weights, in the order in which they are believed.
WRAPPERS = (
    "state_dict", "network_weights", "model_state_dict", "net", "network", "model", "module", "weights",
    "model_weights", "model_state", "net_state_dict", "model_dict", "params", "encoder", "backbone", "student",
    "checkpoint", "state_dict_ema", "ema_state_dict", "model_ema", "teacher", "ema",
)  # fmt: skip
AVERAGED = ("ema", "teacher", "momentum", "target", "swa")  # copies of the network beside it
_NOT_WEIGHTS = ("optim", "sched", "scaler", "loops", "callbacks", "logg", "queue", "init_args", "hyper_parameters")
_DEEP = 4
MOST_PLACES = 50  # dicts of tensors in a file, and prefixes in one of them, that are looked at


def dicts_of(content: Content) -> dict[str, dict[str, Stored]]:
    """Every dict of tensors in the file by where it is ("", "state_dict", "model.encoder"), most believed first."""
    if "tensors" in content.found:
        return content.found["tensors"]
    found: dict[str, dict[str, Stored]] = {}
    seen: set[int] = set()

    def walk(value, place: tuple[str, ...]):
        if id(value) in seen or len(place) > _DEEP:
            return
        seen.add(id(value))
        modules = getattr(value, "state", None)
        if isinstance(modules, dict) and "_modules" in modules:
            found[".".join(place)] = _of_module(value)
        if not isinstance(value, dict):
            return
        tensors = {str(key): held for key, held in value.items() if isinstance(held, Stored)}
        if tensors:
            found[".".join(place)] = tensors
        for key, held in value.items():
            if not isinstance(held, Stored) and not str(key).lower().startswith(_NOT_WEIGHTS):
                walk(held, (*place, str(key)))

    walk(content.values, ())
    ordered = sorted(found.items(), key=lambda item: (_belief(item[0]), -len(item[1])))
    content.found["tensors"] = dict(ordered[:MOST_PLACES])
    return content.found["tensors"]


def _belief(place: str) -> tuple[bool, int]:
    first = place.split(".")[0]
    known = WRAPPERS.index(first) if first in WRAPPERS else len(WRAPPERS)
    return is_averaged(place), -1 if not place else known


def is_averaged(place: str) -> bool:
    words = place.lower().replace(".", "_").split("_")
    return any(word in words for word in AVERAGED)


def _of_module(root) -> dict[str, Stored]:
    """A pickled torch module as data: its parameters and buffers by their dotted names."""
    found: dict[str, Stored] = {}
    left = [("", root)]
    seen = set()
    while left:
        prefix, module = left.pop()
        state = getattr(module, "state", None)
        if not isinstance(state, dict) or id(module) in seen:
            continue
        seen.add(id(module))
        for kind in ("_parameters", "_buffers"):
            held = state.get(kind)
            for key, value in (held or {}).items() if isinstance(held, dict) else ():
                if isinstance(value, Stored):
                    found[f"{prefix}{key}"] = value
        children = state.get("_modules")
        if isinstance(children, dict) and len(prefix) < 300:
            left += [(f"{prefix}{key}.", child) for key, child in children.items()]
    return found


@dataclass(frozen=True)
class Located:
    """weights: the encoder's, under the network's names.   others: under the same prefix, outside the encoder.

    notes: what was left out, in words.
    """

    weights: dict[str, Stored]
    place: str
    prefix: str
    others: dict[str, Stored]
    notes: tuple[str, ...]


def prefixes(weights: Iterable[str], anchor: str) -> list[str]:
    """What stands before `anchor` in names that end with it, shortest first."""
    found = {name.removesuffix(anchor) for name in weights if name == anchor or name.endswith("." + anchor.lstrip("."))}
    return sorted(found, key=lambda prefix: (len(prefix), prefix))[:MOST_PLACES]


def locate(
    content: Content,
    needed: Mapping[str, object],
    anchors: Iterable[str],
    roots: tuple[str, ...],
    *,
    spare=is_derived,
    choices: Mapping[str, dict[str, Stored]] | None = None,
    prefer: str | None = None,
) -> Located:
    """The one place where all of `needed` (name -> tensor or shape) is found.

    anchors: names of `needed`, tried in turn.   roots: what names of the encoder begin with; a name below them that is
    neither needed nor `spare` is refused.   choices: the dicts of tensors, if not all of the file's as they are.
    prefer: how the prefix must end, where the file says so.

    Raises
    ------
    InputError
        Weights that are missing, left over, of another shape or type, or there twice with other values.
    """
    choices = dicts_of(content) if choices is None else choices
    best: tuple[tuple, str, str] | None = None
    whole = []
    for rank, (place, weights) in enumerate(choices.items()):
        for prefix in {prefix for anchor in anchors for prefix in prefixes(weights, anchor)}:
            if prefer is not None and not prefix.endswith(prefer):
                continue
            there = [name for name in needed if prefix + name in weights]
            fits = sum(_shape(weights[prefix + name]) == _shape(needed[name]) for name in there)
            key = (len(there), fits, not is_averaged(prefix), not is_averaged(place), -rank, -len(prefix))
            if len(there) == len(needed):
                whole.append((key, place, prefix))
            best = max(best, (key, place, prefix)) if best else (key, place, prefix)
    if best is None:
        raise InputError(
            f"checkpoint {content.path}: no weight ends with {' or '.join(map(repr, anchors))}. {held(content)}"
        )
    _, place, prefix = best
    weights = choices[place]
    mine = {name: weights[prefix + name] for name in needed if prefix + name in weights}
    inside = {
        name: value
        for key, value in weights.items()
        if (name := key.removeprefix(prefix)).startswith(roots) and key.startswith(prefix)
    }
    left_over = {name: value for name, value in inside.items() if name not in needed and not spare(name)}
    compare(dict(needed), {**mine, **left_over}, content.path)
    notes = _copies(choices, whole, place, prefix, mine)
    own = {prefix + name for name in inside}
    others = {key: value for key, value in weights.items() if key not in own}
    others = {key: value for key, value in others.items() if not _is_copy(key, whole, place, roots)}
    others, partial = _without_partial_copies(others, needed, roots)
    for before, count in partial.items():
        notes.append(
            f"an incomplete copy of the encoder is in the file: {_there(place, before)} ({count} of {len(needed)} "
            f"weights); read is {_there(place, prefix)}"
        )
    if others:
        notes.append(f"not read: {len(others)} of the file's weights, outside the encoder ({_kinds(others)})")
    return Located(mine, place, prefix, others, tuple(notes))


def _shape(value) -> tuple[int, ...]:
    return tuple(getattr(value, "shape", value))


def same_place(one: Stored, other: Stored) -> bool:
    return one.storage is not None and other.storage is not None and (
        (one.storage.key, one.offset, one.shape) == (other.storage.key, other.offset, other.shape)
    )  # fmt: skip


def _copies(choices, whole, place: str, prefix: str, mine: dict) -> list[str]:
    notes = []
    for _, other, before in whole:
        if (other, before) == (place, prefix):
            continue
        theirs = choices[other]
        if not all(same_place(mine[name], theirs[before + name]) for name in mine):
            notes.append(
                f"another copy of the encoder is in the file: {_there(other, before)}; read is {_there(place, prefix)}"
            )
    return notes


def _without_partial_copies(others: dict, needed: Mapping[str, object], roots: tuple[str, ...]):
    """(others without them, prefix -> how many weights of the encoder are there)"""
    left, partial = {}, Counter()
    for key, value in others.items():
        starts = (at for root in roots if (at := key.find(root)) >= 0 and (at == 0 or key[at - 1] == "."))
        at = next((at for at in starts if key[at:] in needed), None)
        if at is None:
            left[key] = value
        else:
            partial[key[:at]] += 1
    return left, partial


def _there(place: str, prefix: str) -> str:
    return ".".join(filter(None, (place[:80], prefix[:80].rstrip(".")))) or "the top"


def _is_copy(key: str, whole, place: str, roots: tuple[str, ...]) -> bool:
    return any(
        other == place and before and key.startswith(before) and key.removeprefix(before).startswith(roots)
        for _, other, before in whole
    )


def _kinds(others: Iterable[str]) -> str:
    """The first parts of names, most frequent first."""
    counted = Counter(_first(name) for name in others)
    words = [name for name, _ in counted.most_common(4)]
    return ", ".join(words) + (" ..." if len(counted) > 4 else "")


def _first(name: str) -> str:
    parts = [part for part in name.split(".") if part not in ("module", "_orig_mod", "model", "net", "network")]
    return (parts or ["?"])[0][:40]


def held(content: Content, most: int = 6) -> str:
    """What the file holds, in words: its entries, and the first names inside its weights."""
    found = dicts_of(content)
    top = ", ".join(sorted(str(key)[:60] for key in content.values)[:most]) + (
        " ..." if len(content.values) > most else ""
    )
    if not found:
        return f"It holds {top}, and no tensors."
    place, weights = max(found.items(), key=lambda item: len(item[1]))
    names = ", ".join(name[:80] for name in list(weights)[:most])
    if not place:
        return f"It holds {len(weights)} weights: {names}{' ...' if len(weights) > most else ''}."
    return f"It holds {top}; {place} has {len(weights)} weights: {names}{' ...' if len(weights) > most else ''}."
