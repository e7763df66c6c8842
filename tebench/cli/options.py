"""The command line's words before Hydra reads them: every spelling that is plain becomes one, every other is refused.

    tebench rank ...                        job=rank, for the first word that has no =
    task=lungs, tasks=lungs, tasks=[lungs]  one meaning; `metric=a,b` and `metric=[a, b]` too
    target=FILE, job.target=FILE            an option of the job needs no `job.`
    metric=[a,b]                            metric=several metric.names=[a,b]: Hydra would merge both into one node

An option that the chosen job does not read is refused, so that none is silently ignored.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, fields
from pathlib import Path

from tebench.base.errors import InputError, unknown_name
from tebench.benchmark import own
from tebench.benchmark.conf import chosen_by_default, content, group_options
from tebench.benchmark.options import parameters_of
from tebench.benchmark.settings import ALL, PROPOSED, SEVERAL, Benchmark, Shared, unknown_metric
from tebench.cli import jobs, overrides
from tebench.cli.sweep import FLAGS
from tebench.metrics.registry import load, load_plugins

GROUPS = ("benchmark", "sampling", "protocol", "preset")
# Hydra's own words; those of the second line take the next word with them.
PLAIN_FLAGS = (*FLAGS, "--run", "-r", "--resolve", "--hydra-help", "--info", "-i", "--shell-completion", "-sc")
TAKING = ("--cfg", "-c", "--package", "-p", "--config-dir", "-cd", "--config-name", "-cn", "--config-path", "-cp")


@dataclass(frozen=True)
class Line:
    """A command line, taken apart. own: folder of configuration files of the user's."""

    flags: list[str]
    settings: list[str]
    jobs: list[str]
    sweep: bool
    own: str | None

    @property
    def job_options(self) -> dict:
        """Name -> parameter, of all jobs of the line."""
        return {key: one for job in self.jobs for key, one in parameters_of(jobs.options_of(job)).items()}

    @property
    def readable(self) -> dict[str, None]:
        """Shared options and groups that some job of the line reads."""
        return {key: None for job in self.jobs for key in jobs.reads(job)}


def prepare(arguments: list[str]) -> list[str]:
    """Load plugins, check every name that the command line uses, and write it as Hydra takes it."""
    line = take_apart(arguments)
    load_named_plugins(line.settings)
    given = [_own_benchmark(*_named(setting, line), line) for setting in line.settings]
    chosen = _chosen(given, line)
    ready = [word for key, value in given for word in _written(key, value, chosen, line)]
    given_groups = {word.split("=", 1)[0] for word in ready}
    ready += [f"{group}={name}" for group, name in _usual(line).items() if group not in given_groups]
    sweeping = [word for word in ready if overrides.is_sweep(word)]
    if sweeping and not line.sweep:
        raise InputError(f"{sweeping[0]} gives several values to one run. Add -m: one run each.")
    return [*line.flags, *ready]


def _own_benchmark(key: str, value: str, line: Line) -> tuple[str, str]:
    """`benchmark=PATH.yaml`, and a name of FOLDER/benchmark with --config-dir FOLDER, completed as an option of Hydra.

    Under a name of its own: Hydra would find the user's file first, which states only a part.
    """
    from hydra.core.config_store import ConfigStore

    plain = value.strip("'\"")
    path = Path(plain) if plain.endswith((".yaml", ".yml")) else Path(line.own or ".") / "benchmark" / f"{plain}.yaml"
    if key != "benchmark" or not (path.suffix == Path(plain).suffix or (line.own and own.is_short(path))):
        return key, value
    name = own.register(path)
    ConfigStore.instance().store(group="benchmark", name=f"own_{name}", node=own.OWN[name])
    return key, f"own_{name}"


