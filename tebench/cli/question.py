"""The default output folder: named after the question, so that another question does not overwrite its answer."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tebench.base import storage
from tebench.base.errors import InputError
from tebench.benchmark.conf import chosen_by_default, content
from tebench.benchmark.options import asked, defaults, spelled
from tebench.benchmark.settings import Benchmark, Settings, Shared
from tebench.benchmark.spec import facts_of
from tebench.metrics.registry import load

LONGEST = 80


def output_folder(settings: Settings, options: Any) -> str:
    """outputs/<benchmark>/<metrics>, and after them every option that differs from its default.

    A name longer than 80 characters is cut, and a hash of the whole keeps it apart.
    """
    metrics = [metric.name for metric, _ in settings.metrics or ()]
    name = "all" if len(metrics) == len(load()) else "+".join(metrics)
    differing = differences(settings, options)
    plain = "".join([name, *(f"__{key}-{_plain(value)}" for key, value in differing.items())])
    whole = _clean(plain)
    if len(whole) > LONGEST or whole != plain:
        digest = storage.hash_json([name, {key: spelled(value) for key, value in differing.items()}])[:8]
        whole = f"{whole[: LONGEST - 10].rstrip('-_')}--{digest}"
    return str(Path("outputs") / settings.benchmark.name / whole)


def differences(settings: Settings, options: Any) -> dict[str, Any]:
    """Option -> value, of all that changes a result and is not at its default."""
    found = {}
    for metric, given in settings.metrics or ():
        usual = settings.completed(metric).parameters
        found |= {f"{metric.name}.{key}": value for key, value in given.items() if value != usual.get(key)}
    for cls, values in ((Shared, settings), (type(options), options)):
        standing = defaults(cls)
        for key in asked(cls):
            value = getattr(values, key)
            value = list(value) if isinstance(value, tuple) else value
            if value != standing[key]:
                found[key] = value
    found |= _changed("benchmark", dataclasses.asdict(settings.benchmark), _shipped_benchmark(settings.benchmark.name))
    usual, name = chosen_by_default(), str(settings.protocol["name"])
    found |= _changed("sampling", settings.sampling, content("sampling", usual["sampling"]))
    if name != usual["protocol"] and settings.benchmark.protocol is None:
        found["protocol"] = name
    found |= _changed("protocol", settings.protocol, content("protocol", name))
    if settings.preset:
        found["preset"] = settings.preset_name
    return found


def _changed(group: str, values: Mapping, shipped: Mapping) -> dict[str, Any]:
    where = ("data", "checkpoints")  # of the user's files, which have an identity of their own
    return {f"{group}.{k}": v for k, v in values.items() if k not in where and shipped and v != shipped.get(k)}


def _shipped_benchmark(name: str) -> dict:
    try:
        return dataclasses.asdict(Benchmark.of(facts_of(name)))
    except InputError:  # a benchmark of the user's own, from --config-dir
        return {}


def _plain(value) -> str:
    if isinstance(value, list | tuple):
        return "+".join(map(_plain, value))
    return spelled(value)


def _clean(text: str) -> str:
    """Characters that every file system and shell takes as they are."""
    return re.sub(r"[^A-Za-z0-9_.+-]+", "-", text).strip("-")
