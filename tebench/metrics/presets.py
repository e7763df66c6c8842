"""Presets: a paper's preprocessing as named settings, below what the user sets and above the defaults."""

from __future__ import annotations

from collections.abc import Mapping

from tebench.base.errors import InputError
from tebench.metrics.registry import Metric, load


def checked(node: Mapping) -> dict[str, dict]:
    """Metric name -> settings of a preset (its `name` and `metrics`), all names and values checked.

    Every entry is checked, also of metrics that the run does not use: a misspelt line in a preset would
    otherwise leave a metric at its plain definition without a word.
    """
    name = node.get("name")
    where = f"preset {name} (conf/preset/{name}.yaml)"
    settings = node.get("metrics")
    if not isinstance(settings, dict) or set(node) != {"name", "metrics"}:
        raise InputError(f"{where}: expected the keys name and metrics (a mapping), got {sorted(node)}.")
    known = load()
    for metric, given in settings.items():
        if metric not in known:
            raise _in_file(where, f"unknown metric {metric!r}", metric, known)
        if not isinstance(given, dict):
            raise InputError(f"{where}: {metric}: expected a mapping of parameters, got {given!r}.")
        for parameter, value in given.items():
            parameters = known[metric].parameters
            if parameter not in parameters:
                raise _in_file(where, f"unknown parameter of metric {metric} {parameter!r}", parameter, parameters)
            parameters[parameter].check(value, f"{where}: metric {metric}")
    return settings


def completed(metric: Metric, stated: dict, preset: Mapping[str, dict]) -> dict:
    """All parameters of the metric: what is stated, else the preset's value, else the default.

    A fused metric passes the parameters that it shares with a part by name on to that part, so the preset of the part
    holds for it too. A `seed` that is not stated is left out: it is the run's.
    """
    below: dict = {}
    for part in metric.parts.values():
        below |= {key: value for key, value in preset.get(part, {}).items() if key in metric.parameters}
    parameters = metric.complete({**below, **preset.get(metric.name, {}), **stated})
    if "seed" not in stated:
        parameters.pop("seed", None)
    return parameters


def _in_file(where: str, what: str, name: str, known) -> InputError:
    import difflib

    near = difflib.get_close_matches(str(name), sorted(known), n=1, cutoff=0.5)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    return InputError(f"{where}: {what}.{hint} Known: {', '.join(sorted(known)) or 'none'}.")