def take_apart(arguments: list[str]) -> Line:
    """Flags, settings and jobs; the first word without = is the job, the next the file of `validate FILE`."""
    flags, settings, bare, own = [], [], [], None
    words = iter(_joined(arguments))
    for word in words:
        if word in TAKING:
            value = next(words, None)
            if value is None:
                raise InputError(f"{word} needs a value.")
            flags += [word, value]
            own = value if word in ("--config-dir", "-cd") else own
        elif word in PLAIN_FLAGS or word.split("=")[0] in TAKING:
            flags.append(word)
            own = word.split("=", 1)[1] if word.startswith("--config-dir=") else own
        elif word.startswith("-"):
            plain = word.lstrip("-")
            raise InputError(f"unknown flag {word}. Options are written without dashes: {plain.split('=')[0]}=VALUE.")
        elif "=" in word or word.startswith("~"):
            settings.append(word)
        else:
            bare.append(word)
    sweep = bool(set(FLAGS) & set(flags)) or any(a.upper() == "HYDRA.MODE=MULTIRUN" for a in settings)
    if sweep and {"--cfg", "-c"} & set(flags):
        raise InputError("--cfg prints the configuration of one run: leave out -m.")
    named = [overrides.items(word.split("=", 1)[1]) for word in settings if word.startswith("job=")]
    known = jobs.names()
    if bare and not named:
        first, *bare = bare
        if first not in known:
            raise unknown_name("job", first, known)
        named, settings = [[first]], [f"job={first}", *settings]
    chosen = named[-1] if named else [chosen_by_default()["job"]]
    for job in chosen:
        if job not in known:
            raise unknown_name("job", job, known)
    if bare and "file" in parameters_of(jobs.options_of(chosen[0])):
        settings.append(f"file={bare.pop(0)}")
    if bare:
        raise InputError(f"{bare[0]!r} is no option: they are written KEY=VALUE, after one job's name at most.")
    return Line(flags, settings, chosen, sweep, own)


def _joined(arguments: list[str]) -> list[str]:
    """`metric=[a, b]` without quotes arrives as two words: a bracket that is open takes the next ones with it."""
    words: list[str] = []
    for argument in arguments:
        open_before = words and words[-1].count("[") > words[-1].count("]") and "=" in words[-1]
        if open_before:
            words[-1] = f"{words[-1]} {argument}"
        else:
            words.append(argument)
    return words


def load_named_plugins(settings: list[str]) -> None:
    """Register the metrics of the files that plugins=[...] names on the command line."""
    for setting in settings:
        key, _, value = setting.lstrip("+").partition("=")
        if key in ("plugins", "plugin"):
            load_plugins(overrides.items(value))


def _named(setting: str, line: Line) -> tuple[str, str]:
    """(key as Hydra has it, value): own options below `job.`, singular and plural as the job has them, no `+`."""
    if setting.startswith("~"):
        raise InputError(
            f"{setting}: nothing can be taken out of the configuration. Set a value: KEY=VALUE or KEY=null."
        )
    key, value = setting.lstrip("+").split("=", 1)
    first, _, rest = key.partition(".")
    if key == "job" or first == "hydra" or "/" in key or "@" in key:
        return key, value
    own, readable = line.job_options, line.readable
    prefixed = first == "job"
    if prefixed:
        first, _, rest = rest.partition(".")
    for name in (first, f"{first}s", first.removesuffix("s")):
        if name in own and not rest:
            return f"job.{name}", value
        if name in readable:
            return name + (f".{rest}" if rest else ""), value
    _refuse(first, line, {**own, **readable})


def _refuse(key: str, line: Line, known) -> None:
    """An unknown option gets its nearest name; one that the job does not read is named with those that it reads."""
    elsewhere = {*parameters_of(Shared), *GROUPS, "metric"}
    elsewhere |= {name for job in jobs.names() for name in parameters_of(jobs.options_of(job))}
    job = ", ".join(line.jobs)
    if {key, f"{key}s", key.removesuffix("s")} & elsewhere:
        raise InputError(f"job {job} does not read the option {key!r}. It reads {', '.join(sorted(known))}.")
    raise unknown_name(f"option of job {job}" if key not in elsewhere else "option", key, known)


def _usual(line: Line) -> dict[str, str]:
    """Group -> file that the job takes where conf/config.yaml takes another."""
    return getattr(jobs.options_of(line.jobs[0]), "USUAL", {})


