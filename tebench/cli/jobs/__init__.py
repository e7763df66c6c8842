"""One file a job: its options as one frozen dataclass, one call, printing.

A job's module holds `Options` (the docstring's first line is its line of help, the rest its examples; `READS` names the
shared options and groups that it reads, `USUAL` the files of groups that it takes by default where
conf/config.yaml names others) and `run(settings, options)`. Importing it is light: what computes is imported
inside the functions.
"""

from __future__ import annotations

import importlib
import pkgutil
from types import ModuleType


def names() -> list[str]:
    """Every job."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__))


def module(name: str) -> ModuleType:
    """The job's module."""
    return importlib.import_module(f"{__name__}.{name}")


def options_of(name: str) -> type:
    """The dataclass of the job's own options."""
    return module(name).Options


def summary(name: str) -> str:
    """The job in one line."""
    return (options_of(name).__doc__ or "").strip().split("\n")[0]


def examples(name: str) -> list[str]:
    """Command lines of the job, each perhaps with its explanation."""
    lines = [line.strip() for line in (options_of(name).__doc__ or "").strip().split("\n")[1:]]
    return [line for line in lines if line]


def reads(name: str) -> tuple[str, ...]:
    """Shared options and groups that the job reads, beside those of every job."""
    from tebench.benchmark.settings import EVERY_JOB

    return (*options_of(name).READS, *EVERY_JOB)
