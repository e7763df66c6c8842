"""Tab completion for bash, zsh and fish. Hydra installs it (`eval "$(tebench -sc install=bash)"`); the words are ours.

Hydra's own answer knows neither jobs as first words nor encoders and tasks, and it composes a configuration each time.
"""

from __future__ import annotations

import os

from tebench.benchmark.conf import group_options
from tebench.benchmark.options import parameters_of
from tebench.benchmark.settings import ALL, Shared
from tebench.cli import jobs
from tebench.cli.options import GROUPS

SHELLS = ("bash", "zsh", "fish")


def answered(arguments: list[str]) -> bool:
    """Print the words that complete the line in $COMP_LINE, for `-sc query=SHELL`; False: Hydra is to install."""
    queries = [word.split("=", 1)[1] for word in arguments if word.startswith("query=")]
    if not queries:
        return False
    line = os.environ.get("COMP_LINE", "")
    line = line[: int(os.environ.get("COMP_POINT") or len(line))]
    found = candidates(line)
    if found:
        print("\n".join(found) if queries[0] == "fish" else " ".join(found))
    return True


def candidates(line: str) -> list[str]:
    """Words that could stand where the line ends.

    >>> candidates("tebench expl")
    ['explain']
    >>> candidates("tebench rank max_c")
    ['max_cases=']
    >>> candidates("tebench metric=[lbtc,hsc")
    ['metric=[lbtc,hscore', 'metric=[lbtc,hscore_regularized']
    """
    words = line.split()
    last = "" if line.endswith(" ") or not words else words[-1]
    before = words[1 : len(words) - bool(last)]
    named = [word.removeprefix("job=") for word in before if word.removeprefix("job=") in jobs.names()]
    job = named[0] if named else "score"
    key, equals, value = last.partition("=")
    if equals:
        head, tail = _open_item(value)
        words = [f"{key}={head}{name}" for name in _values(key, job) if name.startswith(tail)]
    else:
        words = [f"{name}=" for name in (*parameters_of(jobs.options_of(job)), *jobs.reads(job))]
        words += [] if named else jobs.names()
        if "metric" in jobs.reads(job):
            words += _metric_options(before)
    return sorted({word for word in words if word.startswith(last)})


def _open_item(value: str) -> tuple[str, str]:
    """("[a,", "b") of "[a,b": what stands, and the item that is being written."""
    at = max(value.rfind("["), value.rfind(",")) + 1
    return value[:at], value[at:]


def _values(key: str, job: str) -> list[str]:
    """Names that the option takes; none where it takes a number, a file or text."""
    if key == "job":
        return jobs.names()
    if key in GROUPS:
        return list(group_options(key))
    if key in ("metric", "metrics", "beside", "job.beside", "job.metrics"):
        from tebench.metrics.registry import load

        return [*load(), ALL]
    if key in ("encoder", "encoders"):
        from tebench.encoders import catalogue as encoders

        return encoders.names()
    if key in ("task", "tasks"):
        from tebench.tasks import catalogue as tasks

        return tasks.names()
    one = {**parameters_of(Shared), **parameters_of(jobs.options_of(job))}.get(key.removeprefix("job."))
    if one is None:
        return []
    return ["true", "false"] if one.type is bool else [str(choice) for choice in one.choices]


def _metric_options(before: list[str]) -> list[str]:
    from tebench.metrics.registry import load

    chosen = [word.split("=", 1)[1] for word in before if word.startswith("metric=")]
    known = load()
    return [f"metric.{name}=" for name in known[chosen[-1]].parameters] if chosen and chosen[-1] in known else []
