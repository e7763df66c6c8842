"""Presets: a paper's preprocessing as named settings, below what the user sets and above the defaults."""

from __future__ import annotations

from tebench.base.errors import InputError
from tebench.metrics.registry import Metric, load


def read(config: dict) -> dict[str, dict]:
    """Metric name -> settings of the chosen preset, all names and values checked.

    Every entry is checked, also of metrics that the run does not use: a misspelt line in a preset would
    otherwise leave a metric at its plain definition without a word.
    """
    node = config.get("preset") or {"name": "plain", "metrics": {}}
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


def below(metric: Metric, given: dict, preset: dict[str, dict]) -> dict:
    """`given` over the preset's settings. A value equal to the metric's default does not count as given."""
    changed = {key: value for key, value in given.items() if _changed(metric, key, value)}
    return {**preset.get(metric.name, {}), **changed}


def _changed(metric: Metric, key: str, value) -> bool:
    return key not in metric.parameters or value != metric.parameters[key].default


def _in_file(where: str, what: str, name: str, known) -> InputError:
    import difflib

    near = difflib.get_close_matches(str(name), sorted(known), n=1, cutoff=0.5)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    return InputError(f"{where}: {what}.{hint} Known: {', '.join(sorted(known)) or 'none'}.")
