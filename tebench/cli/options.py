"""The configuration tree: where it lies, what it holds, and metrics as typed Hydra options."""

from __future__ import annotations

import dataclasses
import re
from importlib.resources import files
from pathlib import Path
from typing import Any, Optional

from tebench.base.errors import InputError, unknown_name
from tebench.benchmark.conf import group_options
from tebench.cli.sweep import FLAGS
from tebench.metrics import presets
from tebench.metrics.registry import Metric, load, load_plugins

GROUPS = ("job", "benchmark", "sampling", "protocol", "preset")
SEVERAL = "several"
# Options that hold one path: their values are quoted for Hydra where its grammar would not take them.
PATHS = ("job.dataset", "job.folder", "job.target", "job.file", "cache", "output")


def metric_schema(metric: Metric) -> type:
    """A dataclass of the metric's parameters, so that Hydra converts and type-checks them."""
    fields = [("name", str, dataclasses.field(default=metric.name))]
    for parameter in metric.parameters.values():
        # A metric's seed is the run's unless it is given: null tells the two apart.
        follows = parameter.name == "seed"
        kind = Optional[parameter.type] if parameter.optional or follows else parameter.type  # noqa: UP045 (omegaconf)
        fields.append((parameter.name, kind, dataclasses.field(default=None if follows else parameter.default)))
    return dataclasses.make_dataclass(f"Metric_{metric.name}", fields)


def store_metrics() -> None:
    """Make every registered metric an option of the group `metric`."""
    from hydra.core.config_store import ConfigStore

    store = ConfigStore.instance()
    for metric in load().values():
        store.store(group="metric", name=metric.name, node=metric_schema(metric))
    for name in ("all", SEVERAL):
        several = dataclasses.make_dataclass(
            f"Metrics_{name}",
            [
                ("name", str, dataclasses.field(default=name)),
                ("names", list[str], dataclasses.field(default_factory=list)),
                ("options", dict[str, Any], dataclasses.field(default_factory=dict)),
            ],
        )
        store.store(group="metric", name=name, node=several)


def load_named_plugins(arguments: list[str]) -> None:
    """Register the metrics of the files that plugins=[...] names on the command line."""
    plugins = [a.split("=", 1)[1] for a in arguments if a.lstrip("+").startswith("plugins=")]
    load_plugins([item for value in plugins for item in split_list(value)])


def prepare(arguments: list[str]) -> list[str]:
    """Load plugins, check the names that the command line uses, and rewrite `metric=[a,b]`.

    `tebench cite metric=lbtc` is `tebench job=cite job.metric=lbtc`, see `own_options`. Hydra merges a list of
    options of one group into one node, which would lose all metrics but the last; so a list becomes
    `metric=several metric.names=[a,b]`.
    """
    arguments = own_options(arguments)
    if "job=rank" in arguments and not any(argument.startswith("sampling=") for argument in arguments):
        arguments = [*arguments, "sampling=floor"]  # own data may have small classes, and no published scores
    load_named_plugins(arguments)
    known = {**{name: None for name in load()}, "all": None}
    ready = []
    for argument in arguments:
        key, _, value = argument.partition("=")
        sweep = "," in value and not value.startswith("[")
        names = split_list(value)
        if key == "metric" and re.search(r"\]\s*,|,\s*\[", value):
            ready += _metric_sweep(value, known)
            continue
        if key == "metric":
            for name in names:
                if name not in known:
                    raise unknown_name("metric", name, known)
            if not sweep and (len(names) > 1 or value.startswith("[")):
                if not names:
                    raise InputError("metric=[] names no metric.")
                repeated = sorted({name for name in names if names.count(name) > 1})
                if repeated:
                    raise InputError(f"metric={value}: {', '.join(repeated)} given twice.")
                if "all" in names:
                    ready.append("metric=all")
                else:
                    ready += [f"metric={SEVERAL}", f"metric.names=[{','.join(names)}]"]
                continue
        elif key in GROUPS:
            options = group_options(key)
            for name in names:
                if name not in options:
                    raise unknown_name(key, name, options)
        if key in PATHS and _is_odd_path(value, arguments):
            argument = f"{key}={_quoted(value)}"
        # Hydra takes a bracket inside a word for a mistake: stages=encoder[-2:] needs quotes.
        if re.fullmatch(r"\w+\[[-\d:]*\]", value):
            argument = f'{key}="{value}"'
        # The options of several metrics are an open mapping; Hydra wants additions to one marked.
        ready.append(f"+{argument}" if key.startswith("metric.options.") else argument)
    _check_keys(ready)
    _check_metric_options(ready)
    return ready


def _is_odd_path(value: str, arguments: list[str]) -> bool:
    """Whether Hydra's grammar would not read a path as it stands; quotes, lists, ${...} and sweeps are the user's."""
    plain = re.fullmatch(r"[\w/.\-+%*@?|:]*", value, flags=re.ASCII)
    if plain or "${" in value or value.startswith(("'", '"')):
        return False
    sweeps = "," in value and not set(FLAGS).isdisjoint(arguments)
    is_list = value.startswith("[") and value.endswith("]")
    return not (sweeps or is_list) or Path(value).exists()