def _chosen(given: list[tuple[str, str]], line: Line) -> dict[str, str]:
    """Group -> file that is in effect, also `metric`."""
    chosen = {**chosen_by_default(), **_usual(line)}
    for key, value in given:
        if key in (*GROUPS, "metric"):
            names = overrides.items(value)
            chosen[key] = names[0] if len(names) == 1 else ALL if ALL in names else SEVERAL
    return chosen


def _written(key: str, value: str, chosen: dict[str, str], line: Line) -> list[str]:
    """The setting as Hydra takes it."""
    first, _, inner = key.partition(".")
    if key == "metric":
        return _metrics(value, line)
    if first == "metric":
        return [_metric_option(inner, value, chosen["metric"])]
    if key in GROUPS:
        known = [*group_options(key, line.own), *(f"own_{name}" for name in own.OWN if key == "benchmark")]
        for name in overrides.items(value):
            if name not in known:
                raise unknown_name(key, name, known)
        return [f"{key}={value}"]
    if first in GROUPS:
        known = set(content(first, chosen[first], line.own))
        known |= {one.name for one in fields(Benchmark)} if first == "benchmark" else set()
        option = inner.partition(".")[0]
        if option not in known and chosen[first] != SEVERAL:
            raise unknown_name(f"option of {first} {chosen[first]}", option, known)
        # Mappings such as benchmark.windows are open: what is not in them yet is added.
        return [overrides.written(f"++{key}" if "." in inner or first == "benchmark" else key, value)]
    known = parameters_of(Shared) | {f"job.{name}": one for name, one in line.job_options.items()}
    if key in known:
        one = known[key]
        return [
            overrides.written(key, value, many=one.many, text=one.type is str and not one.choices, sweep=line.sweep)
        ]
    return [f"{key}={value}"]


def _metrics(value: str, line: Line) -> list[str]:
    """`metric=`: names, a list, or with -m a sweep over names or lists."""
    known = load()
    lists = overrides.lists(value)
    if overrides.is_function(value) and not line.sweep:
        raise InputError(f"metric={value} gives several values to one run. Add -m: one run each.")
    for name in (name for names in lists for name in names):
        if name not in known and name != ALL:
            raise unknown_metric(name, [*known, ALL])
    if line.sweep and (len(lists) > 1 or overrides.is_sweep(f"metric={value}")):
        if all(len(names) == 1 for names in lists) and "[" not in value:
            return [f"metric={value}"]
        if any(not names or len(set(names)) < len(names) or ALL in names for names in lists):
            raise InputError(f"metric={value}: every list names at least one metric, and each once.")
        return [f"metric={SEVERAL}", "metric.names=" + ",".join(f"[{','.join(names)}]" for names in lists)]
    names = [name for names in lists for name in names]
    if not names:
        raise InputError(f"metric={value} names no metric.")
    if repeated := sorted({name for name in names if names.count(name) > 1}):
        raise InputError(f"metric={value}: {', '.join(repeated)} given twice.")
    if len(names) == 1 or ALL in names:
        return [f"metric={ALL if ALL in names else names[0]}"]
    return [f"metric={SEVERAL}", f"metric.names=[{','.join(names)}]"]


def _metric_option(inner: str, value: str, chosen: str) -> str:
    """`metric.OPTION=` of one metric, `metric.options.NAME.OPTION=` of one of several."""
    known = load()
    owner, option = chosen, inner
    if match := re.fullmatch(r"options\.(\w+)\.(\w+)", inner):
        owner, option = match.groups()
        if owner not in known:
            raise unknown_metric(owner, known)
        if chosen in known and owner != chosen:
            raise InputError(f"metric.{inner}={value}: this run has one metric, {chosen}.")
    elif chosen == PROPOSED:
        raise InputError(f"metric.{inner}={value}: name the metric first, metric=NAME.")
    elif chosen in (ALL, SEVERAL):
        if inner in ("names", "options"):
            return f"metric.{inner}={value}"
        raise InputError(f"metric.{inner}={value}: with several metrics write metric.options.NAME.{inner}=VALUE.")
    parameters = known[owner].parameters
    if option not in parameters:
        raise unknown_name(f"option of metric {owner}", option, parameters)
    key = f"metric.{option}" if owner == chosen else f"++metric.options.{owner}.{option}"
    return overrides.written(key, value, text=parameters[option].type is str)
