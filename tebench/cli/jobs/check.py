"""job=check: the common checks on the chosen metrics."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import ClassVar

from tebench.base.errors import InputError
from tebench.benchmark.settings import Settings


@dataclass(frozen=True)
class Options:
    """Run the common checks on a metric; exit code 1 when one fails.

    tebench check metric=logme
    tebench check metric=mine plugins=mine.py
    """

    READS: ClassVar = ("metric",)


def run(settings: Settings, options: Options) -> None:
    """Print one line per check and exit with 1 when any failed."""
    from tebench.metrics.checks import run_checks

    failed = 0
    for metric, given in settings.metrics:
        if changed := [key for key, value in given.items() if value != metric.parameters[key].default]:
            raise InputError(f"job=check checks a metric at its defaults: leave out metric.{changed[0]}.")
        print(f"{metric.name}: {metric.title} ({metric.direction}, range {metric.range_text}, {metric.paper})")
        for result in run_checks(metric):
            print(f"  {result.status:<9} {result.check:<38} {result.seen}")
            failed += result.status == "fail"
        print()
    print(f"{failed} checks failed" if failed else "all checks passed")
    sys.exit(1 if failed else 0)