def _quoted(value: str) -> str:
    """A path with blanks, brackets, = or letters of other alphabets, as Hydra's grammar takes it."""
    return "'" + re.sub(r"(\\*)'", r"\1\1\\'", re.sub(r"(\\+)$", r"\1\1", value)) + "'"


def _metric_sweep(value: str, known) -> list[str]:
    """`metric=[a,b],[c]`, a sweep over lists of metrics, as Hydra can take it."""
    lists = [split_list(item) for item in re.findall(r"\[[^\]]*\]|[^,\[\]\s]+", value)]
    for names in lists:
        for name in names:
            if name not in known or name == "all":
                raise unknown_name("metric", name, set(known) - {"all"})
        if not names or len(set(names)) < len(names):
            raise InputError(f"metric={value}: every list names at least one metric, and each once.")
    return [f"metric={SEVERAL}", "metric.names=" + ",".join(f"[{','.join(names)}]" for names in lists)]


def _check_keys(arguments: list[str]) -> None:
    """An unknown option, or an unknown option of a job, benchmark, sampling or protocol, gets its nearest match."""
    root = files("tebench.conf")
    config = (root / "config.yaml").read_text(encoding="utf-8")
    top = {*re.findall(r"^(\w+):", config, flags=re.M), *GROUPS, "metric", "hydra"} - {"defaults"}
    for argument in arguments:
        match = re.match(r"(\w+)(?:\.(\w+))?[\w.]*=", argument)
        if not match:
            continue
        key, inner = match.groups()
        if key not in top:
            raise unknown_name("option", key, top)
        if inner and key in ("job", "benchmark", "sampling", "protocol"):
            default = re.search(rf"^  - {key}: (\S+)", config, flags=re.M)
            chosen = next((a[len(key) + 1 :] for a in reversed(arguments) if a.startswith(f"{key}=")), default.group(1))
            file = root / key / f"{chosen}.yaml"
            if file.is_file():
                known = set(re.findall(r"^(\w+):", file.read_text(encoding="utf-8"), flags=re.M))
                if inner not in known:
                    raise unknown_name(f"option of {key} {chosen}", inner, known)


def own_options(arguments: list[str]) -> list[str]:
    """A first word such as `cite` is `job=cite`; the job's own options need no `job.` before them.

    >>> own_options(["cite", "metric=lbtc", "seed=1"])
    ['job=cite', 'job.metric=lbtc', 'seed=1']
    """
    jobs = group_options("job")
    first = next((i for i, argument in enumerate(arguments) if argument not in FLAGS), 0)
    if arguments and arguments[first] in jobs:
        arguments = [*arguments[:first], f"job={arguments[first]}", *arguments[first + 1 :]]
    job = next((a[4:] for a in reversed(arguments) if a.startswith("job=")), "score")
    if job not in jobs:
        return arguments
    text = (files("tebench.conf") / "job" / f"{job}.yaml").read_text(encoding="utf-8")
    own = set(re.findall(r"^(\w+):", text, flags=re.M)) - {"name"}
    if "file" in own:  # validate submission.csv
        arguments = [a if "=" in a or a.startswith("-") else f'file="{a}"' for a in arguments]
    return [f"job.{a}" if a.split("=", 1)[0] in own and "=" in a else a for a in arguments]


def split_list(value: str) -> list[str]:
    """Items of "a", "a,b" or "[a,b]", quotes removed."""
    return [item.strip().strip("'\"") for item in value.strip().strip("[]").split(",") if item.strip()]


def _check_metric_options(arguments: list[str]) -> None:
    """An unknown `metric.option=` names the options of that metric."""
    chosen = [a.split("=", 1)[1] for a in arguments if a.startswith("metric=")]
    name = chosen[-1] if chosen else "grtd_lbtc"
    for argument in arguments:
        match = re.fullmatch(r"metric\.(\w+)=.*", argument)
        if match and name in ("all", SEVERAL) and match.group(1) not in ("names", "options"):
            raise InputError(f"{argument}: with several metrics write metric.options.NAME.{match.group(1)}=VALUE.")
        if match and name in load():
            option, parameters = match.group(1), load()[name].parameters
            if option not in parameters:
                raise unknown_name(f"option of metric {name}", option, parameters)


def requested_metrics(config: dict) -> list[tuple[Metric, dict]]:
    """The metrics that a resolved configuration asks for, with all their parameters but a `seed` not given.

    The preset lies between the defaults and what the user sets. Hydra hands over one metric's parameters
    complete, so there a value left at (or set to) its default takes the preset's; `metric.options` holds only
    what the user wrote, and that always counts.
    """
    node, known, preset = dict(config["metric"]), load(), presets.read(config)
    name = node.pop("name")
    if name not in ("all", SEVERAL):
        given = {key: value for key, value in node.items() if key != "seed" or value is not None}
        return [_completed(known[name], presets.below(known[name], given, preset))]
    names = node["names"] or list(known)
    options = node["options"]
    for other in options:
        if other not in names:
            raise unknown_name("metric in metric.options", other, names)
    return [_completed(known[name], {**preset.get(name, {}), **dict(options.get(name, {}))}) for name in names]


def _completed(metric: Metric, given: dict) -> tuple[Metric, dict]:
    parameters = metric.complete(given)
    if "seed" not in given:
        parameters.pop("seed", None)
    return metric, parameters
